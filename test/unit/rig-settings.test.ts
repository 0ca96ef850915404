import { expect, test } from 'vitest';
import type { ConfigureRig, RigSettings, RigState } from '../../src/contract/index.js';
import { configureProblem } from '../../src/domain/rig/order-problems.js';
import { changeSettings, checksOf, rigSettingsProblem, workspaceOf } from '../../src/domain/rig/settings.js';
import { initialRig } from '../../src/domain/rig/state.js';

const settings: RigSettings = {
  repo: '/r',
  base: 'release',
  agent: { adapter: 'shell', command: 'true' },
  maxAgents: 4,
  checks: [],
  strategy: 'merge',
  approval: false,
};

test('a change of a rig replaces what it names, and leaves the rest', () => {
  expect(changeSettings(settings, { maxAgents: 2, strategy: undefined })).toEqual({ ...settings, maxAgents: 2 });
});

test('null takes an optional setting away, and only that', () => {
  const { base: _, ...withoutBase } = settings;
  expect(changeSettings(settings, { base: null })).toStrictEqual(withoutBase);
  expect(changeSettings(settings, { maxAgents: null } as never)).toHaveProperty('maxAgents', null);
});

test('repository and ref prefix of a rig change only while nobody holds anything of it', () => {
  const change = (state: RigState, wanted: ConfigureRig): string | undefined => configureProblem(state, wanted, 'town');
  const idle = initialRig({ rig: 'web', settings }, 0);
  const bots = initialRig({ rig: 'web', settings: { ...settings, refPrefix: 'bots' } }, 0);
  const uses: Partial<RigState>[] = [
    { grants: [{}] as RigState['grants'] },
    { waiting: [{}] as RigState['waiting'] },
    { queue: [{}] as RigState['queue'] },
    { merging: [{}] as RigState['merging'] },
  ];
  for (const wanted of [{ refPrefix: 'ci' }, { refPrefix: null }, { repo: '/other' }]) {
    expect(change(bots, wanted)).toBeUndefined();
    for (const use of uses) expect(change({ ...bots, ...use }, wanted)).toMatch(/can only be changed while no bead/);
  }
  for (const use of uses) {
    expect(change({ ...idle, ...use }, { refPrefix: 'bots' })).toMatch(/^the ref prefix can only be changed/);
    // Nothing changes by these.
    expect(change({ ...bots, ...use }, { refPrefix: 'bots', repo: settings.repo, maxAgents: 7 })).toBeUndefined();
    expect(change({ ...idle, ...use }, { refPrefix: null })).toBeUndefined();
  }
});

test('what makes a tree ready also runs before checks, and only where there are some', () => {
  const setup = [{ command: 'npm ci', timeout: 60_000 }];
  const check = { name: 'test', command: 'npm test', timeout: 60_000 };
  expect(checksOf({ ...settings, setup })).toEqual([]);
  expect(checksOf({ ...settings, setup, checks: [check] })).toEqual([{ name: 'set-up 1', ...setup[0] }, check]);
  expect(workspaceOf(settings)).toBeUndefined();
  expect(workspaceOf({ ...settings, setup })).toEqual({ setup });
  expect(workspaceOf({ ...settings, allowPush: false, saves: {} })).toBeUndefined();
  expect(workspaceOf({ ...settings, allowPush: true, saves: { policy: 'host' } })).toEqual({
    allowPush: true,
    saves: { policy: 'host' },
  });
  expect(workspaceOf({ ...settings, signoff: true })).toEqual({ signoff: true });
  expect(workspaceOf({ ...settings, teardown: setup })).toEqual({ teardown: setup });
  expect(checksOf({ ...settings, teardown: setup, checks: [check] })).toEqual([check]);
  expect(workspaceOf({ ...settings, litter: [] })).toBeUndefined();
  expect(workspaceOf({ ...settings, refPrefix: 'bots', litter: ['*.log'] })).toEqual({
    refPrefix: 'bots',
    litter: ['*.log'],
  });
  const ports = { base: 20_000, count: 10 };
  expect(workspaceOf({ ...settings, ports })).toEqual({ ports });
});

test.each([
  [{ setup: [{ command: ' ', timeout: 60_000 }] }, /a set-up step needs a command/],
  [{ setup: [{ command: 'true', timeout: 1 }] }, /timeout in milliseconds/],
  [{ teardown: [{ command: '', timeout: 60_000 }] }, /a set-up step needs a command/],
  [{ teardown: 'x' }, /are lists/],
  [{ saves: { policy: 'nowhere' } }, /saves are one of pushed, host, tracked/],
  [{ saves: { fileBytes: -1 } }, /whole numbers of bytes/],
  [{ saves: { bytes: 1 } }, /saves have no setting "bytes"/],
  [{ ports: { base: 80, count: 10 } }, /begin between 1024 and 65526, not at 80/],
  [{ ports: { base: 65_530, count: 10 } }, /begin between 1024 and 65526/],
  [{ ports: { base: 20_000, count: 0 } }, /from 1 to 1000 ports, not 0/],
  [{ allowPush: 'yes' }, /allowPush is true or false/],
  [{ signoff: 1 }, /signoff is true or false/],
  [{ refPrefix: 'a b' }, /ref prefix is not a branch name that git accepts: "a b"/],
  [{ refPrefix: 'bots/' }, /not a branch name that git accepts/],
  [{ refPrefix: '-x' }, /cannot begin with a dash/],
  [{ refPrefix: 'heads/x' }, /below refs\/heads have a meaning of their own/],
  [{ refPrefix: 'heartbead-kept' }, /choose another ref prefix/],
  [{ refPrefix: 'x'.repeat(81) }, /at most 80 characters/],
  [{ litter: 'x' }, /litter is a list of patterns/],
  [{ litter: Array.from({ length: 51 }, () => 'x') }, /at most 50 patterns of litter, these are 51/],
  [{ litter: ['*'] }, /names every file/],
  [{ litter: ['a/**'] }, /has no \*\* /],
  [{ litter: ['../a'] }, /no \. or \.\. in it/],
  [{ litter: ['*a*b*c*d*e*f'] }, /at most 5 stars/],
  [{ copy: [{ from: '.env', to: '.env' }] }, /absolute path/],
  [{ copy: [{ from: '/a/.env', to: '../.env' }] }, /goes down from its top/],
  [{ copy: [{ from: '/a/hook', to: '.GIT/hooks/pre-commit' }] }, /not into \.git/],
])('a workspace of %j is refused', (workspace, words) => {
  expect(rigSettingsProblem({ ...settings, ...workspace })).toMatch(words);
});
