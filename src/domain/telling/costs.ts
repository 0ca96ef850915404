import { addUsage, noUsage } from '../../contract/index.js';
import type { Budgets, Usage } from '../../contract/index.js';

/** What one bead has used. */
export interface BeadCost {
  bead: string;
  title: string;
  status: string;
  rig?: string;
  convoy?: string;
  attempts: number;
  usage: Usage;
  /** Its limits, where it has such. */
  budget?: Pick<Budgets, 'maxTokens' | 'maxCostUsd'>;
}

/** What the beads of one convoy, rig or town have used together. */
export interface GroupCost {
  name: string;
  beads: number;
  attempts: number;
  usage: Usage;
}

const dearestFirst = (a: { usage: Usage }, b: { usage: Usage }): number =>
  b.usage.costUsd - a.usage.costUsd ||
  b.usage.inputTokens + b.usage.outputTokens - (a.usage.inputTokens + a.usage.outputTokens);

/** @returns beads, the dearest first. */
export const byCost = (beads: readonly BeadCost[]): BeadCost[] => [...beads].sort(dearestFirst);

/** @returns sums per convoy or rig, the dearest first; a bead that has none is in no group. */
export function groupCosts(beads: readonly BeadCost[], of: 'rig' | 'convoy'): GroupCost[] {
  const groups = new Map<string, BeadCost[]>();
  for (const bead of beads) {
    const name = bead[of];
    if (name !== undefined) groups.set(name, [...(groups.get(name) ?? []), bead]);
  }
  return [...groups].map(([name, members]) => sumOf(name, members)).sort(dearestFirst);
}

/** @returns the sum of all. */
export const sumOf = (name: string, beads: readonly BeadCost[]): GroupCost => ({
  name,
  beads: beads.length,
  attempts: beads.reduce((sum, { attempts }) => sum + attempts, 0),
  usage: beads.reduce((sum, { usage }) => addUsage(sum, usage), noUsage),
});
