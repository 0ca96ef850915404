import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Logins } from '../../../src/agents/index.js';
import { checkAccounts, checkAgents } from '../../../src/cli/doctor/agent-checks.js';
import {
  checkApprovers,
  checkClock,
  checkGit,
  checkLeftovers,
  checkMirrors,
  checkNode,
  checkNotifications,
  checkSigning,
  checkStateDirectory,
} from '../../../src/cli/doctor/host-checks.js';
import { tellMirrorNews } from '../../../src/git/mirror-news.js';
import { AttemptDir } from '../../../src/runner/attempt/attempt-dir.js';
import type { StartAgentInput } from '../../../src/contract/index.js';
import { defaultClocks } from '../../../src/domain/clocks.js';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'heartbead-doctor-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

test('Node and git: too old or missing is found', async () => {
  expect(checkNode('20.18.3').verdict).toBe('fail');
  expect(checkNode('20.19.0').verdict).toBe('ok');
  expect(checkNode('22.1.0').verdict).toBe('ok');
  expect((await checkGit({ ...process.env })).verdict).toBe('ok');
  expect((await checkGit({ PATH: home })).verdict).toBe('fail');
  writeFileSync(join(home, 'git'), '#!/bin/sh\necho git version 2.20.1\n');
  chmodSync(join(home, 'git'), 0o755);
  expect(await checkGit({ PATH: `${home}:/bin:/usr/bin` })).toMatchObject({ verdict: 'warn', text: 'git 2.20.1' });
  writeFileSync(join(home, 'git'), '#!/bin/sh\necho git version 2.31.8\n');
  expect(await checkGit({ PATH: `${home}:/bin:/usr/bin` })).toMatchObject({
    verdict: 'warn',
    next: expect.stringMatching(/2\.34 or newer: mirrors are never packed/),
  });
});

test('what was found in a mirror is shown for a week', async () => {
  expect((await checkMirrors(home)).verdict).toBe('ok');
  mkdirSync(join(home, 'mirrors'));
  await tellMirrorNews(join(home, 'mirrors', 'abc.git'), 'somebody set core.fsmonitor');
  expect(await checkMirrors(home)).toMatchObject({
    verdict: 'warn',
    text: expect.stringMatching(/^1 finding .*abc\.git: somebody set core\.fsmonitor$/),
  });
  expect((await checkMirrors(home, Date.now() + 8 * 24 * 60 * 60_000)).verdict).toBe('ok');
});

test('a state directory that cannot be made is a failure with a next step', async () => {
  expect((await checkStateDirectory(join(home, 'new'))).verdict).toBe('ok');
  writeFileSync(join(home, 'file'), '');
  const found = await checkStateDirectory(join(home, 'file', 'below'));
  expect(found).toMatchObject({ verdict: 'fail', next: expect.stringContaining('HEARTBEAD_HOME') });
});

test('a clock behind the server by more than the lease can bear is a failure, by a little a warning', () => {
  const now = Date.UTC(2026, 0, 1);
  expect(checkClock([now - 60_000], now).verdict).toBe('ok');
  expect(checkClock([now + 10_000], now).verdict).toBe('warn');
  expect(checkClock([now + 40_000], now).verdict).toBe('fail');
  expect(checkClock([], 0).verdict).toBe('fail');
});

test('an attempt whose runner died without a result is a leftover, and the next step depends on the worker', async () => {
  expect((await checkLeftovers(home, true)).verdict).toBe('ok');
  const dir = AttemptDir.of(home, 'fix', '1-aaaa1111');
  await dir.create();
  await dir.writeInput({ bead: 'fix', attempt: '1-aaaa1111', repo: '/none', clocks: defaultClocks } as StartAgentInput);
  await dir.writeSetup({ host: 'here', baseSha: 'sha', mirror: '/none' });
  await dir.writeRunner({ pid: 2 ** 22 - 1, startTime: 'long ago', startedAt: 0, state: 'running' });
  expect(await checkLeftovers(home, false)).toMatchObject({
    verdict: 'warn',
    text: expect.stringContaining('fix 1-aaaa1111'),
    next: expect.stringContaining('heartbead up'),
  });
  expect((await checkLeftovers(home, true)).next).toContain('the worker saves their work');
});

test('an agent of the settings file whose program, variable or account is not there is no agent of this host', async () => {
  const settings = (text: string): void => writeFileSync(join(home, 'agents.yaml'), text);
  const env = { PATH: `${home}:/bin:/usr/bin`, HOME: home };
  writeFileSync(join(home, 'mine'), '#!/bin/sh\n[ "$1" = version ] && echo mine 4.2.0\n');
  chmodSync(join(home, 'mine'), 0o755);
  const mine = (rest: string): string => `agents: { mine: { command: [mine], prompt: stdin${rest} } }`;
  settings(mine(', version: [version]'));
  expect(await checkAgents(env, home)).toMatchObject({
    verdict: 'ok',
    text: expect.stringContaining('mine 4.2.0 (settings file)') as string,
  });
  settings(mine(', env: [MINE_KEY]'));
  expect(await checkAgents(env, home)).toMatchObject({
    verdict: 'warn',
    text: expect.stringContaining('mine: MINE_KEY is not set here') as string,
  });
  settings('agents: { mine: { command: [/nonexistent/mine], prompt: stdin } }');
  expect(await checkAgents(env, home)).toMatchObject({
    verdict: 'warn',
    text: expect.stringContaining('mine: its program /nonexistent/mine is not there') as string,
  });

  expect(checkAccounts(env, home).text).toMatch(/own login/);
  settings(`${mine(', env: [MINE_KEY]')}\naccounts: { mine: [{ name: a, env: { MINE_KEY: KEY_A } }, { name: b }] }`);
  expect((await checkAgents({ ...env, KEY_A: 'x' }, home)).verdict).toBe('ok');
  expect(checkAccounts(env, home)).toMatchObject({ verdict: 'warn', text: 'account a of mine: KEY_A not set here' });
  const now = Date.now();
  const refuse = (cause: 'rate_limited' | 'auth_failed'): void =>
    new Logins(home, () => now).refuse(
      { agent: 'mine', account: 'a', cause, reason: 'by its provider' },
      { retryAfterMs: 60_000, began: now },
    );
  refuse('rate_limited');
  expect(checkAccounts({ ...env, KEY_A: 'x' }, home, now)).toMatchObject({
    verdict: 'ok',
    text: 'account a of mine is spent for now: by its provider (for 60 s yet)',
  });
  expect(checkAccounts({ ...env, KEY_A: 'x' }, home, now + 60_000).text).toBe('2 accounts, none refused');
  refuse('auth_failed');
  expect(checkAccounts({ ...env, KEY_A: 'x' }, home, now)).toMatchObject({ verdict: 'warn' });
});

test('a file of approvers that cannot be used is found before a merge is refused for it', () => {
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEx1H8mPrbcsbhhWOySCaMf2vY7qQ7nO0u4m1m5xJ1Ex';
  expect(checkApprovers(home)).toMatchObject({ verdict: 'ok', text: expect.stringContaining('no approvers.json') });
  writeFileSync(join(home, 'approvers.json'), JSON.stringify({ keys: [key] }));
  expect(checkApprovers(home)).toMatchObject({ verdict: 'ok', text: expect.stringContaining('1 key') });
  writeFileSync(join(home, 'approvers.json'), JSON.stringify({ keys: ['ssh-rsa AAAA'] }));
  expect(checkApprovers(home)).toMatchObject({ verdict: 'fail', text: expect.stringContaining('approvers.json') });
});

const unusable: [string, string][] = [
  ['empty', ''],
  ['cut off', '{"usual": '],
  ['in YAML', 'usual:\n\tformat: ssh\n'],
  ['of another shape', '[1]'],
];
test.each(unusable)(
  'a file of signing or of notifications that is %s is found before somebody misses it',
  async (_, text) => {
    expect(checkSigning(home)).toMatchObject({ verdict: 'ok', text: expect.stringContaining('no signing.json') });
    expect(await checkNotifications(home, {})).toMatchObject({ verdict: 'ok', text: 'no hooks here' });
    for (const file of ['signing.json', 'notifications.json']) writeFileSync(join(home, file), text);
    for (const [found, file] of [
      [checkSigning(home), 'signing.json'],
      [await checkNotifications(home, {}), 'notifications.json'],
    ] as const)
      expect(found).toMatchObject({
        verdict: 'fail',
        text: expect.stringMatching(new RegExp(`^.*${file}[^\\n]*$`)),
        next: expect.stringContaining('docs/operators.md'),
      });
  },
);

test('files of signing and of notifications that can be used are told in short', async () => {
  const usual = { format: 'ssh', key: '/home/heartbead/.ssh/signing' };
  writeFileSync(join(home, 'signing.json'), JSON.stringify({ usual, rigs: { docs: null } }));
  expect(checkSigning(home)).toMatchObject({
    verdict: 'ok',
    text: 'merges are signed (ssh); it is different for docs',
  });
  writeFileSync(join(home, 'hooks.json'), JSON.stringify({ hooks: [{ name: 'bell', command: 'true' }] }));
  expect(await checkNotifications(home, { HEARTBEAD_NOTIFICATIONS: join(home, 'hooks.json') })).toMatchObject({
    verdict: 'ok',
    text: expect.stringContaining('1 hook'),
  });
});
