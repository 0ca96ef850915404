import type { ChaosBead } from './bead-watch.js';
import type { Fault } from './faults.js';

/** Milliseconds each. */
export interface Latencies {
  /** From the kill of a runner, agent or host to the bead's verdict on the attempt. */
  faultToVerdict: number[];
  /** From there to the agent of the bead's next attempt. */
  faultToNextSpawn: number[];
  slingToClosed: number[];
}

/** Reads from the beads' own records how long they took; clocks of workflow and run are the same machine's. */
export function latenciesOf(beads: readonly ChaosBead[], faults: readonly Fault[]): Latencies {
  const latencies: Latencies = { faultToVerdict: [], faultToNextSpawn: [], slingToClosed: [] };
  for (const { view, closedAt } of beads)
    if (view?.status === 'closed' && closedAt !== undefined) latencies.slingToClosed.push(closedAt - view.createdAt);
  for (const { killed, happenedAt } of faults) {
    for (const { bead, attempt } of killed) {
      const attempts = beads.find(({ id }) => id === bead)?.view?.attempts ?? [];
      const hit = attempts.find(({ id }) => id === attempt);
      // One that had ended before, or that was as good as done, was not decided by the kill.
      if (hit?.endedAt === undefined || hit.endedAt < happenedAt || hit.outcome !== 'lost') continue;
      latencies.faultToVerdict.push(hit.endedAt - happenedAt);
      const next = attempts.find(({ number, spawnedAt }) => number > hit.number && spawnedAt !== undefined);
      if (next?.spawnedAt !== undefined) latencies.faultToNextSpawn.push(next.spawnedAt - happenedAt);
    }
  }
  return latencies;
}

/** @returns the value below which that part of the values lies (nearest rank). */
export function quantile(values: readonly number[], part: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
}

/** @returns one line: how many, p50, p90, p99 in seconds. */
export function percentilesLine(name: string, values: readonly number[]): string {
  const of = (part: number): string => {
    const value = quantile(values, part);
    return value === undefined ? '-' : `${(value / 1_000).toFixed(1)} s`;
  };
  return (
    `${name.padEnd(20)} p50 ${of(0.5).padStart(8)}   p90 ${of(0.9).padStart(8)}   p99 ${of(0.99).padStart(8)}   ` +
    `(${values.length})`
  );
}
