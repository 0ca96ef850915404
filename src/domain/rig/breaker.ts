import type { Breaker, ReturnGrant } from '../../contract/index.js';
import { durationText } from '../words.js';

/**
 * Infrastructure losses in a row without any saved work that open it: two may be one host's reboot hitting two beads.
 */
export const lossesToOpen = 3;
const minute = 60_000;

/**
 * From an opening to the next probe: 1 min·2ⁿ, at most 30 min. `opened` counts from 1. Half an hour is what an outage
 * may outlast its repair by.
 */
export const coolDown = (opened: number): number => Math.min(minute * 2 ** (Math.max(opened, 1) - 1), 30 * minute);

export const closedBreaker: Breaker = { open: false, losses: 0, opened: 0 };

/**
 * What the end of an attempt says about the infrastructure. Saved or finished work (`progress`) proves it good and
 * closes; a loss without any counts, whatever the agent said; anything else (the agent's own failure, a grant that was
 * never used) proves nothing either way.
 * @param probe whether this attempt was the one that an open breaker had let through.
 */
export function breakerAfter(breaker: Breaker, end: Omit<ReturnGrant, 'bead'>, probe: boolean, now: number): Breaker {
  // One that got on long ago and is lost now is no sign of better times, unless it began after the bad ones.
  if (end.progress && (!end.infraLoss || probe || !breaker.open)) return closedBreaker;
  if (end.progress) return breaker;
  if (!end.infraLoss) return probe && breaker.open ? { ...breaker, probeAt: now } : breaker;
  const losses = breaker.losses + 1;
  if (breaker.open ? !probe : losses < lossesToOpen) return { ...breaker, losses };
  const opened = breaker.opened + 1;
  return {
    open: true,
    losses,
    opened,
    openedAt: now,
    probeAt: now + coolDown(opened),
    reason:
      `${losses} attempts in a row were lost to the infrastructure without any saved work; one attempt will ` +
      `probe it after ${durationText(coolDown(opened))}`,
  };
}
