import { randomInt } from 'node:crypto';
import type { BeadInput, Clocks } from '../../contract/index.js';

const second = 1_000;

/** The demo plays at a twentieth of the real distances, so that minutes become seconds. */
export const scale = 20;

/**
 * What an old-style dispatcher would have allowed, scaled like everything else: 60 s for the container to answer, 5 min for the
 * reconciler's stale rule. Shown beside the slow cold start; nothing in Heartbead knows these numbers.
 */
export const oldStyle = { dispatchTimeout: (60 * second) / scale, staleAfter: (300 * second) / scale };

/** The default clocks, scaled; where a machine's own slowness does not scale, somewhat more. */
export const demoClocks: Clocks = {
  beatEvery: second / 2,
  // 4.5 s by the scale; two busy cores may well be silent for so long.
  heartbeatTimeout: 8 * second,
  signalEvery: second,
  firstProgressWithin: 30 * second,
  stalledAfter: 20 * second,
  lostAfter: 90 * second,
  adoptWithin: 10 * second,
  orphanGrace: 30 * second,
  suspectGrace: 60 * second,
  maxRuntime: 300 * second,
  checkpointEvery: 2 * second,
  stopGrace: second,
};

/** One of the three beads, and what is special about it. */
export interface Scene {
  /** Short name, for the table and the report. */
  name: 'plain' | 'slow start' | 'killed';
  /** What a reader should look for. */
  promise: string;
  input: BeadInput;
}

/** How long the slow cold start takes: well over the old-style limit, and the old stale rule's distance is in sight. */
export const slowStart = 8 * second;

/** @param origin path of the bare repository that the beads work on. @param base its branch. */
export function scenes(origin: string, base: string, run = runName()): Scene[] {
  const bead = (id: string, title: string, body: string, options: Record<string, unknown>): BeadInput => ({
    bead: `demo-${id}-${run}`,
    title,
    body,
    repo: origin,
    base,
    agent: { adapter: 'demo', options },
    clocks: demoClocks,
  });
  return [
    {
      name: 'plain',
      promise: 'an agent works, reports done, and the bead closes with evidence',
      input: bead('plain', 'A plain piece of work', 'Write a little, commit it, report done.', { seed: 1, steps: 8, stepMs: 500, commits: 3 }),
    },
    {
      name: 'slow start',
      promise: `its cold start takes ${slowStart / second} s, though an old-style dispatcher would have given it up after ${oldStyle.dispatchTimeout / second} s`,
      input: bead('slow-start', 'A cold start longer than the old time-out', 'The host needs a long time before the agent is up.', { seed: 2, steps: 8, stepMs: 500, commits: 2, prepareMs: slowStart }),
    },
    {
      name: 'killed',
      promise: 'its runner and agent are killed with SIGKILL in the middle; the next attempt goes on from the saved work',
      input: bead('killed', 'Runner and agent killed in the middle', 'Write for a while: something will happen.', { seed: 3, steps: 16, stepMs: 500, commits: 5 }),
    },
  ];
}

/** Four characters that tell the beads of one demo from those of the one before. */
const runName = (): string => randomInt(36 ** 4).toString(36).padStart(4, '0');
