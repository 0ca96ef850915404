import type { ChaosReport } from './chaos.js';
import { percentilesLine } from './latencies.js';
import { faultKinds } from './plan.js';

/** @returns what happened and what was found, for a person. */
export function chaosReport(report: ChaosReport): string {
  const {
    problems,
    aborted,
    faults,
    skipped,
    beads,
    closed,
    attempts,
    adoptions,
    reported,
    commits,
    refused,
    histories,
    overlaps,
    mostAgents,
    looks,
    latencies,
    tookMs,
    kept,
    folder,
  } = report;
  const counts = faultKinds.flatMap((kind) => {
    const times = faults.filter((fault) => fault.kind === kind).length;
    return times === 0 ? [] : [`${kind} ${times}`];
  });
  return [
    '',
    `${(tookMs / 60_000).toFixed(1)} minutes; ${faults.length} faults ` +
      `(${counts.join(', ')})${skipped === 0 ? '' : `, ${skipped} befell nobody`}`,
    `${closed} of ${beads} beads closed, in ${attempts} attempts with ${adoptions} adoptions; at most ` +
      `${mostAgents} agents at once`,
    percentilesLine('fault to verdict', latencies.faultToVerdict),
    percentilesLine('fault to next spawn', latencies.faultToNextSpawn),
    percentilesLine('sling to closed', latencies.slingToClosed),
    `looked for: ${reported} reported commits and snapshots on the origins, ${commits} commits of agents, ` +
      `${histories} histories replayed, ${looks} looks at the processes`,
    `${refused} attempts met a remote that refused their work`,
    ...(overlaps.length === 0
      ? ['never two agents of one bead at once']
      : ['two attempts of one bead had running processes:', ...overlaps.map((line) => `  ${line}`)]),
    ...(kept ? [`kept: ${folder}`] : []),
    '',
    ...(aborted
      ? ['broken off: nothing was checked']
      : problems.length === 0
        ? ['every promise was kept']
        : [`${problems.length} promises were broken:`, ...problems.map((line) => `  ${line}`)]),
  ].join('\n');
}
