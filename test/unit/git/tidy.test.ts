import { chmod, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { attemptRefs } from '../../../src/contract/index.js';
import type { EndedBead } from '../../../src/domain/index.js';
import {
  createWorktree,
  pushBranch,
  removeProvenWorktree,
  resolveBase,
  saveWip,
  surveyRepository,
  tidyBead,
  Voucher,
} from '../../../src/git/index.js';
import type { BeadTidied } from '../../../src/git/index.js';
import { mergeItem } from '../../../src/git/merge/merge-item.js';
import { deleteRefs } from '../../../src/git/tidy/delete-refs.js';
import { commit, commitToOrigin, git, mirrorOf, put, remoteSha, steppingIn, useLab } from './lab.js';

const lab = useLab();
let mirror = '';
beforeEach(async () => {
  mirror = await mirrorOf(lab);
});

const treeOf = (bead: string, attempt: string): string => join(lab.dir, `${attempt}__${bead}`, `${bead}-${attempt}`);

/** An attempt that begins at the base, or goes on from a save. */
async function begin(bead: string, attempt: string, from?: { sha: string; wip: boolean }): Promise<string> {
  const path = treeOf(bead, attempt);
  const at = from?.sha ?? (await resolveBase(mirror)).sha;
  await createWorktree({ mirror, path, branch: attemptRefs.branch(bead, attempt), at, wip: from?.wip ?? false });
  return path;
}
const save = async (bead: string, attempt: string): Promise<{ sha: string; wip: boolean }> => {
  const worktree = treeOf(bead, attempt);
  const { checkpoint, pushed } = await saveWip({ worktree, bead, attempt, push: true, remote: lab.origin });
  expect(pushed).toBe(true);
  return checkpoint;
};
const finish = async (bead: string, attempt: string): Promise<string> =>
  (
    await pushBranch({
      worktree: treeOf(bead, attempt),
      remote: lab.origin,
      bead,
      attempt,
      voucher: new Voucher(),
    })
  ).sha;
async function land(
  bead: string,
  attempt: string,
  sha: string,
  strategy: 'merge' | 'squash' | 'rebase',
): Promise<string> {
  const outcome = await mergeItem(
    {
      repo: lab.origin,
      mirrors: lab.root,
      scratch: join(lab.dir, 'refinery', 'rig', bead),
      item: { item: bead, branch: attemptRefs.branch(bead, attempt), sha, target: 'main', title: `Add ${bead}` },
      runChecks: () => Promise.resolve(undefined),
      say: () => undefined,
      warn: (text, error) => expect.fail(`${text}: ${String(error)}`),
      observe: () => undefined,
      confirm: () => undefined,
    },
    strategy,
  );
  if (outcome.outcome !== 'merged') throw new Error(`it was not merged: ${JSON.stringify(outcome)}`);
  return outcome.sha;
}
const ours = async (): Promise<string[]> =>
  (await git(lab.origin, 'for-each-ref', '--format=%(refname)')).split('\n').filter((ref) => ref.includes('heartbead'));
const oursHere = async (): Promise<string[]> =>
  (await git(mirror, 'for-each-ref', '--format=%(refname)'))
    .split('\n')
    .filter((ref) => ref.startsWith('refs/heartbead'));
const tidy = async (bead: EndedBead, remote = true): Promise<BeadTidied> => {
  const done = await tidyBead({ mirrors: lab.root, repo: lab.origin, bead, remote });
  if (done === undefined) throw new Error('there is a mirror');
  return done;
};

/** A bead of two attempts: the first was lost with uncommitted work, the second went on from its save and finished. */
async function story(bead: string): Promise<EndedBead> {
  const first = await begin(bead, '1-aaaa');
  await commit(first, { [`${bead}.txt`]: 'one\n' });
  await put(first, { [`${bead}.more`]: 'two\n' });
  const saved = await save(bead, '1-aaaa');
  const second = await begin(bead, '2-bbbb', saved);
  await put(second, { [`${bead}.more`]: 'two and a half\n' });
  await save(bead, '2-bbbb');
  await commit(second, { [`${bead}.more`]: 'three\n' });
  const sha = await finish(bead, '2-bbbb');
  return { bead, sha, attempt: '2-bbbb', target: 'main', superseded: [{ attempt: '1-aaaa', sha: saved.sha }] };
}

describe('a bead that has landed leaves no ref', () => {
  it.each(['merge', 'squash', 'rebase'] as const)('on the remote and in the mirror (%s)', async (strategy) => {
    const bead = await story('a');
    // Somebody was faster, so that nothing lands as it is.
    await commitToOrigin(lab, 'main', { other: 'x\n' });
    const mergedSha = await land('a', bead.attempt, bead.sha, strategy);
    expect(await ours()).toHaveLength(5);
    // A host that had only an earlier attempt tidies its own mirror and leaves the remote alone.
    await tidy({ ...bead, mergedSha }, false);
    expect(await oursHere()).toEqual([]);
    expect(await ours()).toHaveLength(5);
    const done = await tidy({ ...bead, mergedSha });
    expect(await ours()).toEqual([]);
    expect(done).toMatchObject({ refused: [], moved: [], kept: [] });
    expect(await git(lab.origin, 'show', 'main:a.more')).toBe('three');
    // What its tree holds is known to be superseded or landed, though the remote has it at no ref any more.
    for (const attempt of ['1-aaaa', '2-bbbb'])
      expect(
        await removeProvenWorktree({
          mirror,
          path: treeOf('a', attempt),
          remote: lab.origin,
          bead: 'a',
          attempt,
          ended: { ...bead, mergedSha },
        }),
      ).toMatchObject({ removed: true });
  });

  it('and none of another bead is touched, whatever it is called', async () => {
    const names = ['a-b', 'merged', 'a'];
    const stories = new Map<string, EndedBead>();
    for (const name of names) stories.set(name, await story(name));
    const landed: EndedBead[] = [];
    for (const [name, bead] of stories)
      landed.push({ ...bead, mergedSha: await land(name, bead.attempt, bead.sha, 'merge') });
    for (const bead of landed.reverse()) {
      const others = (await ours()).filter((ref) => !new RegExp(`heartbead/(?:merged/)?${bead.bead}/`).test(ref));
      await tidy(bead);
      if (bead.bead === 'a') expect(await ours()).toEqual(others);
    }
    expect(await ours()).toEqual([]);
  });
});

describe('what is not part of what landed stays', () => {
  it('commits and uncommitted work of an attempt that the bead never heard of', async () => {
    const bead = await story('a');
    const stray = await begin('a', '3-cccc');
    await put(stray, { 'only-here': 'x\n' });
    await save('a', '3-cccc');
    const far = await begin('a', '0-dddd');
    await commit(far, { 'also-only-here': 'x\n' });
    await finish('a', '0-dddd');
    const mergedSha = await land('a', bead.attempt, bead.sha, 'merge');
    const done = await tidy({ ...bead, mergedSha });
    expect(await ours()).toEqual([
      'refs/heads/heartbead/a/0-dddd',
      'refs/heartbead/a/0-dddd/done',
      'refs/heartbead/a/3-cccc/wip',
    ]);
    expect(done.kept.map(({ why }) => why)).toEqual(
      expect.arrayContaining([
        'it has commits that are not part of what landed',
        'it has uncommitted work that no later attempt is known to have taken up',
      ]),
    );
  });

  it('a side branch that the finishing attempt had saved and did not finish', async () => {
    const bead = await story('a');
    const tree = treeOf('a', '2-bbbb');
    await git(tree, 'checkout', '--quiet', '--orphan', 'aside');
    await commit(tree, { aside: 'x\n' });
    await save('a', '2-bbbb');
    const mergedSha = await land('a', bead.attempt, bead.sha, 'merge');
    await tidy({ ...bead, mergedSha });
    expect(await ours()).toEqual(['refs/heartbead/a/2-bbbb/wip']);
  });

  it('everything, when the target has lost the merge again and the branch is gone', async () => {
    const bead = await story('a');
    const mergedSha = await land('a', bead.attempt, bead.sha, 'squash');
    await commitToOrigin(lab, 'main', { rewritten: 'x\n' });
    await git(lab.seed, 'push', '--quiet', 'origin', `:${attemptRefs.branchRef('a', bead.attempt)}`);
    const before = await ours();
    const done = await tidy({ ...bead, mergedSha });
    expect(await ours()).toEqual(before);
    expect(done.deleted).toEqual([]);
  });

  it('the branch of a bead that merges nothing, while its saves and the mark of its runner go', async () => {
    const bead = await story('a');
    await tidy(bead);
    expect(await ours()).toEqual([attemptRefs.branchRef('a', bead.attempt)]);
    // As a rig says that merges nothing.
    await tidy({ ...bead, mergedSha: bead.sha });
    expect(await ours()).toEqual([attemptRefs.branchRef('a', bead.attempt)]);
  });

  it('a ref at which somebody has put something else meanwhile', async () => {
    const bead = await story('a');
    const ref = attemptRefs.branchRef('a', bead.attempt);
    const seen = [{ ref, sha: bead.sha }];
    await git(lab.seed, 'fetch', '--quiet', 'origin', ref);
    await git(lab.seed, 'checkout', '--quiet', '--detach', 'FETCH_HEAD');
    const newer = await commit(lab.seed, { newer: 'x\n' });
    await git(lab.seed, 'push', '--quiet', 'origin', `HEAD:${ref}`);
    expect(await deleteRefs({ mirror }, lab.origin, seen)).toEqual({ deleted: [], refused: [], moved: [ref] });
    expect(await remoteSha(lab, ref)).toBe(newer);
    // Also when the whole bead is tidied: what came on top is no part of what landed.
    const mergedSha = await git(lab.dir, '--git-dir', lab.origin, 'rev-parse', 'main');
    await tidy({ ...bead, mergedSha });
    expect(await remoteSha(lab, ref)).toBe(newer);
  });
});

it('a remote that refuses to let refs go is told with its own words, and is no error', async () => {
  const bead = await story('a');
  const mergedSha = await land('a', bead.attempt, bead.sha, 'merge');
  const hook = join(lab.origin, 'hooks', 'update');
  await writeFile(
    hook,
    '#!/bin/sh\ncase $1 in refs/heads/*) case $3 in *[!0]*) exit 0;; *) echo "branches stay" >&2; exit 1;; ' +
      'esac;; esac\n',
  );
  await chmod(hook, 0o755);
  const done = await tidy({ ...bead, mergedSha });
  expect(done.refused).toEqual([
    { ref: attemptRefs.branchRef('a', bead.attempt), reason: expect.stringMatching(/branches stay/) as string },
  ]);
  expect(await ours()).toEqual([attemptRefs.branchRef('a', bead.attempt)]);
});

it('a remote that does not answer is an error, and costs nothing', async () => {
  const bead = await story('a');
  const here = await oursHere();
  await rename(lab.origin, `${lab.origin}.away`);
  await expect(tidyBead({ mirrors: lab.root, repo: lab.origin, bead, remote: true })).rejects.toThrow(
    /looking for the refs of bead a/,
  );
  expect(await oursHere()).toEqual(here);
});

it('of old refs, what the town or the remote itself can prove to have landed goes, on the remote and here; the rest is named and stays', async () => {
  const [known, forgotten] = [await story('known'), await story('forgotten')];
  await story('open');
  const mergedSha = await land('known', known.attempt, known.sha, 'squash');
  // Of this one only the trailers of the squashed commit tell: its marker is gone already.
  await land('forgotten', forgotten.attempt, forgotten.sha, 'squash');
  await git(lab.origin, 'update-ref', '-d', `refs/heartbead/merged/forgotten/${forgotten.sha}`);
  const ends = new Map<string, EndedBead | 'kept'>([
    ['known', { ...known, mergedSha }],
    ['open', 'kept'],
  ]);
  const look = (): ReturnType<typeof surveyRepository> =>
    surveyRepository({
      mirrors: lab.root,
      repo: lab.origin,
      remote: true,
      endOf: (item) => Promise.resolve(ends.get(item) ?? 'unknown'),
    });
  const of = (bead: string, refs: string[]): string[] => refs.filter((ref) => ref.split('/').includes(bead));
  const before = await ours();

  const dry = await look();
  expect(await ours()).toEqual(before);
  expect(new Set(dry.refs.filter(({ spent }) => !spent).map(({ why }) => why))).toEqual(
    new Set([
      'its bead has not landed: it may be wanted',
      'it has uncommitted work that no later attempt is known to have taken up',
    ]),
  );
  expect(await dry.remove()).toMatchObject({ refused: [], moved: [] });
  await dry.close();
  const left = await ours();
  expect(of('known', left)).toEqual([]);
  expect(of('open', left)).toEqual(of('open', before));
  // Nobody knows any more that the second attempt had taken this up.
  expect(of('forgotten', left)).toEqual(['refs/heartbead/forgotten/1-aaaa/wip']);
  expect(of('known', await oursHere())).toEqual([]);
});

describe('two who tidy at the same time', () => {
  const twoStories = async (): Promise<Map<string, EndedBead>> => {
    const [a, b] = [await story('a'), await story('b')];
    return new Map([
      ['a', { ...a, mergedSha: await land('a', a.attempt, a.sha, 'merge') }],
      ['b', { ...b, mergedSha: await land('b', b.attempt, b.sha, 'merge') }],
    ]);
  };

  it('what the other has removed, on the remote and here, keeps nothing else', async () => {
    const ends = await twoStories();
    const survey = await surveyRepository({
      mirrors: lab.root,
      repo: lab.origin,
      remote: true,
      endOf: (item) => Promise.resolve(ends.get(item) ?? 'unknown'),
    });
    const theirs = await tidy(ends.get('a') as EndedBead);
    expect([theirs.deleted.length, theirs.here.length]).toEqual([5, 3]);
    const done = await survey.remove();
    await survey.close();
    expect([done.deleted.length, done.moved.length, done.here.length, done.refused]).toEqual([5, 5, 3, []]);
    expect([await ours(), await oursHere()]).toEqual([[], []]);
  });

  it('a ref that goes from the remote before its commits are fetched is passed over', async () => {
    const bead = (await twoStories()).get('a') as EndedBead;
    // A host that knows nothing of the bead yet, and another that is done with it just then.
    await rm(mirror, { recursive: true });
    mirror = await mirrorOf(lab);
    const gone = 'refs/heartbead/a/1-aaaa/wip';
    await steppingIn(lab, 'fetch', `git --git-dir ${lab.origin} update-ref -d ${gone}`);
    const done = await tidy(bead);
    expect([done.deleted.length, done.moved, done.refused]).toEqual([4, [], []]);
    expect(done.kept.map(({ why }) => why)).toEqual(['its commit could not be fetched']);
    expect((await ours()).filter((ref) => ref.split('/').includes('a'))).toEqual([]);
  });
});
