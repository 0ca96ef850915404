/** What a convoy's state asks of its workflow, and what may be done to it. @module */
import { mergedBy } from '../../contract/index.js';
import type { ConvoyBead, ConvoyBeadState, ConvoyState } from '../../contract/index.js';
import { beadsProblem } from './graph.js';
import { isActive, isLost, mergedNeeds, readyBeads, statusWords } from './ready.js';

/** What the workflow has to do now. Each has a key; while one is under way it is not begun again. */
export type ConvoyErrand =
  /** Ask the rig, and make the integration branch. */
  | { do: 'prepare'; key: string }
  | { do: 'start'; key: string; bead: ConvoyBeadState; needs: string[] }
  | { do: 'cancelBead'; key: string; id: string }
  /** These three share a key: an order must not overtake another. */
  | { do: 'land'; key: string; contains: { id: string; sha: string }[] }
  | { do: 'withdraw'; key: string; sha: string }
  | { do: 'verify'; key: string; sha: string; target: string };

/** @returns what the state asks for. */
export function convoyErrands(s: ConvoyState): ConvoyErrand[] {
  if (s.endedAt !== undefined) return [];
  const idle = s.staged || s.paused || s.ending !== undefined;
  const errands: ConvoyErrand[] = [];
  if (!idle && !s.prepared && s.trouble === undefined) errands.push({ do: 'prepare', key: 'prepare' });
  for (const bead of [...readyBeads(s), ...s.beads.filter(({ status }) => status === 'starting')]) {
    errands.push({ do: 'start', key: `start ${bead.id}`, bead, needs: mergedNeeds(s, bead) ?? [] });
  }
  for (const { id, status, removing, cancelTold } of s.beads) {
    if (status === 'running' && cancelTold !== true && (s.ending !== undefined || removing === true))
      errands.push({ do: 'cancelBead', key: `cancel ${id}`, id });
  }
  const { landing } = s;
  const key = 'landing';
  if (landing?.step === 'wanted' && !idle)
    errands.push({
      do: 'land',
      key,
      contains: s.beads.flatMap(({ id, sha }) => (sha === undefined ? [] : [{ id, sha }])),
    });
  if (landing?.queuedSha !== undefined && s.ending !== undefined && landing.withdrawTold !== true)
    errands.push({ do: 'withdraw', key, sha: landing.queuedSha });
  if (landing?.step === 'verifying')
    errands.push({ do: 'verify', key, sha: landing.sha ?? '', target: landing.target ?? '' });
  return errands;
}

/** @returns whether somebody should look from time to time whether those it waits for still live. */
export const looksNeeded = (s: ConvoyState): boolean =>
  s.endedAt === undefined && (s.beads.some(({ status }) => isActive(status)) || s.landing?.step === 'queued');

/** @returns whether this very bead is part of the convoy already: whoever got no answer may ask again. */
export function isPart(s: Pick<ConvoyState, 'beads'>, bead: unknown): boolean {
  if (typeof bead !== 'object' || bead === null) return false;
  const told = ({ id, title, body, needs, priority, agent }: Partial<ConvoyBead>): string =>
    JSON.stringify([id, title, body, needs, priority, agent]);
  return s.beads.some((other) => other.id === (bead as Partial<ConvoyBead>).id && told(other) === told(bead));
}

/** @returns why a bead cannot be added now, or undefined. */
export function addProblem(s: ConvoyState, bead: unknown): string | undefined {
  if (s.endedAt !== undefined || s.ending !== undefined) return `the convoy is ${s.status}: ${s.reason}`;
  if (s.landing?.step === 'queued' || s.landing?.step === 'verifying')
    return 'the convoy is landing; make another convoy, or wait for the landing';
  if (isPart(s, bead)) return undefined;
  const problem = beadsProblem(s.convoy, [...s.beads, bead as ConvoyBead]);
  if (problem !== undefined) return problem;
  const { needs } = bead as ConvoyBead;
  const leaving = needs.find((need) => s.beads.some(({ id, removing }) => id === need && removing === true));
  if (leaving !== undefined) return `it needs ${leaving}, which is being removed`;
  return needs.length > 0 ? mergesNothing(s) : undefined;
}

/** @returns why a bead cannot be removed now, or undefined. */
export function removeProblem(s: ConvoyState, id: unknown, release: boolean): string | undefined {
  if (s.endedAt !== undefined || s.ending !== undefined) return `the convoy is ${s.status}: ${s.reason}`;
  const bead = s.beads.find((other) => other.id === id);
  if (bead === undefined)
    return `the convoy has no bead ${JSON.stringify(id)}; it has ${s.beads
      .slice(0, 20)
      .map((other) => other.id)
      .join(', ')}`;
  if (bead.status === 'merged') return `${bead.id} is merged: it cannot be taken out any more`;
  if (bead.removing === true) return `${bead.id} is being removed already`;
  const needing = s.beads.filter(({ status, needs }) => status === 'pending' && needs.includes(bead.id));
  if (needing.length > 0 && !release)
    return `${needing.map((other) => other.id).join(', ')} ${needing.length === 1 ? 'needs' : 'need'} it; remove those first, or release them from their need`;
  return undefined;
}

/** @returns why a bead cannot be started again now, or undefined. */
export function retryProblem(s: ConvoyState, id: unknown): string | undefined {
  if (s.endedAt !== undefined || s.ending !== undefined) return `the convoy is ${s.status}: ${s.reason}`;
  const bead = s.beads.find((other) => other.id === id);
  if (bead === undefined) return `the convoy has no bead ${JSON.stringify(id)}`;
  return isLost(bead)
    ? undefined
    : `${bead.id} is ${statusWords(bead)}; only a failed or cancelled bead is started again (retry a blocked one by itself)`;
}

/**
 * With the strategy `branch-only` no bead's work ever reaches a target. @returns that as a problem of a convoy whose
 * beads need each other.
 */
export const mergesNothing = (s: Pick<ConvoyState, 'rig' | 'strategy'>): string | undefined =>
  s.strategy !== undefined && mergedBy(s.strategy) === 'nobody'
    ? `rig ${s.rig} merges nothing (branch-only), so no bead can start from the work of another`
    : undefined;
