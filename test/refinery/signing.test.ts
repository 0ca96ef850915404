import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa, execaSync } from 'execa';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { MergeStrategy } from '../../src/contract/index.js';
import { demandSignoff } from '../unit/git/lab.js';
import { bead, git, inputOf, leftovers, merge, originSha, othersCommit, start, useLab } from './support/lab.js';

const lab = useLab();
/** Where a program is not installed, what needs it is skipped. */
const lacks = (program: string): boolean => execaSync('sh', ['-c', `command -v ${program}`], { reject: false }).failed;
const settle = async (settings: unknown): Promise<void> => {
  await mkdir(lab.home, { recursive: true });
  await writeFile(join(lab.home, 'signing.json'), JSON.stringify(settings));
};
const key = (): string => join(lab.dir, 'signing key');

describe.skipIf(lacks('ssh-keygen'))('merges are signed', () => {
  beforeEach(async () => {
    await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key()]);
    const [kind, half] = (await readFile(`${key()}.pub`, 'utf8')).split(' ');
    await writeFile(join(lab.dir, 'allowed'), `heartbead@localhost ${kind} ${half}\n`);
  });
  const verified = (ref: string): Promise<string> =>
    git(lab.origin, '-c', `gpg.ssh.allowedSignersFile=${join(lab.dir, 'allowed')}`, 'verify-commit', ref);

  test.each<MergeStrategy>(['merge', 'squash', 'rebase'])('by an ssh key, with %s', async (strategy) => {
    await settle({ usual: { format: 'ssh', key: key() } });
    const before = await originSha(lab, 'refs/heads/main');
    const outcome = await merge(lab, await bead(lab, 'lamp', [{ a: '1\n' }, { a: '2\n' }]), { strategy });
    expect(outcome).toMatchObject({ outcome: 'merged' });
    const ours = (await git(lab.origin, 'rev-list', '--first-parent', `${before}..main`)).split('\n');
    expect(ours).toHaveLength(strategy === 'rebase' ? 2 : 1);
    for (const sha of ours) await verified(sha);
    expect(await git(lab.origin, 'log', '-1', '--format=%(trailers:key=Heartbead-Item,valueonly)', 'main')).toBe(
      'lamp',
    );
  });

  test('of the rigs that say so, each by its own key', async () => {
    await settle({ rigs: { demo: null }, usual: { format: 'ssh', key: key() } });
    expect(await merge(lab, await bead(lab, 'lamp', [{ a: '1\n' }]))).toMatchObject({ outcome: 'merged' });
    await expect(verified('main')).rejects.toThrow();
    await settle({ rigs: { demo: { format: 'ssh', key: key() } } });
    expect(await merge(lab, await bead(lab, 'other', [{ b: '1\n' }]))).toMatchObject({ outcome: 'merged' });
    await verified('main');
  });

  test.each([
    [
      'a key that is not there',
      { usual: { format: 'ssh', key: '/nowhere/key' } },
      /could not be signed by the ssh key \/nowhere\/key .*Couldn't load/,
    ],
    [
      'a key that is an option',
      { usual: { format: 'openpgp', key: '--x' } },
      /signing\.json says how merges are signed, and cannot be used \(usual\.key/,
    ],
    ['a format that is none', { usual: { format: 'pgp', key: 'x' } }, /signing\.json .*usual\.format/],
    ['a path that is no path', { usual: { format: 'ssh', key: 'key' } }, /absolute path/],
  ])('or not at all: %s is told, and nothing is pushed', async (_, settings, words) => {
    await settle(settings);
    const before = await originSha(lab, 'refs/heads/main');
    for (const strategy of ['merge', 'rebase'] as const) {
      const request = await bead(lab, `lamp-${strategy}`, [{ [strategy]: '1\n' }]);
      expect(await merge(lab, request, { strategy })).toMatchObject({
        outcome: 'error',
        reason: expect.stringMatching(words) as string,
      });
    }
    await othersCommit(lab, { more: '1\n' });
    expect(await git(lab.origin, 'rev-parse', 'main~1')).toBe(before);
    expect(await leftovers(lab.home)).toEqual([]);
  });
});

test.skipIf(lacks('gpg'))('merges are signed by OpenPGP, with the keys of the user that runs the worker', async () => {
  const home = join(lab.dir, 'gpg');
  await mkdir(home, { mode: 0o700 });
  vi.stubEnv('GNUPGHOME', home);
  const gpg = (...args: string[]): Promise<unknown> => execa('gpg', ['--batch', '--quiet', ...args]);
  await gpg('--passphrase', '', '--quick-gen-key', 'Refinery <refinery@example.org>', 'ed25519', 'sign', 'never');
  try {
    await settle({ usual: { format: 'openpgp', key: 'refinery@example.org' } });
    expect(await merge(lab, await bead(lab, 'lamp', [{ a: '1\n' }]))).toMatchObject({ outcome: 'merged' });
    await git(lab.origin, 'verify-commit', 'main');
    await settle({ usual: { format: 'openpgp', key: 'nobody@example.org' } });
    expect(await merge(lab, await bead(lab, 'other', [{ b: '1\n' }]))).toMatchObject({
      outcome: 'error',
      reason: expect.stringMatching(/could not be signed by the openpgp key nobody@example\.org/) as string,
    });
  } finally {
    await execa('gpgconf', ['--kill', 'all']);
  }
});

test.each<MergeStrategy>(['merge', 'squash', 'rebase'])(
  'what a rig wants signed off is so by the refinery as well, with %s',
  async (strategy) => {
    const request = await bead(lab, 'lamp', [{ a: '1\n' }]);
    await othersCommit(lab, { b: '1\n' });
    await demandSignoff(lab.origin);
    expect(await merge(lab, request, { strategy })).toMatchObject({
      outcome: 'push_rejected',
      reason: expect.stringMatching(/is not signed off/) as string,
    });
    const input = { ...inputOf(lab, request, { strategy }), workspace: { signoff: true } };
    expect(await start(lab, input).outcome).toMatchObject({ outcome: 'merged' });
    expect(await git(lab.origin, 'log', '-1', '--format=%(trailers:only)', 'main')).toBe(
      `Heartbead-Item: lamp\nHeartbead-Branch-Sha: ${request.sha}\n` +
        'Signed-off-by: Heartbead Refinery <heartbead@localhost>',
    );
  },
);
