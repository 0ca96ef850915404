import { openTown } from '../../testing/index.js';
import type { Status } from '../../testing/index.js';
import { change } from './lane.js';
import type { Lane } from './lane.js';

const steps = 30;

/**
 * Runs the same cold start with the real workflows, on a time-skipping server.
 * @param onProgress told now and then how much of the virtual time has passed, from 0 to 1.
 */
export async function runNewDesign(
  coldStart: number,
  duration: number,
  onProgress: (share: number) => void = () => undefined,
): Promise<Lane> {
  const town = await openTown({ agent: { coldStart, works: 'forever' } });
  try {
    const bead = await town.sling();
    const end = bead.slungAt + duration;
    for (let step = 1; step <= steps; step++) {
      await town.clock.advanceTo(bead.slungAt + (duration * step) / steps);
      onProgress(step / steps);
    }
    const since = (at: number): number => Math.max(0, Math.min(at, end) - bead.slungAt);
    const lane: Lane = {
      name: 'Heartbead',
      bead: [],
      agent: [],
      process: [{ from: 0, value: 'no process' }],
      agents: bead.agents.length,
      attempts: [],
      heartbeats: [],
      resets: [],
    };
    let before: Status | undefined;
    for (const status of bead.statuses) {
      change(lane.bead, since(status.at), status.bead);
      change(lane.agent, since(status.at), status.agent);
      if (status.bead === 'open' && before !== undefined && before.bead !== 'open') lane.resets.push(since(status.at));
      before = status;
    }
    for (const { at, kind } of bead.facts) {
      if (kind === 'accepted') {
        lane.attempts.push(since(at));
        change(lane.process, since(at), 'starting');
      } else if (kind === 'spawn') {
        change(lane.process, since(at), 'alive');
      } else if (kind === 'beat' || kind === 'signal') {
        lane.heartbeats.push(since(at));
      }
    }
    return lane;
  } finally {
    await town.close();
  }
}
