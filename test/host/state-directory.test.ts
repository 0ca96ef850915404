import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkStateDirectory } from '../../src/cli/doctor/host-checks.js';
import { diskProblem, openStateDirectory } from '../../src/host/index.js';
import { AttemptDir } from '../../src/runner/index.js';
import { readHeartbeat } from '../../src/contract/index.js';

let home: string;
beforeEach(async () => {
  home = join(await mkdtemp(join(tmpdir(), 'hb-state-')), 'state');
});
afterEach(() => rm(join(home, '..'), { recursive: true, force: true }));

describe('the state directory', () => {
  test('is made for its owner alone, and keeps its host id over restarts', async () => {
    const first = await openStateDirectory(home);
    const again = await openStateDirectory(home);
    expect(again).toEqual(first);
    expect((await stat(home)).mode & 0o777).toBe(0o700);
    expect((await readFile(join(home, 'host-id'), 'utf8')).trim()).toBe(first.hostId);
  });

  test('is taken from all others when it was there before, and doctor warns of one that cannot be', async () => {
    await mkdir(home);
    await chmod(home, 0o755);
    expect(await checkStateDirectory(home)).toMatchObject({
      verdict: 'warn',
      next: expect.stringContaining('chmod 700'),
    });
    await openStateDirectory(home);
    expect((await stat(home)).mode & 0o777).toBe(0o700);
    expect((await checkStateDirectory(home)).verdict).not.toBe('fail');
  });

  test('two processes that make it at once agree on the host id', async () => {
    const both = await Promise.all(Array.from({ length: 8 }, () => openStateDirectory(home)));
    expect(new Set(both.map(({ hostId }) => hostId)).size).toBe(1);
  });

  test('the host id is one that beads accept in a heartbeat', async () => {
    const { hostId } = await openStateDirectory(home);
    expect(readHeartbeat({ attempt: '1-abcd', host: hostId })).toMatchObject({ host: hostId });
  });

  test.each(['two words\n', ''])(
    'a host id that was left as %j is found again in what the host has written besides: attempts are found by it',
    async (content) => {
      const { hostId } = await openStateDirectory(home);
      await AttemptDir.of(home, 'fix', '1-aaaa1111').create();
      const dir = AttemptDir.of(home, 'fix', '2-aaaa1111');
      await dir.create();
      await dir.writeSetup({ host: hostId, baseSha: 'sha', mirror: 'mirror' });
      await writeFile(join(home, 'host-id'), content);
      expect(await openStateDirectory(home)).toMatchObject({ hostId, mended: expect.stringContaining('host-id') });
      expect(await openStateDirectory(home)).toEqual({ home, hostId });
      expect((await readFile(join(home, 'host-id'), 'utf8')).trim()).toBe(hostId);
    },
  );

  test('a damaged host id that nothing tells is told and kept while there are attempts, and made anew without', async () => {
    await mkdir(join(home, 'attempts', '1-aaaa1111__fix'), { recursive: true });
    await writeFile(join(home, 'host-id'), 'two words\n');
    await expect(openStateDirectory(home)).rejects.toThrow(`${join(home, 'host-id')} does not hold a host id`);
    expect(await readFile(join(home, 'host-id'), 'utf8')).toBe('two words\n');
    await rm(join(home, 'attempts'), { recursive: true });
    const { hostId } = await openStateDirectory(home);
    expect(readHeartbeat({ attempt: '1-abcd', host: hostId })).toMatchObject({ host: hostId });
  });

  test('one that others could read is closed to them', async () => {
    await mkdir(home, { mode: 0o755 });
    await chmod(home, 0o755);
    await openStateDirectory(home);
    expect((await stat(home)).mode & 0o777).toBe(0o700);
  });

  test.skipIf(process.getuid?.() === 0)('a folder that cannot be written is an error, not a hang', async () => {
    await mkdir(home);
    await chmod(home, 0o500);
    await expect(openStateDirectory(home)).rejects.toThrow(/EACCES|permission/);
    await chmod(home, 0o700);
  });
});

describe('the room on the disk', () => {
  test('enough is no problem; too little says how much there is and what to do', async () => {
    await openStateDirectory(home);
    expect(await diskProblem(home, 0)).toBeUndefined();
    expect(await diskProblem(home, Number.MAX_SAFE_INTEGER)).toMatch(/only [\d,]+ MiB are free in .*: free some space/);
  });
});
