import { proxySinks } from '@temporalio/workflow';
import type { Sinks, WorkflowInterceptorsFactory } from '@temporalio/workflow';

/** Hits by number of the statement, function or branch. */
type Hits = Record<string, number | number[]>;
export interface FileCounters {
  path: string;
  s: Hits;
  f: Hits;
  b: Hits;
}

export interface CoverageSinks extends Sinks {
  coverage: { first(files: Record<string, FileCounters>): void; more(files: FileCounters[]): void };
}

const { coverage } = proxySinks<CoverageSinks>();
const hit = (count: number | number[]): boolean => (Array.isArray(count) ? count.some((one) => one > 0) : count > 0);

/** @returns what was hit, and sets it back. */
function take(hits: Hits): Hits {
  const taken: Hits = {};
  for (const [key, count] of Object.entries(hits)) {
    if (!hit(count)) continue;
    taken[key] = count;
    hits[key] = Array.isArray(count) ? count.map(() => 0) : 0;
  }
  return taken;
}

/**
 * Carries what was counted out of the sandbox: the whole map once a workflow, then only what was hit since (the whole
 * map each time takes a second of every hour).
 */
export const interceptors: WorkflowInterceptorsFactory = () => {
  let first = true;
  return {
    internals: [
      {
        concludeActivation(input, next) {
          const files = (globalThis as { __coverage__?: Record<string, FileCounters> }).__coverage__;
          if (files !== undefined) {
            if (first) coverage.first(JSON.parse(JSON.stringify(files)) as Record<string, FileCounters>);
            const more = Object.values(files).map(({ path, s, f, b }) => ({
              path,
              s: take(s),
              f: take(f),
              b: take(b),
            }));
            if (!first)
              coverage.more(
                more.filter(({ s, f, b }) => Object.keys(s).length + Object.keys(f).length + Object.keys(b).length > 0),
              );
            first = false;
          }
          return next(input);
        },
      },
    ],
  };
};
