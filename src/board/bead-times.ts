/** What the charts are made of: pure sums over what beads say of themselves. @module */
import { billedTokens, noUsage } from '../contract/index.js';
import type { BeadView } from '../contract/index.js';
import type { ChartsAnswer } from './api-types.js';

/** A bead and when it ended, as far as it has. */
export interface ChartedBead {
  view: BeadView;
  closedAt?: number;
}

interface Span {
  from: number;
  to: number;
  of: 'working' | 'waiting' | 'inReview' | 'blocked';
}

/** @returns the bead's life in pieces: an agent at work, its work in review, blocked, and all else waiting. */
export function spansOf({ view, closedAt }: ChartedBead, now: number): Span[] {
  const end = closedAt ?? now;
  const spans: Span[] = [];
  const add = (from: number, to: number, of: Span['of']): void => {
    if (to > from) spans.push({ from, to, of });
  };
  const runs = [...view.attempts, ...(view.current === undefined ? [] : [view.current])];
  let at = view.createdAt;
  let after: Span['of'] = 'waiting';
  for (const run of runs) {
    const begin = run.spawnedAt ?? run.startedAt;
    const over = ('endedAt' in run ? run.endedAt : undefined) ?? end;
    add(at, begin, after);
    if (run.spawnedAt !== undefined) add(begin, over, 'working');
    else add(begin, over, 'waiting');
    at = over;
    after = 'outcome' in run && run.outcome === 'done' ? 'inReview' : 'waiting';
  }
  const blocked = view.wait?.for === 'person' ? view.wait.since : undefined;
  add(at, Math.min(blocked ?? end, end), after);
  if (blocked !== undefined) add(Math.max(blocked, at), end, 'blocked');
  return spans;
}

/** @returns the sums of a range, in so many steps. */
export function chartsOf(
  beads: readonly ChartedBead[],
  closedAt: readonly number[],
  { from, to, steps }: { from: number; to: number; steps: number },
): Omit<ChartsAnswer, 'asked' | 'beads'> {
  const step = (to - from) / steps;
  const agents = Array.from({ length: steps }, () => 0);
  const landed = Array.from({ length: steps }, () => 0);
  for (const at of closedAt) {
    const index = Math.floor((at - from) / step);
    if (index >= 0 && index < steps) landed[index] = (landed[index] ?? 0) + 1;
  }
  const shares = { waiting: 0, working: 0, inReview: 0, blocked: 0 };
  const costs = new Map<string, ChartsAnswer['costs'][number]>();
  for (const bead of beads) {
    for (const span of spansOf(bead, to)) {
      const [begin, end] = [Math.max(span.from, from), Math.min(span.to, to)];
      if (end <= begin) continue;
      shares[span.of] += end - begin;
      if (span.of !== 'working') continue;
      for (let index = Math.floor((begin - from) / step); index < steps && from + index * step < end; index += 1) {
        const overlap = Math.min(end, from + (index + 1) * step) - Math.max(begin, from + index * step);
        agents[index] = (agents[index] ?? 0) + overlap / step;
      }
    }
    const rig = bead.view.rig ?? 'without a rig';
    const usage = bead.view.usage ?? noUsage;
    const sum = costs.get(rig) ?? { rig, costUsd: 0, tokens: 0, beads: 0 };
    costs.set(rig, {
      rig,
      costUsd: sum.costUsd + usage.costUsd,
      tokens: sum.tokens + billedTokens(usage),
      beads: sum.beads + 1,
    });
  }
  return {
    from,
    to,
    step,
    agents,
    landed,
    shares,
    costs: [...costs.values()].sort((a, b) => b.costUsd - a.costUsd || b.tokens - a.tokens),
  };
}
