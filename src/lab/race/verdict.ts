import { durationText } from '../../domain/words.js';
import type { Lane } from './lane.js';

/** @returns what happened to the bead, in one sentence. */
export function raceVerdict(lane: Lane, duration: number): string {
  const { attempts, resets, heartbeats, agents } = lane;
  const up = lane.process.find(({ value }) => value === 'alive')?.from;
  const seen = lane.agent.find(
    ({ from, value }) => up !== undefined && from >= up - 1_000 && value === 'working',
  )?.from;
  const times = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
  if (resets.length > 0) {
    return (
      `${lane.name}: reset to open ${resets.length === 1 ? 'once' : `${resets.length} times`} in ` +
      `${durationText(duration)}, ${times(attempts.length, 'attempt')} for ${times(Math.max(agents, 1), 'agent')}, ` +
      'which ' +
      (up === undefined
        ? 'was starting all the while'
        : `was alive from ${durationText(up)} on and sent ${times(heartbeats.length, 'heartbeat')} that changed ` +
          'nothing') +
      '.'
    );
  }
  if (up === undefined)
    return (
      `${lane.name}: ${times(attempts.length, 'attempt')}, still starting after ${durationText(duration)}, and never ` +
      'reset.'
    );
  return (
    `${lane.name}: ${times(attempts.length, 'attempt')}, ${times(agents, 'agent')}, never reset; ` +
    (seen === undefined
      ? `alive from ${durationText(up)} on`
      : `working from its first heartbeat on, ${durationText(seen)} after the sling`) +
    '.'
  );
}
