import { randomInt } from 'node:crypto';
import type { Clocks, ConvoyBead, ConvoySpec, RigSettings } from '../../contract/index.js';

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

/** One of the four beads, and what is special about it. */
export interface Scene {
  /** Short name, for the table and the report. */
  name: 'plain' | 'slow start' | 'killed' | 'last';
  /** What a reader should look for. */
  promise: string;
  /** The bead's own id. */
  bead: string;
  needs: string[];
}

/** What the demo plays: a rig, and a convoy of four beads in a diamond. */
export interface Play {
  rig: string;
  settings: RigSettings;
  convoy: ConvoySpec;
  scenes: Scene[];
}

/** How long the slow cold start takes: well over the old-style limit, and the old stale rule's distance is in sight. */
export const slowStart = 8 * second;

/** Both beads in the middle write into it: whichever is merged second has a conflict to resolve. */
const shared = 'demo/shared.md';

/** @param origin path of the bare repository that the beads work on. @param base its branch. */
export function script(origin: string, base: string, run = runName()): Play {
  const [rig, convoy] = [`demo-${run}`, `demo-${run}`];
  const bead = (id: string, title: string, body: string, needs: string[], options: Record<string, unknown>): ConvoyBead => ({ id, title, body, needs, agent: { adapter: 'demo', options: { ...options, mergeFrom: base } } });
  const beads = [
    bead('plain', 'A plain piece of work', 'Write a little, commit it, report done.', [], { seed: 1, steps: 6, stepMs: 400, commits: 3, shared }),
    bead('slow-start', 'A cold start longer than the old time-out', 'The host needs a long time before the agent is up.', ['plain'], { seed: 2, steps: 6, stepMs: 400, commits: 2, prepareMs: slowStart, shared }),
    bead('killed', 'Runner and agent killed in the middle', 'Write for a while: something will happen.', ['plain'], { seed: 3, steps: 16, stepMs: 400, commits: 5, shared }),
    bead('last', 'What needs both', 'Begin when both are merged, and build on them.', ['slow-start', 'killed'], { seed: 4, steps: 4, stepMs: 400, commits: 2 }),
  ];
  const promises: Record<string, Pick<Scene, 'name' | 'promise'>> = {
    plain: { name: 'plain', promise: 'an agent works, reports done, the checks pass, and it is merged' },
    'slow-start': { name: 'slow start', promise: `its cold start takes ${slowStart / second} s, though an old-style dispatcher would have given it up after ${oldStyle.dispatchTimeout / second} s` },
    killed: { name: 'killed', promise: 'its runner and agent are killed with SIGKILL in the middle; the next attempt goes on from the saved work' },
    last: { name: 'last', promise: 'it begins when both before it are merged, at the commit that has them' },
  };
  return {
    rig,
    settings: {
      repo: origin, base, agent: { adapter: 'demo' }, maxAgents: 3, strategy: 'merge', approval: false, clocks: demoClocks,
      checks: [{ name: 'no conflict markers', command: "! git grep -q -e '^<<<<<<< ' -- demo", timeout: 60 * second }],
    },
    convoy: { convoy, title: 'The demo: a diamond of four', rig, policy: 'wait', target: 'base', staged: false, beads },
    scenes: beads.map(({ id, needs }) => ({ ...(promises[id] as Pick<Scene, 'name' | 'promise'>), bead: `${convoy}-${id}`, needs: needs.map((need) => `${convoy}-${need}`) })),
  };
}

/** Four characters that tell the beads of one demo from those of the one before. */
const runName = (): string => randomInt(36 ** 4).toString(36).padStart(4, '0');
