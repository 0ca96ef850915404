/** What of a convoy may start, what it waits for, and how far it is. @module */
import { defaultPriority, mergedBy } from '../../contract/index.js';
import type { ConvoyBeadState, ConvoyBeadStatus, ConvoyProgress, ConvoyState } from '../../contract/index.js';
import { firstOf } from '../words.js';

/** @returns whether a bead in this status runs, or may do so any moment. */
export const isActive = (status: ConvoyBeadStatus): boolean => status === 'starting' || status === 'running';
/**
 * @returns whether a bead did not do what those that need it wait for. (One that was taken out is not in the convoy any
 * more.)
 */
export const endedUnmerged = ({ status }: Pick<ConvoyBeadState, 'status'>): boolean =>
  status === 'failed' || status === 'cancelled';

/** @returns whether all beads are merged. A convoy without beads has merged nothing. */
export const allMerged = (s: Pick<ConvoyState, 'beads'>): boolean =>
  s.beads.length > 0 && s.beads.every(({ status }) => status === 'merged');

/** @returns the commits of what a bead needs, or undefined while one of them is not merged. */
export function mergedNeeds(s: Pick<ConvoyState, 'beads'>, bead: Pick<ConvoyBeadState, 'needs'>): string[] | undefined {
  const found = bead.needs.map((need) => s.beads.find(({ id }) => id === need));
  const shas = found.flatMap((need) => (need?.status === 'merged' && need.sha !== undefined ? [need.sha] : []));
  return shas.length === bead.needs.length ? shas : undefined;
}

/**
 * @returns the beads that may start now: by priority, then in the order of the file. None before the start, while
 * paused, or once it ends.
 */
export function readyBeads(s: ConvoyState): ConvoyBeadState[] {
  if (s.endedAt !== undefined || s.ending !== undefined || s.staged || s.paused || !s.prepared) return [];
  return s.beads
    .map((bead, index) => ({ bead, index }))
    .filter(({ bead }) => bead.status === 'pending' && mergedNeeds(s, bead) !== undefined)
    .sort((a, b) => (a.bead.priority ?? defaultPriority) - (b.bead.priority ?? defaultPriority) || a.index - b.index)
    .map(({ bead }) => bead);
}

/** In a few words, as it stands beside the bead's name. */
export function statusWords(bead: ConvoyBeadState): string {
  if (bead.status !== 'running') return bead.status;
  const words = bead.bead === 'in_review' ? 'in review' : bead.bead === 'blocked' ? 'blocked' : 'running';
  return bead.removing === true ? `${words}, being removed` : words;
}

/** @returns what a bead waits for, in one sentence; undefined when it has ended. */
export function waitingReason(s: ConvoyState, id: string): string | undefined {
  const bead = s.beads.find((other) => other.id === id);
  if (bead === undefined || s.endedAt !== undefined) return undefined;
  switch (bead.status) {
    case 'merged':
    case 'failed':
    case 'cancelled':
    case 'skipped':
      return undefined;
    case 'starting':
      return 'is being started';
    case 'running':
      if (bead.removing === true || s.ending !== undefined) return 'waits until its agent is gone';
      if (bead.bead === 'blocked') return `waits for a person: ${bead.reason ?? 'no reason known'}`;
      return bead.bead === 'in_review' ? 'waits for its merge' : 'waits for its agent';
    case 'pending': {
      if (s.staged) return 'waits for the start of the convoy';
      const open = bead.needs.flatMap((need) =>
        s.beads.filter((other) => other.id === need && other.status !== 'merged'),
      );
      if (open.length > 0)
        return `waits for ${firstOf(
          open.map((need) => `${need.id} (${statusWords(need)})`),
          5,
        )}`;
      if (s.trouble !== undefined) return `waits for a person: ${s.trouble}`;
      if (!s.prepared) return `waits until rig ${s.rig} has been asked`;
      return s.paused ? 'waits for the end of the pause' : 'is about to start';
    }
  }
}

/** @returns how many beads are where. */
export function convoyProgress(s: Pick<ConvoyState, 'beads'>): ConvoyProgress {
  const progress: ConvoyProgress = {
    total: s.beads.length,
    pending: 0,
    starting: 0,
    running: 0,
    merged: 0,
    failed: 0,
    cancelled: 0,
    skipped: 0,
  };
  for (const { status } of s.beads) progress[status] += 1;
  return progress;
}

/** @returns what holds the convoy up until a person acts, one line each. Nothing of this goes away by itself. */
export function personNeeded(s: ConvoyState): string[] {
  if (s.endedAt !== undefined || s.ending !== undefined || s.staged) return [];
  const why = ({ reason }: ConvoyBeadState): string => (reason === undefined || reason === '' ? '' : ` (${reason})`);
  return [
    ...(s.trouble === undefined ? [] : [`it could not begin: ${s.trouble}; mend that, then resume the convoy`]),
    ...(s.landing?.step === 'stuck'
      ? [`its landing failed: ${s.landing.lastReason ?? 'no reason known'}; mend that, then resume the convoy`]
      : []),
    ...(s.beads.length === 0 ? ['it has no beads: add one, or cancel it'] : []),
    ...s.beads
      .filter(({ status, bead }) => status === 'running' && bead === 'blocked')
      .map((bead) => `${bead.id} is blocked${why(bead)}`),
    ...(s.policy === 'wait'
      ? s.beads
          .filter(endedUnmerged)
          .map(
            (bead) =>
              `${bead.id} ${bead.status === 'failed' ? 'has failed' : 'was cancelled'}${why(bead)}: start it ` +
              'again, or remove it',
          )
      : []),
  ];
}

/**
 * With the strategy `branch-only` no bead's work ever reaches a target. @returns that as a problem of a convoy whose
 * beads need each other.
 */
export const mergesNothing = (s: Pick<ConvoyState, 'rig' | 'strategy'>): string | undefined =>
  s.strategy !== undefined && mergedBy(s.strategy) === 'nobody'
    ? `rig ${s.rig} merges nothing (branch-only), so no bead can start from the work of another`
    : undefined;
