/** What happens to a convoy by itself: it has no clock of its own, and only looks at those it waits for. @module */
import type { ConvoyState } from '../../contract/index.js';
import { isActive } from './ready.js';

/**
 * A bead that was terminated tells nobody. Its convoy may hear of it late: nothing is held by it, as a grant would be.
 */
export const convoyLookEvery = 5 * 60_000;

/** @returns whether the convoy looks from time to time whether those it waits for still live. */
export const convoyLooks = (s: ConvoyState): boolean =>
  s.endedAt === undefined && (s.beads.some(({ status }) => isActive(status)) || s.landing?.step === 'queued');
