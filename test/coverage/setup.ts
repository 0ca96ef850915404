import { afterAll } from 'vitest';
import { Worker } from '@temporalio/worker';
import type { FileCounters } from './counters.js';

type Hits = FileCounters['s'];
const vitestCounters = globalThis as { __VITEST_COVERAGE__?: Record<string, FileCounters> };
const counted: Record<string, FileCounters> = {};

function add(into: Hits, hits: Hits): void {
  for (const [key, count] of Object.entries(hits)) {
    const before = into[key];
    into[key] = Array.isArray(count)
      ? count.map((one, n) => one + (Array.isArray(before) ? (before[n] ?? 0) : 0))
      : count + (typeof before === 'number' ? before : 0);
  }
}

function merge(file: FileCounters): void {
  const known = counted[file.path];
  if (known === undefined) counted[file.path] = file;
  else for (const kind of ['s', 'f', 'b'] as const) add(known[kind], file[kind]);
}

const sinks = {
  coverage: {
    first: {
      fn: (_: unknown, files: Record<string, FileCounters>) => Object.values(files).forEach(merge),
      callDuringReplay: true,
    },
    more: { fn: (_: unknown, files: FileCounters[]) => files.forEach(merge), callDuringReplay: true },
  },
};
const create = Worker.create.bind(Worker);
// Workers are created in many places; what they count leaves the sandbox by a sink.
Worker.create = (options) => create({ ...options, sinks: { ...options.sinks, ...sinks } });
const replay = Worker.runReplayHistories.bind(Worker);
// Recorded histories still go through what newer ones pass by.
Worker.runReplayHistories = (options, histories) =>
  replay({ ...options, sinks: { ...options.sinks, ...sinks } }, histories);

afterAll(() => {
  const all = (vitestCounters.__VITEST_COVERAGE__ ??= {});
  // What runs outside of the sandbox is counted with the unit tests. Here it would mix up two builds of one file.
  for (const path of Object.keys(all)) if (/\/src\/(?:domain|workflows)\//.test(path)) delete all[path];
  for (const [path, file] of Object.entries(counted)) if (/\/src\/(?:domain|workflows)\//.test(path)) all[path] = file;
});
