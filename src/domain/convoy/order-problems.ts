/** Why an order of an operator makes no sense to a convoy now. @module */
import type { ConvoyBead, ConvoyState } from '../../contract/index.js';
import { beadsProblem } from './graph.js';
import { endedUnmerged, mergesNothing, personNeeded, statusWords } from './ready.js';
import { convoyIsFull } from './room.js';
import { firstOf } from '../words.js';

const orderProblem = (s: ConvoyState): string | undefined =>
  s.endedAt !== undefined || s.ending !== undefined ? `the convoy is ${s.status}: ${s.reason}` : undefined;

export const startConvoyProblem = (s: ConvoyState): string | undefined =>
  orderProblem(s) ?? (!s.staged && personNeeded(s).length === 0 ? 'the convoy has been started already' : undefined);

export const pauseConvoyProblem = (s: ConvoyState): string | undefined =>
  orderProblem(s) ?? (s.paused ? 'the convoy is already paused' : undefined);

export const resumeConvoyProblem = (s: ConvoyState): string | undefined =>
  orderProblem(s) ??
  (!s.paused && personNeeded(s).length === 0 ? 'the convoy is neither paused nor waits for a person' : undefined);

/** @returns whether this very bead is part of the convoy already: whoever got no answer may ask again. */
export function isPart(s: Pick<ConvoyState, 'beads'>, bead: unknown): boolean {
  if (typeof bead !== 'object' || bead === null) return false;
  const told = ({ id, title, body, needs, priority, agent }: Partial<ConvoyBead>): string =>
    JSON.stringify([id, title, body, needs, priority, agent]);
  return s.beads.some((other) => other.id === (bead as Partial<ConvoyBead>).id && told(other) === told(bead));
}

/** @returns why a bead cannot be added now, or undefined. */
export function addProblem(s: ConvoyState, bead: unknown): string | undefined {
  const ended = orderProblem(s);
  if (ended !== undefined) return ended;
  if (typeof bead !== 'object' || bead === null)
    return 'a bead is added by {"bead": {"id": "…", "title": "…", "needs": []}}';
  if (s.landing?.step === 'queued' || s.landing?.step === 'verifying')
    return 'the convoy is landing; make another convoy, or wait for the landing';
  if (isPart(s, bead)) return undefined;
  const problem = beadsProblem(s.convoy, [...s.beads, bead as ConvoyBead]);
  if (problem !== undefined) return problem;
  const full = convoyIsFull(s, bead as ConvoyBead);
  if (full !== undefined) return full;
  const { needs } = bead as ConvoyBead;
  const leaving = needs.find((need) => s.beads.some(({ id, removing }) => id === need && removing === true));
  if (leaving !== undefined) return `it needs ${leaving}, which is being removed`;
  return needs.length > 0 ? mergesNothing(s) : undefined;
}

/** @returns why a bead cannot be removed now, or undefined. */
export function removeProblem(s: ConvoyState, id: unknown, release: boolean): string | undefined {
  const ended = orderProblem(s);
  if (ended !== undefined) return ended;
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
    return (
      `${firstOf(
        needing.map((other) => other.id),
        20,
      )} ${needing.length === 1 ? 'needs' : 'need'} it; remove those first, or ` + 'release them from their need'
    );
  return undefined;
}

/** @returns why a bead cannot be started again now, or undefined. */
export function retryProblem(s: ConvoyState, id: unknown): string | undefined {
  const ended = orderProblem(s);
  if (ended !== undefined) return ended;
  const bead = s.beads.find((other) => other.id === id);
  if (bead === undefined) return `the convoy has no bead ${JSON.stringify(id)}`;
  return endedUnmerged(bead)
    ? undefined
    : `${bead.id} is ${statusWords(bead)}; only a failed or cancelled bead is started again (retry a blocked one ` +
        'by itself)';
}
