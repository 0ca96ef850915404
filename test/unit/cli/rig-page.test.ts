import { createColors } from 'picocolors';
import { describe, expect, test } from 'vitest';
import { convoyPage } from '../../../src/cli/render/convoy-page.js';
import { queuePage, rigPage } from '../../../src/cli/render/rig-page.js';
import type { MergeAtWork } from '../../../src/client/fleet.js';
import type { AgentCell, RigView } from '../../../src/contract/index.js';
import { initialRig } from '../../../src/domain/index.js';
import { aConvoy } from '../operators/facts.js';

const now = 1_000_000;
const sha = 'a'.repeat(40);
const entry = (item: string) => ({
  item,
  workflowId: `bead-${item}`,
  branch: `heartbead/${item}/1-abcd`,
  sha,
  target: 'main',
  priority: 3,
  since: 0,
  title: item,
  queuedAt: 0,
  tries: 0,
});
const view: RigView = {
  ...initialRig(
    {
      rig: 'lamps',
      settings: {
        repo: '/r',
        agent: { adapter: 'demo' },
        maxAgents: 1,
        checks: [],
        strategy: 'merge',
        approval: false,
      },
    },
    0,
  ),
  now,
  merging: [{ ...entry('lamp'), startedAt: now - 180_000, strategy: 'merge' }],
  queue: [entry('bulb')],
};
const work = (more: Partial<MergeAtWork>): MergeAtWork => ({
  item: 'lamp',
  host: 'h1',
  text: 'check test: running 40 s',
  tries: 1,
  resting: false,
  ...more,
});
const rows = (...atWork: MergeAtWork[]): string => queuePage(view, view.now, createColors(false), atWork);

test('ages are by the clock of whoever reads: a rig with nothing to do answers with the instant of its last event', () => {
  const later = now + 30 * 60_000;
  const idle: RigView = {
    ...view,
    grants: [{ bead: 'long', workflowId: 'bead-long', priority: 3, since: now, grantedAt: now, probe: false }],
    waiting: [{ bead: 'next', workflowId: 'bead-next', priority: 3, since: now }],
    merged: [{ item: 'c2-d', target: 'main', sha, at: now } as RigView['merged'][number]],
  };
  const shown = rigPage(idle, later, createColors(false));
  expect(shown).toMatch(/^long +3 +30 min$/m);
  expect(shown).toMatch(/^next +3 +30 min ago$/m);
  expect(shown).toContain('30 min ago: merged c2-d into main');
  const [bead] = aConvoy().beads;
  if (bead === undefined) throw new Error('a convoy without a bead');
  const convoy = aConvoy({ now, beads: [{ ...bead, startedAt: now }] });
  expect(convoyPage(convoy, later, createColors(false))).toMatch(/running 30 min/);
});

test('a rig shows what its agents run in, as far as it says', () => {
  const shown = (cell?: AgentCell): string =>
    rigPage(
      { ...view, settings: { ...view.settings, agent: { ...view.settings.agent, cell } } },
      now,
      createColors(false),
    );
  expect(shown()).toContain('agents run in a sandbox where their host can make one');
  expect(shown('sandbox')).toContain('agents run in a sandbox, or not at all');
  expect(shown('none')).toContain('agents run without a sandbox, where their host lets them');
});

test('a rig shows how work in progress is saved, and whether its agents push', () => {
  expect(rigPage(view, now, createColors(false))).toContain('saved on the remote; agents do not push by themselves');
  const settings = {
    ...view.settings,
    saves: { policy: 'tracked' as const, fileBytes: 5 * 1024 * 1024 },
    allowPush: true,
    teardown: [{ command: 'docker rm x', timeout: 60_000 }],
    signoff: true,
    refPrefix: 'bots/hb',
    litter: ['*.log', 'tmp'],
  };
  expect(rigPage({ ...view, settings }, now, createColors(false))).toContain(
    'saved on the remote, without untracked files (untracked files up to 5 MB a file); agents may push by themselves\n' +
      'after each attempt: `docker rm x`\n' +
      'every commit is signed off\n' +
      'its branches and refs on the remote begin with bots/hb/\n' +
      'litter, which keeps nobody from being done: *.log, tmp',
  );
});

describe('the merge queue of a rig', () => {
  test('tells what the refinery is doing, in its own words', () => {
    expect(rows(work({}))).toMatch(/^merging +lamp .* for 3 min: check test: running 40 s on h1$/m);
    expect(rows(work({ tries: 3 }))).toMatch(/running 40 s on h1 \(try 3\)$/m);
    expect(rows(work({ item: 'bulb' }))).toMatch(/^merging +lamp .* for 3 min$/m);
  });

  test('between two tries, tells why the last one led to nothing', () => {
    expect(rows(work({ tries: 4, resting: true, lastFailure: 'nothing was found at /r' }))).toMatch(
      /^merging +lamp .*: try 4 comes soon; the last try: nothing was found at \/r$/m,
    );
  });
});
