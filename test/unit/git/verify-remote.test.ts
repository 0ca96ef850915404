import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { createWorktree, mirrorPath, pushBranch, resolveBase, verifyRemote, Voucher } from '../../../src/git/index.js';
import type { VerifyRemoteOptions } from '../../../src/git/verify-remote.js';
import { commit, commitToOrigin, git, mirrorOf, remoteSha, useLab } from './lab.js';

const lab = useLab();
const ids = { bead: 'a', attempt: '1-abcd' };
const branch = 'heartbead/a/1-abcd';
const ref = `refs/heads/${branch}`;
let mirror = '';
let path = '';
let base = '';

beforeEach(async () => {
  mirror = await mirrorOf(lab);
  base = (await resolveBase(mirror)).sha;
  path = join(lab.dir, 'w');
  await createWorktree({ mirror, path, branch, at: base });
});

const voucher = new Voucher();
const push = (): Promise<{ branch: string; sha: string }> =>
  pushBranch({ worktree: path, remote: lab.origin, ...ids, voucher });
const verify = (more: Partial<VerifyRemoteOptions> = {}, root = lab.root): ReturnType<typeof verifyRemote> =>
  verifyRemote({ root, repo: lab.origin, branch, runner: { ...ids, key: voucher.key }, ...more });

describe('the push of finished work', () => {
  it('takes the commit at HEAD to the branch of the attempt and reads it back', async () => {
    const sha = await commit(path, { a: '1' });
    expect(await push()).toEqual({ branch, sha });
    expect(await remoteSha(lab, ref)).toBe(sha);
  });

  it.each<[string, string[]]>([
    ['has switched to a branch of another name', ['checkout', '--quiet', '-b', 'fix/my-own-name']],
    ['works on the base branch', ['checkout', '--quiet', 'main']],
    ['has a detached HEAD', ['checkout', '--quiet', '--detach']],
  ])('takes HEAD also when the agent %s', async (_what, args) => {
    await git(path, ...args);
    const sha = await commit(path, { a: '1' });
    expect(await push()).toEqual({ branch, sha });
    expect(await git(lab.origin, 'for-each-ref', '--format=%(refname)', 'refs/heads')).toBe(`${ref}\nrefs/heads/main`);
  });

  it('overwrites what the attempt has pushed before, but nothing else', async () => {
    await commit(path, { a: '1' });
    await push();
    await git(path, 'reset', '--quiet', '--hard', base);
    const sha = await commit(path, { b: '2' });
    expect(await push()).toEqual({ branch, sha });
    expect(await remoteSha(lab, 'refs/heads/main')).toBe(base);
  });

  it('runs no pre-push hook, takes no tags along, and obeys the hooks of the remote', async () => {
    await writeFile(join(path, '.git', 'hooks', 'pre-push'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    await commit(path, { a: '1' });
    await git(path, 'tag', '-a', '-m', 't', 'local');
    await git(path, 'config', 'push.followTags', 'true');
    await push();
    expect(await git(lab.origin, 'tag')).toBe('');
    await writeFile(join(lab.origin, 'hooks', 'update'), '#!/bin/sh\necho branches need a ticket >&2\nexit 1\n', {
      mode: 0o755,
    });
    await commit(path, { a: '2' });
    await expect(push()).rejects.toMatchObject({
      kind: 'rejected',
      stderr: expect.stringContaining('branches need a ticket') as string,
    });
  });

  it('is not believed when the remote has something else afterwards', async () => {
    await commit(path, { a: '1' });
    await writeFile(join(lab.origin, 'hooks', 'post-receive'), `#!/bin/sh\ngit update-ref ${ref} ${base}\n`, {
      mode: 0o755,
    });
    await expect(push()).rejects.toMatchObject({ kind: 'rejected', message: expect.stringContaining(base) as string });
  });

  it('is refused when it needs a submodule commit that nobody else could get', async () => {
    const sub = join(lab.dir, 'sub');
    await git(lab.dir, 'init', '--quiet', sub);
    await commit(sub, { s: '1' });
    await git(path, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', sub, 'sub');
    await commit(path, {});
    await push();
    await commit(join(path, 'sub'), { s: '2' });
    await commit(path, {});
    await expect(push()).rejects.toMatchObject({
      name: 'GitError',
      message: expect.stringMatching(/sub.*push it there first/) as string,
    });
  });

  it('needs a commit', async () => {
    await git(path, 'checkout', '--quiet', '--orphan', 'fresh');
    await expect(push()).rejects.toMatchObject({
      kind: 'no_such_ref',
      message: expect.stringContaining('commit the work first') as string,
    });
  });
});

describe('evidence', () => {
  it('is a branch on the remote, at the reported commit, ahead of its base', async () => {
    await commit(path, { a: '1' });
    const sha = await commit(path, { b: '1' });
    await push();
    const verified = { verdict: 'verified', branch, sha, baseSha: base, ahead: 2 };
    expect(await verify({ sha, baseSha: base })).toEqual(verified);
    expect(await verify({ sha })).toEqual(verified);
    expect(await verify()).toEqual(verified);
    expect(await verify({ base: 'main' })).toEqual(verified);
  });

  it('is no branch that the agent pushed by itself: only its runner can vouch for it', async () => {
    const half = await commit(path, { a: 'half' });
    await git(path, 'push', '--quiet', lab.origin, `HEAD:${ref}`);
    const unvouched = { verdict: 'unvouched', reason: expect.any(String) as string, found: half };
    expect(await verify({ baseSha: base })).toEqual(unvouched);
    expect(await verify({ baseSha: base, runner: undefined })).toEqual(unvouched);
    // Whatever it pushes beside it: a marker of its own, one that it has copied, or the real one with more on the
    // branch.
    const done = 'refs/heartbead/a/1-abcd/done';
    const forged = await new Voucher().mark({ worktree: path }, ids.bead, ids.attempt, half);
    await git(path, 'push', '--quiet', '--force', lab.origin, `${forged}:${done}`);
    expect(await verify({ baseSha: base })).toEqual(unvouched);
    await push();
    expect(await verify({ baseSha: base })).toMatchObject({ verdict: 'verified', sha: half });
    expect(await verify({ baseSha: base, runner: { ...ids, bead: 'b', key: voucher.key } })).toEqual(unvouched);
    expect(await verify({ baseSha: base, runner: ids })).toEqual(unvouched);
    const more = await commit(path, { a: 'more than was done' });
    await git(path, 'push', '--quiet', lab.origin, `HEAD:${ref}`);
    expect(await verify({ baseSha: base })).toEqual({ ...unvouched, found: more });
    // What the runner has reported itself needs no mark: the bead knows it from the runner.
    expect(await verify({ baseSha: base, sha: more })).toMatchObject({ verdict: 'verified', sha: more });
  });

  it('is nothing that shares no history with its base', async () => {
    await git(path, 'checkout', '--quiet', '--orphan', 'fresh');
    const sha = await commit(path, { a: '1' });
    await push();
    expect(await verify({ sha, baseSha: base })).toEqual({
      verdict: 'unrelated',
      reason: expect.stringContaining('no commit in common') as string,
      found: sha,
    });
    expect(await verify({ sha })).toMatchObject({ verdict: 'unrelated' });
  });

  it('is pushed alone where the remote does not take the word of the runner, and in two steps without transactions', async () => {
    await writeFile(
      join(lab.origin, 'hooks', 'update'),
      '#!/bin/sh\ncase $1 in refs/heartbead/*) echo only branches here >&2; exit 1;; esac\n',
      { mode: 0o755 },
    );
    const sha = await commit(path, { a: '1' });
    expect(await push()).toEqual({ branch, sha });
    expect(await verify({ baseSha: base })).toMatchObject({ verdict: 'unvouched' });
    await rm(join(lab.origin, 'hooks', 'update'));
    await git(lab.origin, 'config', 'receive.advertiseAtomic', 'false');
    await push();
    expect(await verify({ baseSha: base })).toMatchObject({ verdict: 'verified', sha });
  });

  it('is found on a host that has never seen the repository', async () => {
    const sha = await commit(path, { a: '1' });
    await push();
    const root = join(lab.dir, 'host-2', 'mirrors');
    expect(await verify({ sha, baseSha: base }, root)).toEqual({
      verdict: 'verified',
      branch,
      sha,
      baseSha: base,
      ahead: 1,
    });
    expect(mirrorPath(root, lab.origin)).toContain('host-2');
  });

  it('is missing without the branch, also when a branch with a longer name ends in the same words', async () => {
    await git(lab.origin, 'update-ref', `refs/heads/evil/${ref}`, base);
    await git(lab.origin, 'update-ref', `refs/tags/${branch}`, base);
    expect(await verify()).toEqual({ verdict: 'missing', reason: expect.stringContaining(branch) as string });
  });

  it('differs when the branch is at another commit', async () => {
    const reported = await commit(path, { a: '1' });
    const found = await commit(path, { b: '1' });
    await push();
    expect(await verify({ sha: reported })).toEqual({
      verdict: 'differs',
      found,
      reason: expect.stringContaining(reported) as string,
    });
  });

  it('is not a branch without a commit ahead, nor commits that leave every file as it was', async () => {
    await push();
    expect(await verify({ baseSha: base })).toEqual({
      verdict: 'no_changes',
      reason: expect.stringContaining('no commit ahead') as string,
    });
    await commit(path, { a: '1' });
    await commit(path, { a: undefined });
    await push();
    expect(await verify({ baseSha: base })).toEqual({
      verdict: 'no_changes',
      reason: expect.stringMatching(/2 commits ahead of .*, but all files are as they were/) as string,
    });
    expect(await verify()).toMatchObject({ verdict: 'no_changes' });
  });

  it('is not a branch that was set back behind its start', async () => {
    const start = await commitToOrigin(lab, 'main', { m: '1' });
    await push();
    await mirrorOf(lab);
    expect(await verify({ baseSha: start })).toMatchObject({ verdict: 'no_changes' });
  });

  it('is measured from where the branch left its base when the recorded start is gone or unknown', async () => {
    const sha = await commit(path, { a: '1' });
    await push();
    await commitToOrigin(lab, 'main', { m: '1' });
    expect(await verify({ sha, baseSha: 'd'.repeat(40) })).toMatchObject({
      verdict: 'verified',
      baseSha: base,
      ahead: 1,
    });
    expect(await verify({ sha })).toMatchObject({ verdict: 'verified', baseSha: base, ahead: 1 });
  });

  it('is never made of an error: neither a lost base branch nor a lost remote is a verdict', async () => {
    await commit(path, { a: '1' });
    await push();
    await expect(verify({ base: 'nope' })).rejects.toMatchObject({ kind: 'no_such_ref' });
    await rm(join(lab.origin, 'HEAD'));
    await expect(verify({ baseSha: base })).rejects.toMatchObject({ kind: 'not_found' });
    await rename(lab.origin, `${lab.origin}.away`);
    await expect(verify({ baseSha: base })).rejects.toMatchObject({ kind: 'not_found' });
  });
});
