import { randomInt } from 'node:crypto';
import type { Clocks, ConvoyBead, ConvoySpec, RigSettings } from '../../contract/index.js';

const second = 1_000;

/** The demo plays at a twentieth of the real distances, so that minutes become seconds. */
export const scale = 20;

/**
 * What an old-style dispatcher would have allowed, scaled like everything else: 60 s for the container to answer, 5 min
 * for the reconciler's stale rule. Shown beside the slow cold start; nothing in Heartbead knows these numbers.
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
  stopSilentAfter: 90 * second,
  adoptWithin: 10 * second,
  leaseFor: 30 * second,
  giveUpAfter: 60 * second,
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
  /** Names of the scenes whose work must be merged first. */
  needs: Scene['name'][];
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
  const idOf = (name: Scene['name']): string => name.replace(' ', '-');
  const parts: { scene: Omit<Scene, 'bead'>; title: string; body: string; options: Record<string, unknown> }[] = [
    {
      scene: { name: 'plain', promise: 'an agent works, reports done, the checks pass, and it is merged', needs: [] },
      title: 'A plain piece of work',
      body: 'Write a little, commit it, report done.',
      options: { seed: 1, steps: 6, stepMs: 400, commits: 3, shared },
    },
    {
      scene: {
        name: 'slow start',
        promise:
          `its cold start takes ${slowStart / second} s, though an old-style dispatcher would have given it up ` +
          `after ${oldStyle.dispatchTimeout / second} s`,
        needs: ['plain'],
      },
      title: 'A cold start longer than the old time-out',
      body: 'The host needs a long time before the agent is up.',
      options: { seed: 2, steps: 6, stepMs: 400, commits: 2, prepareMs: slowStart, shared },
    },
    {
      scene: {
        name: 'killed',
        promise:
          'its runner and agent are killed with SIGKILL in the middle; the next attempt goes on from the saved work',
        needs: ['plain'],
      },
      title: 'Runner and agent killed in the middle',
      body: 'Write for a while: something will happen.',
      options: { seed: 3, steps: 16, stepMs: 400, commits: 5, shared },
    },
    {
      scene: {
        name: 'last',
        promise: 'it begins when both before it are merged, at the commit that has them',
        needs: ['slow start', 'killed'],
      },
      title: 'What needs both',
      body: 'Begin when both are merged, and build on them.',
      options: { seed: 4, steps: 4, stepMs: 400, commits: 2 },
    },
  ];
  const beads = parts.map(({ scene, title, body, options }): ConvoyBead => ({
    id: idOf(scene.name),
    title,
    body,
    needs: scene.needs.map(idOf),
    agent: { adapter: 'demo', options: { ...options, mergeFrom: base } },
  }));
  return {
    rig,
    settings: {
      repo: origin,
      base,
      agent: { adapter: 'demo' },
      maxAgents: 3,
      strategy: 'merge',
      approval: false,
      clocks: demoClocks,
      checks: [{ name: 'no conflict markers', command: "! git grep -q -e '^<<<<<<< ' -- demo", timeout: 60 * second }],
    },
    convoy: { convoy, title: 'The demo: a diamond of four', rig, policy: 'wait', target: 'base', staged: false, beads },
    scenes: parts.map(({ scene }) => ({ ...scene, bead: `${convoy}-${idOf(scene.name)}` })),
  };
}

/** Four characters that tell the beads of one demo from those of the one before. */
const runName = (): string =>
  randomInt(36 ** 4)
    .toString(36)
    .padStart(4, '0');
