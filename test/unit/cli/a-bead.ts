import type { BeadDescription } from '../../../src/client/describe.js';
import type { AttemptRecord, BeadView, CurrentAttempt } from '../../../src/contract/index.js';
import { defaultBudgets, defaultClocks } from '../../../src/domain/clocks.js';

/** The instant at which all beads of these tests are looked at. */
export const now = Date.UTC(2026, 0, 2, 12, 0, 0);
const minute = 60_000;

export const endedAttempt = (more: Partial<AttemptRecord> = {}): AttemptRecord => ({
  id: '1-aaaa1111',
  number: 1,
  host: 'alpha-1',
  startedAt: now - 9 * minute,
  spawnedAt: now - 8 * minute,
  endedAt: now - 5 * minute,
  outcome: 'agent_failed',
  reason: 'the agent ended with status 3',
  countedAs: 'agent',
  heartbeats: 4,
  adoptions: 0,
  ...more,
});

export const currentAttempt = (more: Partial<CurrentAttempt> = {}): CurrentAttempt => ({
  id: '2-bbbb2222',
  number: 2,
  host: 'beta-2',
  startedAt: now - 4 * minute,
  acceptedAt: now - 4 * minute,
  spawnedAt: now - 3 * minute,
  firstProgressAt: now - 2 * minute,
  lastProgressAt: now - minute,
  lastSignAt: now - 5_000,
  adopting: false,
  adoptions: 0,
  pausedMs: 0,
  pausedByActivity: false,
  pauseTold: false,
  heartbeats: 7,
  activity: 'writes the parser',
  ...more,
});

/** A bead at work on its second attempt. */
export const aBead = (more: Partial<BeadView> = {}): BeadView => ({
  bead: 'fix-typo',
  title: 'Fix the typo',
  repo: 'https://example.org/r.git',
  priority: 3,
  agentSpec: { adapter: 'shell', command: 'true' },
  clocks: defaultClocks,
  budgets: defaultBudgets,
  createdAt: now - 10 * minute,
  status: 'in_progress',
  agent: 'working',
  reason: 'the agent works',
  paused: false,
  cancelling: false,
  current: currentAttempt(),
  attempts: [endedAttempt()],
  attemptCount: 2,
  used: { agentFailures: 1, infraLosses: 0, reworkRounds: 0 },
  notes: [],
  messages: [],
  strays: 0,
  malformed: 0,
  heartbeats: 11,
  story: [{ at: now - 10 * minute, text: 'slung' }],
  runs: 0,
  now: now - minute,
  ...more,
});

export const aDescription = (more: Partial<BeadDescription> = {}): BeadDescription => ({
  bead: 'fix-typo',
  runId: 'run-1',
  execution: 'RUNNING',
  title: 'Fix the typo',
  status: 'in_progress',
  agent: 'working',
  taskQueue: 'heartbead',
  startedAt: now - 10 * minute,
  historyLength: 40,
  pendingActivities: [],
  ...more,
});
