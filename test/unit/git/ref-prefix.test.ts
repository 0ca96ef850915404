import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readAttemptRef, readOwnRef, refNames } from '../../../src/contract/index.js';
import {
  createWorktree,
  pushBranch,
  removeProvenWorktree,
  resolveBase,
  saveWip,
  surveyRepository,
  tidyBead,
  verifyRemote,
  Voucher,
} from '../../../src/git/index.js';
import { newerLocalSave } from '../../../src/git/local-saves.js';
import { mergeItem } from '../../../src/git/merge/merge-item.js';
import { checkRefWritable } from '../../../src/git/ref-check.js';
import { commit, git, mirrorOf, put, useLab } from './lab.js';

const lab = useLab();
const refPrefix = 'bots/hb';
const names = refNames(refPrefix);
const ids = { bead: 'a', attempt: '1-abcd' };

/** A remote as a forge's rule has it: whoever pushes writes below one prefix, and to main. */
async function restrict(): Promise<void> {
  const hook = join(lab.origin, 'hooks', 'update');
  await mkdir(join(lab.origin, 'hooks'), { recursive: true });
  const allowed = `refs/heads/${refPrefix}/*|refs/${refPrefix}/*|refs/heads/main`;
  await writeFile(hook, `#!/bin/sh\ncase $1 in ${allowed}) ;; *) echo "$1 is not allowed" >&2; exit 1;; esac\n`);
  await chmod(hook, 0o755);
}

it('where a remote allows other names only, a bead goes from its first save to landed and tidied below the prefix of its rig', async () => {
  await restrict();
  const mirror = await mirrorOf(lab);
  const base = (await resolveBase(mirror)).sha;
  const path = join(lab.dir, 'attempts', '1-abcd__a', 'a-1-abcd');
  await createWorktree({ mirror, path, branch: names.branch('a', '1-abcd'), at: base });
  expect(await git(path, 'symbolic-ref', '--short', 'HEAD')).toBe('bots/hb/a/1-abcd');
  const work = { worktree: path, remote: lab.origin, ...ids };
  await put(path, { draft: 'x\n' });
  // As usual it is refused there, and stays on this host.
  expect(await saveWip({ ...work, push: true })).toMatchObject({ pushed: false });
  const saved = await saveWip({ ...work, push: true, refPrefix });
  expect(saved).toMatchObject({ pushed: true, checkpoint: { ref: 'refs/bots/hb/a/1-abcd/wip' } });
  // The host finds its own saves whatever the remote calls them.
  const after = { bead: 'a', attempt: '2-efgh' };
  expect(await newerLocalSave(mirror, { ...after, checkpoint: saved.checkpoint })).toBeUndefined();
  expect(await newerLocalSave(mirror, after)).toMatchObject({ sha: saved.checkpoint.sha });

  const sha = await commit(path, { draft: 'y\n' });
  const voucher = new Voucher();
  expect(await pushBranch({ ...work, voucher, refPrefix })).toEqual({ branch: 'bots/hb/a/1-abcd', sha });
  const evidence = { root: lab.root, repo: lab.origin, baseSha: base, branch: names.branch('a', '1-abcd') };
  // Nobody has reported it: the runner's word is found below the prefix, too.
  expect(await verifyRemote({ ...evidence, runner: { ...ids, key: voucher.key } })).toMatchObject({
    verdict: 'verified',
    sha,
  });

  const item = { item: 'a', branch: names.branch('a', '1-abcd'), sha, target: 'main', title: 'Add a' };
  const outcome = await mergeItem(
    {
      repo: lab.origin,
      mirrors: lab.root,
      scratch: join(lab.dir, 'refinery', 'rig', 'a'),
      item,
      refPrefix,
      runChecks: () => Promise.resolve(undefined),
      say: () => undefined,
      warn: (text, error) => expect.fail(`${text}: ${String(error)}`),
      observe: () => undefined,
      confirm: () => undefined,
    },
    'squash',
  );
  if (outcome.outcome !== 'merged') throw new Error(`it was not merged: ${JSON.stringify(outcome)}`);
  const refs = async (): Promise<string[]> =>
    (await git(lab.origin, 'for-each-ref', '--format=%(refname)')).split('\n');
  const all = ['refs/bots/hb/a/1-abcd/done', 'refs/bots/hb/a/1-abcd/wip', names.merged('a', sha)].sort();
  expect(await refs()).toEqual([...all, 'refs/heads/bots/hb/a/1-abcd', 'refs/heads/main']);

  const ended = { ...ids, sha, mergedSha: outcome.sha, target: 'main', superseded: [] };
  expect(await removeProvenWorktree({ mirror, path, remote: lab.origin, ...ids, ended, refPrefix })).toMatchObject({
    removed: true,
  });
  // Whoever tidies sees them, and nothing of ours is left.
  const survey = await surveyRepository({
    mirrors: lab.root,
    repo: lab.origin,
    remote: true,
    prefixes: [refPrefix],
    endOf: () => Promise.resolve(ended),
  });
  await survey.close();
  expect(survey.refs.filter(({ where, spent }) => where === 'remote' && spent).map(({ ref }) => ref)).toEqual(
    expect.arrayContaining([...all, 'refs/heads/bots/hb/a/1-abcd']),
  );
  await tidyBead({ mirrors: lab.root, repo: lab.origin, bead: ended, remote: true, refPrefix });
  expect(await refs()).toEqual(['refs/heads/main']);
});

it('a branch of the remote that stands where the prefix needs a folder is named before anybody is paid', async () => {
  await git(lab.seed, 'push', '--quiet', 'origin', 'HEAD:refs/heads/bots');
  const mirror = await mirrorOf(lab);
  const { sha } = await resolveBase(mirror);
  await expect(checkRefWritable(mirror, { repo: lab.origin, ...ids, sha, refPrefix })).rejects.toThrow(
    /has a branch bots, so that none can be called bots\/hb\/a\/1-abcd/,
  );
  await checkRefWritable(mirror, { repo: lab.origin, ...ids, sha });
});

it('refs are read below the prefixes that are asked for, and no others', () => {
  const sha = 'a'.repeat(40);
  expect(readOwnRef(names.wip('a', '1-abcd'))).toBeUndefined();
  expect(readOwnRef(names.wip('a', '1-abcd'), ['heartbead', refPrefix])).toMatchObject({ kind: 'wip', bead: 'a' });
  expect(readOwnRef(names.branchRef('a', '1-abcd'), [refPrefix])).toMatchObject({ kind: 'branch' });
  expect(readOwnRef(names.done('a', '1-abcd'), [refPrefix])).toMatchObject({ kind: 'done' });
  expect(readOwnRef(names.merged('a', sha), [refPrefix])).toEqual({ kind: 'merged', item: 'a', sha });
  expect(readOwnRef('refs/heads/bots/hb/a/1-abcd/wip', [refPrefix])).toBeUndefined();
  expect(readAttemptRef(names.wip('a', '1-abcd'))).toEqual({ prefix: refPrefix, attempt: '1-abcd' });
  expect(readAttemptRef('refs/heads/main')).toBeUndefined();
});
