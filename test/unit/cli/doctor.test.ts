import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  checkClock,
  checkGit,
  checkLeftovers,
  checkMirrors,
  checkNode,
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
