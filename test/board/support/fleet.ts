import type { Card, Front, RigRow } from '../../../src/board/api-types.js';

const titles = [
  'Retry the webhook after a timeout',
  'Say in the README how a release is made',
  'Read the configuration once, at the start',
  'Move the parser’s tests to the new fixtures, and delete those that nobody runs any more',
  'Fix the flaky test of the scheduler',
  'Let the export name its time zone',
  'Drop the old API’s last two callers',
];
const words = [
  'reads src/parser/grammar.ts',
  'runs the tests of the scheduler: 112 of 340 done',
  'edits docs/releases.md',
  'waits for its agent slot',
];

/** A fleet of so many beads in all columns, with long words in its titles and names. */
export function frontOf(size: number, now: number): Front {
  const kinds = ['open', 'open', 'in_progress', 'in_progress', 'in_review', 'blocked', 'closed', 'closed'] as const;
  const cards = Array.from({ length: size }, (_, at): Card => {
    const status = kinds[at % kinds.length] ?? 'open';
    const working = status === 'in_progress';
    return {
      bead: `piece-${at}`,
      title: `${titles[at % titles.length] ?? ''} (${at})`,
      status,
      agent: working ? (at % 24 === 2 ? 'stalled' : 'working') : 'none',
      attention: status === 'blocked' ? 'blocked' : undefined,
      rig: ['app', 'documentation-of-the-platform', 'lib'][at % 3],
      convoy: at % 5 === 0 ? 'better-greeting' : undefined,
      adapter: ['claude', 'codex', 'pi'][at % 3],
      startedAt: now - at * 61_000,
      closedAt: status === 'closed' ? now - at * 11_000 : undefined,
      more:
        status === 'open'
          ? undefined
          : {
              attempt: working ? (at % 16 === 3 ? 3 : 1) : undefined,
              attempts: 1,
              host: `builder-${at % 4}`,
              cell: 'sandbox',
              doing: words[at % words.length] ?? '',
              since: working ? now - at * 31_000 : undefined,
              costUsd: (at % 40) / 10,
              tokens: at * 1_000,
            },
    };
  });
  const rig = (name: string, paused: boolean): RigRow => ({
    rig: name,
    view: {
      paused,
      removed: false,
      attention: undefined,
      version: 1,
      repo: '/srv/app',
      strategy: 'squash',
      maxAgents: 12,
      approval: true,
      breakerOpen: false,
      running: [],
      waiting: 3,
      queue: Array.from({ length: 7 }, (_, at) => ({
        item: `piece-${at}`,
        title: titles[at % titles.length] ?? '',
        target: 'main',
        tries: 1,
      })),
      merging: [{ item: 'piece-12', title: titles[5] ?? '', target: 'main', since: now - 40_000 }],
    },
  });
  return {
    now,
    more: false,
    reading: false,
    landedToday: cards.filter(({ status }) => status === 'closed').length,
    cards,
    problems: Array.from({ length: 6 }, (_, at) => ({
      kind: 'bead-blocked',
      about: `piece-${at * 8 + 5}`,
      severity: at < 3 ? ('stuck' as const) : ('look' as const),
      what: `piece-${at * 8 + 5} is blocked`,
      why:
        'the check “unit tests” failed three times on the merged tree, in src/parser/grammar.test.ts: ' +
        'expected 3 tokens, and found 4',
      since: now - at * 600_000,
      fix: `heartbead retry piece-${at * 8 + 5}`,
      remedy: { do: 'retry', bead: `piece-${at * 8 + 5}`, label: 'Retry' },
    })) as unknown as Front['problems'],
    hosts: {
      taskQueue: 'heartbead',
      queued: 3,
      hosts: Array.from({ length: 4 }, (_, at) => ({
        host: `builder-${at}`,
        state: at === 3 ? ('out of reach' as const) : at === 0 ? ('full' as const) : ('has room' as const),
        beads: [],
        places: at === 0 ? 8 : undefined,
        here: at === 0,
      })),
    },
    rigs: [rig('app', false), rig('documentation-of-the-platform', true), { rig: 'lib' }],
    convoys: [
      {
        convoy: 'better-greeting',
        title: 'A better greeting',
        view: {
          status: 'running',
          reason: 'two beads are at work',
          progress: { total: 12, merged: 5 },
          rig: 'app',
          paused: false,
          staged: false,
          attention: undefined,
        } as unknown as NonNullable<Front['convoys'][number]['view']>,
      },
    ],
  };
}
