import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { createRefineryActivities } from '../../src/activities/refinery/index.js';
import type { EnsureBranchInput } from '../../src/contract/index.js';
import { git, hook, originSha, othersCommit, useLab } from './support/lab.js';

const lab = useLab();
const ensure = (
  input: Omit<EnsureBranchInput, 'repo'>,
  host = 'home',
): Promise<{ branch: string; sha: string; created: boolean }> => {
  const { ensureBranch } = createRefineryActivities({ home: join(lab.dir, host), hostId: 'here' });
  return new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') }).run(ensureBranch, {
    repo: lab.origin,
    ...input,
  });
};

test('an integration branch is made at the base, and found again where it is by then', async () => {
  const main = await originSha(lab, 'refs/heads/main');
  expect(await ensure({ branch: 'convoy/home', from: 'main' })).toEqual({
    branch: 'convoy/home',
    sha: main,
    created: true,
  });
  expect(await ensure({ branch: 'convoy/home', from: 'main' })).toEqual({
    branch: 'convoy/home',
    sha: main,
    created: false,
  });
  const landed = await othersCommit(lab, { 'lamp.txt': 'on\n' }, 'convoy/home');
  await othersCommit(lab, { 'other.txt': 'x\n' });
  expect(await ensure({ branch: 'convoy/home', from: 'main' })).toEqual({
    branch: 'convoy/home',
    sha: landed,
    created: false,
  });
});

test('of several at once one makes it, and all hear of the same', async () => {
  const made = await Promise.all(['home', 'host-1', 'host-2'].map((host) => ensure({ branch: 'convoy/home' }, host)));
  expect(made.filter(({ created }) => created)).toHaveLength(1);
  expect(new Set(made.map(({ sha }) => sha)).size).toBe(1);
});

test('it can begin at a commit; one that is on no branch is a failure for good, as is an unknown branch', async () => {
  const first = await originSha(lab, 'refs/heads/main');
  await othersCommit(lab, { 'other.txt': 'x\n' });
  expect(await ensure({ branch: 'convoy/old', from: first })).toMatchObject({ sha: first, created: true });
  await expect(ensure({ branch: 'convoy/none', from: 'f'.repeat(40) })).rejects.toMatchObject({
    type: 'SetupFailed',
    nonRetryable: true,
    message: expect.stringContaining('is on no branch'),
  });
  await expect(ensure({ branch: 'convoy/none', from: 'nowhere' })).rejects.toMatchObject({
    type: 'SetupFailed',
    message: expect.stringContaining('its default branch is main'),
  });
  expect((await git(lab.origin, 'for-each-ref', '--format=%(refname)', 'refs/heads/convoy')).split('\n')).toEqual([
    'refs/heads/convoy/old',
  ]);
});

test('a remote that does not take it says why', async () => {
  await hook(lab, 'update', 'case $1 in refs/heads/convoy/*) echo "ask your admin" >&2; exit 1;; esac');
  await expect(ensure({ branch: 'convoy/home' })).rejects.toMatchObject({
    type: 'SetupFailed',
    nonRetryable: true,
    message: expect.stringContaining('ask your admin'),
  });
});
