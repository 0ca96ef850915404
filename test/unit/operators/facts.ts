import type { ConvoyView, RigView } from '../../../src/contract/index.js';
import type { TownFacts } from '../../../src/domain/telling/town-facts.js';
import { now } from '../cli/a-bead.js';

export const minute = 60_000;

/** A town with one host up that has a place free, and nothing to do. */
export const aTown = (more: Partial<TownFacts> = {}): TownFacts => ({
  now,
  taskQueue: 'heartbead',
  beads: [],
  more: false,
  convoys: [],
  rigs: [],
  hosts: { up: ['alpha-1'], free: ['alpha-1'], merging: ['alpha-1'], silent: [] },
  ...more,
});

export const aRig = (more: Partial<RigView> = {}): RigView => ({
  rig: 'app',
  version: 1,
  paused: false,
  removed: false,
  now,
  breaker: { open: false, losses: 0, opened: 0 },
  grants: [],
  waiting: [],
  queue: [],
  merging: [],
  merged: [],
  notMerged: [],
  news: [],
  newsCount: 0,
  malformed: 0,
  story: [],
  runs: 0,
  settings: {
    repo: 'https://example.org/r.git',
    agent: { adapter: 'shell', command: 'true' },
    maxAgents: 2,
    checks: [],
    strategy: 'merge',
    approval: false,
  },
  ...more,
});

export const aConvoy = (more: Partial<ConvoyView> = {}): ConvoyView => ({
  convoy: 'release',
  title: 'The release',
  rig: 'app',
  policy: 'wait',
  target: 'base',
  prepared: true,
  status: 'running',
  reason: 'runs',
  staged: false,
  paused: false,
  createdAt: now - 60 * minute,
  strays: 0,
  malformed: 0,
  story: [],
  runs: 0,
  now,
  beads: [
    { id: 'parser', title: 'Parser', needs: [], status: 'running', bead: 'in_progress' },
    { id: 'docs', title: 'Docs', needs: ['parser'], status: 'pending' },
  ],
  progress: { total: 2, pending: 1, starting: 0, running: 1, merged: 0, failed: 0, cancelled: 0, skipped: 0 },
  waiting: [{ id: 'docs', text: 'waits for parser (running)' }],
  ...more,
});
