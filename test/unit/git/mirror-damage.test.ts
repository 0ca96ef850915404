import { chmod, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import {
  createWorktree,
  pushBranch,
  resolveBase,
  saveWip,
  updateMirror,
  verifyRemote,
} from '../../../src/git/index.js';
import { bulk, commit, commitToOrigin, git, mirrorOf, put, remoteSha, useLab } from './lab.js';

const lab = useLab();
const branch = 'heartbead/a/1-abcd';
const ids = { bead: 'a', attempt: '1-abcd' };

/** A mirror with the worktree of an agent that has a local commit and uncommitted work. */
async function withAgent(): Promise<{ mirror: string; path: string; own: string }> {
  const mirror = await mirrorOf(lab);
  const path = join(lab.dir, 'attempt', 'worktree');
  await createWorktree({ mirror, path, branch, at: (await resolveBase(mirror)).sha });
  const own = await commit(path, { 'agent.txt': 'committed\n' });
  await put(path, { 'more.txt': 'uncommitted\n' });
  return { mirror, path, own };
}

const aside = async (mirror: string): Promise<string[]> =>
  (await readdir(lab.root)).filter((name) => name.startsWith(`${basename(mirror)}.damaged-`));

async function looseObject(mirror: string, sha: string): Promise<string> {
  // Out of its pack, so that it can be damaged alone.
  const packs = join(mirror, 'objects', 'pack');
  const kept = join(lab.dir, 'packs');
  await rename(packs, kept);
  for (const name of await readdir(kept)) {
    if (name.endsWith('.pack'))
      await execa('git', ['--git-dir', mirror, 'unpack-objects', '-q'], { inputFile: join(kept, name) });
  }
  const file = join(mirror, 'objects', sha.slice(0, 2), sha.slice(2));
  await chmod(file, 0o600);
  return file;
}

describe('a damaged mirror is kept aside and cloned again', () => {
  it.each<[string, (mirror: string) => Promise<void>]>([
    ['HEAD is gone', (mirror) => rm(join(mirror, 'HEAD'))],
    ['HEAD is empty after a power failure', (mirror) => writeFile(join(mirror, 'HEAD'), '')],
    ['a branch is empty after a power failure', (mirror) => writeFile(join(mirror, 'refs/remotes/origin/main'), '')],
    ['the packed refs are garbage', (mirror) => writeFile(join(mirror, 'packed-refs'), 'garbage\n')],
    [
      'the fetched objects are gone',
      async (mirror) => {
        for (const name of await readdir(join(mirror, 'objects')))
          if (/^[0-9a-f]{2}$/.test(name)) await rm(join(mirror, 'objects', name), { recursive: true });
      },
    ],
    ['all objects are gone', (mirror) => rm(join(mirror, 'objects'), { recursive: true })],
  ])('when %s', async (_what, damage) => {
    const mirror = await mirrorOf(lab);
    await damage(mirror);
    const newest = await commitToOrigin(lab, 'main', { later: '1' });
    expect(await mirrorOf(lab)).toBe(mirror);
    expect(await resolveBase(mirror)).toEqual({ branch: 'main', sha: newest });
    expect(await aside(mirror)).toHaveLength(1);
    await createWorktree({ mirror, path: join(lab.dir, 'w'), branch, at: newest });
    await mirrorOf(lab);
    expect(await aside(mirror)).toHaveLength(1);
  });

  it('and an agent that works in it meanwhile keeps its branch, its commits and its worktree', async () => {
    const { mirror, path, own } = await withAgent();
    await writeFile(join(mirror, 'refs/remotes/origin/main'), '');
    await rm(join(mirror, 'HEAD'));
    await mirrorOf(lab);
    expect(await aside(mirror)).toHaveLength(1);
    expect(await git(path, 'rev-parse', 'HEAD')).toBe(own);
    const next = await commit(path, {});
    const { checkpoint, pushed } = await saveWip({ worktree: path, ...ids, push: true, remote: lab.origin });
    expect({ checkpoint, pushed }).toMatchObject({ checkpoint: { sha: next, wip: false }, pushed: true });
    await pushBranch({ worktree: path, remote: lab.origin, ...ids });
    expect(await git(lab.origin, 'rev-list', '--count', `refs/heads/${branch}`)).toBe('3');
    expect(await verifyRemote({ root: lab.root, repo: lab.origin, branch, sha: next })).toMatchObject({
      verdict: 'verified',
      ahead: 2,
    });
  });

  it('also when the process was killed between setting the old one aside and putting the new one in its place', async () => {
    const { mirror, path, own } = await withAgent();
    await rename(mirror, `${mirror}.damaged-20260101T000000000Z`);
    await mirrorOf(lab);
    expect(await git(path, 'rev-parse', 'HEAD')).toBe(own);
    expect(await git(path, 'rev-parse', '--abbrev-ref', 'HEAD')).toBe(branch);
    expect(await git(path, 'status', '--porcelain')).toBe('?? more.txt');
  });

  it('unless the remote cannot be reached: then it stays as it is', async () => {
    const { mirror } = await withAgent();
    await rm(join(mirror, 'HEAD'));
    await rename(lab.origin, `${lab.origin}.away`);
    await expect(mirrorOf(lab)).rejects.toMatchObject({ kind: 'not_found' });
    expect(await readdir(lab.root)).toEqual([basename(mirror)]);
    await rename(`${lab.origin}.away`, lab.origin);
    await mirrorOf(lab);
    expect(await aside(mirror)).toHaveLength(1);
  });

  it('when only a worktree found out: a file that no fetch reads was damaged', async () => {
    await commitToOrigin(lab, 'main', bulk(20));
    const mirror = await mirrorOf(lab);
    const { sha } = await resolveBase(mirror);
    const file = await looseObject(mirror, await git(mirror, 'rev-parse', 'origin/main:bulk/7.txt'));
    await writeFile(file, (await readFile(file)).subarray(0, 40));
    await mirrorOf(lab);
    expect(await aside(mirror)).toEqual([]);
    const path = join(lab.dir, 'w');
    await expect(createWorktree({ mirror, path, branch, at: sha })).rejects.toMatchObject({
      damaged: true,
      mayPass: true,
      message: expect.stringContaining('cloned again') as string,
    });
    expect(await readdir(lab.dir)).not.toContain('w');
    await mirrorOf(lab);
    expect(await aside(mirror)).toHaveLength(1);
    expect(await createWorktree({ mirror, path, branch, at: sha })).toMatchObject({ head: sha });
    expect(await git(path, 'status', '--porcelain')).toBe('');
  });

  it('when only the verification found out', async () => {
    const { path, own } = await withAgent();
    await pushBranch({ worktree: path, remote: lab.origin, ...ids });
    const { path: mirror } = await updateMirror({ root: lab.root, repo: lab.origin });
    await rm(join(mirror, 'HEAD'));
    expect(await verifyRemote({ root: lab.root, repo: lab.origin, branch, sha: own })).toMatchObject({
      verdict: 'verified',
      ahead: 1,
    });
    expect(await remoteSha(lab, `refs/heads/${branch}`)).toBe(own);
  });
});
