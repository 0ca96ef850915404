import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { MergeStrategy } from '../../src/contract/index.js';
import {
  bead,
  check,
  checkLog,
  commit,
  fileOnOrigin,
  git,
  leftovers,
  list,
  markersOf,
  merge,
  originHas,
  originSha,
  othersCommit,
  recordsOf,
  subjects,
  useLab,
} from './support/lab.js';

const lab = useLab();

const mirrorOf = async (home: string): Promise<string> =>
  join(home, 'mirrors', (await list(join(home, 'mirrors'))).find((name) => name.endsWith('.git')) ?? '');

describe('one bead onto an unchanged or moved-on target', () => {
  test('merge: a merge commit of target and branch, recorded in its message and by the marker', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const before = await originSha(lab, 'refs/heads/main');
    const outcome = await merge(lab, request);

    const main = await originSha(lab, 'refs/heads/main');
    expect(outcome).toEqual({ outcome: 'merged', sha: main, target: 'main', strategy: 'merge' });
    expect(await git(lab.origin, 'log', '-1', '--format=%P', main)).toBe(`${before} ${request.sha}`);
    expect(await git(lab.origin, 'log', '-1', '--format=%B', main)).toBe(
      `Merge lamp: Add lamp\n\nFrom branch ${request.branch} into main.\n\nHeartbead-Item: lamp\n` +
        `Heartbead-Branch-Sha: ${request.sha}`,
    );
    expect(await git(lab.origin, 'log', '-1', '--format=%an <%ae> %cn <%ce>', main)).toBe(
      'Heartbead Refinery <heartbead@localhost> Heartbead Refinery <heartbead@localhost>',
    );
    expect(await markersOf(lab, request)).toBe(main);
    expect(await leftovers(lab.home)).toEqual([]);
  });

  test('squash: one commit with one parent, by the author of the work', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }, { 'lamp.txt': 'off\n' }]);
    const before = await othersCommit(lab, { 'other.txt': 'x\n' });
    const outcome = await merge(lab, request, { strategy: 'squash' });

    const main = await originSha(lab, 'refs/heads/main');
    expect(outcome).toMatchObject({ outcome: 'merged', sha: main });
    expect(await git(lab.origin, 'log', '-1', '--format=%P|%an|%cn', main)).toBe(`${before}|Ada|Heartbead Refinery`);
    expect(await git(lab.origin, 'log', '-1', '--format=%B', main)).toBe(
      `Add lamp\n\n* lamp: step 1\n* lamp: step 2\n\nHeartbead-Item: lamp\nHeartbead-Branch-Sha: ${request.sha}`,
    );
    expect([await fileOnOrigin(lab, 'lamp.txt'), await fileOnOrigin(lab, 'other.txt')]).toEqual(['off', 'x']);
  });

  test('squash: bodies, trailers of all commits and further authors are kept, and nobody writes our record', async () => {
    const first = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    await git(lab.seed, 'checkout', '--quiet', '--detach', first.sha);
    const by = ['-c', 'user.name=Bob', '-c', 'user.email=bob@example.org'];
    const say = (message: string, ...more: string[]): Promise<string> =>
      git(lab.seed, ...by, 'commit', '--quiet', '--allow-empty', '-m', message, ...more);
    await say(
      'Dim it\n\nIt was too bright.\n\nFixes #7\n\nSigned-off-by: Bob <bob@example.org>\nHeartbead-Item: forged',
      '--author=Bob <bob@example.org>',
    );
    await say('Tidy\n\nSigned-off-by: Ada <ada@example.org>\nCo-authored-by: Eve <eve@example.org>\nFixes: #8');
    await say('More\n\nSigned-off-by: Ada <ada@example.org>', '--author=Eve <eve@example.org>');
    await writeFile(join(lab.seed, 'lamp.txt'), 'dim\n');
    await git(lab.seed, 'commit', '--quiet', '--all', '-m', 'Last');
    const sha = await git(lab.seed, 'rev-parse', 'HEAD');
    await git(lab.seed, 'push', '--quiet', 'origin', `${sha}:refs/heads/${first.branch}`);
    const request = { ...first, sha };
    expect(await merge(lab, request, { strategy: 'squash' })).toMatchObject({ outcome: 'merged' });
    expect(await git(lab.origin, 'log', '-1', '--format=%an%n%B', 'main')).toBe(
      [
        'Ada\nAdd lamp',
        '* lamp: step 1',
        '* Dim it',
        '  It was too bright.\n\n  Fixes #7',
        '* Tidy\n* More\n* Last',
        [
          'Signed-off-by: Bob <bob@example.org>',
          'Signed-off-by: Ada <ada@example.org>',
          'Co-authored-by: Eve <eve@example.org>',
          'Fixes: #8',
          'Co-authored-by: Bob <bob@example.org>',
          `Heartbead-Item: lamp\nHeartbead-Branch-Sha: ${sha}`,
        ].join('\n'),
      ].join('\n\n'),
    );
  });

  test('rebase: the commits of the branch on top of the target, with their authors; the last one carries the record', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }, { 'lamp.txt': 'off\n' }]);
    const before = await othersCommit(lab, { 'other.txt': 'x\n' });
    const outcome = await merge(lab, request, { strategy: 'rebase' });

    const main = await originSha(lab, 'refs/heads/main');
    expect(outcome).toMatchObject({ outcome: 'merged', sha: main });
    expect(await git(lab.origin, 'log', '--format=%s|%an|%cn', `${before}..main`)).toBe(
      'lamp: step 2|Ada|Heartbead Refinery\nlamp: step 1|Ada|Heartbead Refinery',
    );
    expect(await git(lab.origin, 'rev-parse', 'main~2')).toBe(before);
    expect(await recordsOf(lab, request)).toEqual([main]);
  });

  test('rebase: a branch that is on top of its target goes there as it is', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    expect(await merge(lab, request, { strategy: 'rebase' })).toMatchObject({ outcome: 'merged', sha: request.sha });
    expect(await originSha(lab, 'refs/heads/main')).toBe(request.sha);
  });

  test('rebase: a branch that has resolved a conflict by a merge (as rework does) lands as one commit with its resolution', async () => {
    const first = await bead(lab, 'lamp', [{ 'list.txt': 'one\nlamp\nthree\n' }]);
    await othersCommit(lab, { 'list.txt': 'one\nother\nthree\n' });
    expect(await merge(lab, first, { strategy: 'rebase' })).toMatchObject({ outcome: 'conflict', paths: ['list.txt'] });

    await git(lab.seed, 'checkout', '--quiet', '--detach', first.sha);
    await git(lab.seed, 'merge', '--quiet', '-s', 'ours', '--no-commit', 'origin/main');
    const resolved = { ...first, sha: await commit(lab, { 'list.txt': 'one\nother and lamp\nthree\n' }, 'Resolve') };
    await git(lab.seed, 'push', '--quiet', 'origin', `${resolved.sha}:refs/heads/${resolved.branch}`);
    const moved = await othersCommit(lab, { 'other.txt': 'x\n' });
    expect(await merge(lab, resolved, { strategy: 'rebase' })).toMatchObject({ outcome: 'merged' });
    expect(await git(lab.origin, 'rev-parse', 'main^')).toBe(moved);
    expect(await fileOnOrigin(lab, 'list.txt')).toBe('one\nother and lamp\nthree');
  });

  test('branch-only: nothing is merged; the branch is there', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const before = await originSha(lab, 'refs/heads/main');
    expect(await merge(lab, request, { strategy: 'branch-only', checks: [check('test -f lamp.txt')] })).toEqual({
      outcome: 'merged',
      sha: request.sha,
      target: 'main',
      strategy: 'branch-only',
    });
    expect(await originSha(lab, 'refs/heads/main')).toBe(before);
    expect(await merge(lab, request, { strategy: 'branch-only', checks: [check('exit 1')] })).toMatchObject({
      outcome: 'checks_failed',
      check: 'test',
    });
    expect(await leftovers(lab.home)).toEqual([]);
  });

  test('branch-only: a branch that was deleted is pushed again from here; one that moved is an error', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    await merge(lab, request, { strategy: 'branch-only', checks: [check('true')] });
    await git(lab.origin, 'update-ref', '-d', `refs/heads/${request.branch}`);
    expect(await merge(lab, request, { strategy: 'branch-only' })).toMatchObject({
      outcome: 'merged',
      sha: request.sha,
    });
    expect(await originSha(lab, `refs/heads/${request.branch}`)).toBe(request.sha);

    const moved = await othersCommit(lab, { 'lamp.txt': 'broken\n' }, request.branch);
    expect(await merge(lab, request, { strategy: 'branch-only' })).toMatchObject({
      outcome: 'error',
      reason: expect.stringContaining(moved),
    });
  });

  test('an empty target is the default branch of the remote', async () => {
    const request = { ...(await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }])), target: '' };
    expect(await merge(lab, request)).toMatchObject({ outcome: 'merged', target: 'main' });
    expect(await fileOnOrigin(lab, 'lamp.txt')).toBe('on');
  });

  test('a change that the target has already needs no commit (squash, rebase)', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const main = await othersCommit(lab, { 'lamp.txt': 'on\n' });
    for (const strategy of ['squash', 'rebase'] as MergeStrategy[])
      expect(await merge(lab, request, { strategy })).toMatchObject({ outcome: 'merged', sha: main });
    expect(await originSha(lab, 'refs/heads/main')).toBe(main);
  });
});

describe('what was merged already is found, never merged again', () => {
  test.each(['merge', 'squash', 'rebase'] as MergeStrategy[])(
    '%s: asked twice, merged once, also after more work on the target',
    async (strategy) => {
      const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
      await othersCommit(lab, { 'other.txt': 'x\n' });
      const first = await merge(lab, request, { strategy });
      expect(await merge(lab, request, { strategy })).toEqual(first);
      await othersCommit(lab, { 'more.txt': 'x\n' });
      // The branch is deleted after a merge, by many.
      await git(lab.origin, 'update-ref', '-d', `refs/heads/${request.branch}`);
      expect(await merge(lab, request, { strategy })).toEqual(first);
      expect(await recordsOf(lab, request)).toHaveLength(1);
    },
  );

  test('merged by hand with a merge commit: that commit', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    await othersCommit(lab, { 'other.txt': 'x\n' });
    await git(lab.seed, 'merge', '--quiet', '--no-ff', '-m', 'by hand', request.sha);
    const byHand = await git(lab.seed, 'rev-parse', 'HEAD');
    await git(lab.seed, 'push', '--quiet', 'origin', 'main');
    const top = await othersCommit(lab, { 'more.txt': 'x\n' });
    expect(await merge(lab, request)).toMatchObject({ outcome: 'merged', sha: byHand, foreign: true });
    expect(await originSha(lab, 'refs/heads/main')).toBe(top);
  });

  test('merged by hand by fast-forward: the commit itself', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    await git(lab.seed, 'push', '--quiet', 'origin', `${request.sha}:main`);
    expect(await merge(lab, request)).toMatchObject({ outcome: 'merged', sha: request.sha });
    const top = await othersCommit(lab, { 'more.txt': 'x\n' });
    expect(await merge(lab, request)).toMatchObject({ outcome: 'merged', sha: request.sha });
    expect(await originSha(lab, 'refs/heads/main')).toBe(top);
  });

  test('pushed past the refinery: its checks run there, and what fails is told with whose doing it is', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    await git(lab.seed, 'push', '--quiet', 'origin', `${request.sha}:main`);
    expect(await merge(lab, request, { checks: [check('test -e lamp.txt')] })).toEqual({
      outcome: 'merged',
      sha: request.sha,
      target: 'main',
      strategy: 'merge',
      foreign: true,
    });
    expect(await merge(lab, request, { checks: [check('false', { name: 'no' })] })).toEqual({
      outcome: 'error',
      reason: expect.stringMatching(
        /main has this work already as .* not by the refinery: .*; the check no fails there/,
      ) as string,
    });
    expect(await leftovers(lab.home)).toEqual([]);
  });

  test('a target that was rewritten and has lost the merge gets it again; the marker follows', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    await othersCommit(lab, { 'other.txt': 'x\n' });
    const before = await originSha(lab, 'refs/heads/main');
    const first = await merge(lab, request);
    await git(lab.origin, 'update-ref', 'refs/heads/main', before);
    await othersCommit(lab, { 'more.txt': 'x\n' });
    const second = await merge(lab, request);
    expect(second).toMatchObject({ outcome: 'merged' });
    expect(second).not.toEqual(first);
    expect(await recordsOf(lab, request)).toEqual([await markersOf(lab, request)]);
  });

  test('the marker alone is enough, when its commit is on the target', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const sha = await othersCommit(lab, { 'lamp.txt': 'on, by other means\n' });
    await git(lab.origin, 'update-ref', `refs/heartbead/merged/lamp/${request.sha}`, sha);
    await othersCommit(lab, { 'more.txt': 'x\n' });
    expect(await merge(lab, request)).toMatchObject({ outcome: 'merged', sha });
  });

  test('a rewritten target that carries the merge under another id is recognised by its trailers', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const before = await othersCommit(lab, { 'other.txt': 'x\n' });
    await merge(lab, request, { strategy: 'squash' });
    const fetched = await originSha(lab, 'refs/heads/main');
    await git(lab.seed, 'fetch', '--quiet', 'origin');
    await git(lab.seed, 'checkout', '--quiet', '--detach', before);
    await commit(lab, { 'between.txt': 'x\n' });
    await git(lab.seed, 'cherry-pick', fetched);
    const rewritten = await git(lab.seed, 'rev-parse', 'HEAD');
    await git(lab.seed, 'push', '--quiet', '--force', 'origin', `${rewritten}:main`);
    expect(await merge(lab, request, { strategy: 'squash' })).toMatchObject({ outcome: 'merged', sha: rewritten });
  });

  test("words like a record in somebody else's message are not one", async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    await git(lab.seed, 'checkout', '--quiet', 'main');
    for (const message of [
      `talk\n\nHeartbead-Branch-Sha: ${request.sha} is awaited\n\nmore`,
      `other\n\nHeartbead-Item: other\nHeartbead-Branch-Sha: ${request.sha}`,
    ])
      await commit(lab, {}, message);
    await git(lab.seed, 'push', '--quiet', 'origin', 'main');
    expect(await merge(lab, request, { strategy: 'squash' })).toMatchObject({ outcome: 'merged' });
    expect(await fileOnOrigin(lab, 'lamp.txt')).toBe('on');
  });
});

describe('conflicts', () => {
  test.each(['merge', 'squash', 'rebase'] as MergeStrategy[])(
    '%s: names the paths and the commit of the target, changes nothing, leaves no tree behind',
    async (strategy) => {
      const request = await bead(lab, 'lamp', [
        { 'list.txt': 'one\nlamp\nthree\n', 'with space.txt': 'a\n', 'clean.txt': 'x\n' },
      ]);
      const main = await othersCommit(lab, { 'list.txt': 'one\nother\nthree\n', 'with space.txt': 'b\n' });
      expect(await merge(lab, request, { strategy })).toEqual({
        outcome: 'conflict',
        paths: ['list.txt', 'with space.txt'],
        target: 'main',
        targetSha: main,
      });
      expect(await originSha(lab, 'refs/heads/main')).toBe(main);
      expect(await markersOf(lab, request)).toBe('');
      expect(await leftovers(lab.home)).toEqual([]);
    },
  );

  test.each(['merge', 'squash', 'rebase'] as MergeStrategy[])(
    '%s: a branch without a commit in common with its target is for its agent to mend, and nothing lands',
    async (strategy) => {
      const before = await originSha(lab, 'refs/heads/main');
      await git(lab.seed, 'checkout', '--quiet', '--orphan', 'fresh');
      const sha = await commit(lab, { 'lamp.txt': 'on\n' });
      const first = await bead(lab, 'lamp', [{ 'x.txt': 'x\n' }]);
      await git(lab.seed, 'push', '--quiet', '--force', 'origin', `${sha}:refs/heads/${first.branch}`);
      expect(await merge(lab, { ...first, sha }, { strategy })).toEqual({
        outcome: 'unrelated',
        target: 'main',
        targetSha: before,
      });
      expect(await originSha(lab, 'refs/heads/main')).toBe(before);
    },
  );

  test.each(['merge', 'squash', 'rebase'] as MergeStrategy[])(
    '%s: what was taken out of a rewritten target does not come back with work that had begun on it',
    async (strategy) => {
      const kept = await originSha(lab, 'refs/heads/main');
      const began = await othersCommit(lab, { 'secret.txt': 'key\n' });
      const request = { ...(await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }])), began };
      await git(lab.seed, 'push', '--quiet', '--force', 'origin', `${kept}:refs/heads/main`);
      const main = await othersCommit(lab, { 'other.txt': 'x\n' });
      expect(await merge(lab, request, { strategy })).toEqual({
        outcome: 'unrelated',
        target: 'main',
        targetSha: main,
        lost: began,
      });
      expect(await originSha(lab, 'refs/heads/main')).toBe(main);

      // Its own commits alone, on the target as it is now, are no matter of the rewriting.
      await git(lab.seed, 'checkout', '--quiet', '--detach', main);
      await git(lab.seed, 'cherry-pick', `${began}..${request.sha}`);
      const sha = await git(lab.seed, 'rev-parse', 'HEAD');
      await git(lab.seed, 'push', '--quiet', '--force', 'origin', `${sha}:refs/heads/${request.branch}`);
      expect(await merge(lab, { ...request, sha, began: main }, { strategy })).toMatchObject({ outcome: 'merged' });
      expect(await git(lab.origin, 'ls-tree', '--name-only', 'main', 'secret.txt', 'lamp.txt')).toBe('lamp.txt');
    },
  );

  test('a deleted file that was changed is a conflict too', async () => {
    const request = await bead(lab, 'lamp', [{ 'list.txt': undefined }]);
    await othersCommit(lab, { 'list.txt': 'one\nother\nthree\n' });
    expect(await merge(lab, request)).toMatchObject({ outcome: 'conflict', paths: ['list.txt'] });
  });

  test('a branch without common history is rework with advice, not a conflict', async () => {
    await git(lab.seed, 'checkout', '--quiet', '--orphan', 'strange');
    const sha = await commit(lab, { 'list.txt': 'strange\n' });
    await git(lab.seed, 'push', '--quiet', 'origin', 'strange');
    const request = { ...(await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }])), branch: 'strange', sha };
    expect(await merge(lab, request)).toMatchObject({
      outcome: 'unrelated',
      target: 'main',
      targetSha: await originSha(lab, 'refs/heads/main'),
    });
  });
});

describe('whose commits, and under whose rules', () => {
  test("the identity of the user's own git configuration is used; that of an agent in the mirror is not", async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    await merge(lab, request, {
      checks: [check('git config user.name Agent && git config user.email agent@example.org')],
    });
    expect(await git(lab.origin, 'log', '-1', '--format=%cn', 'main')).toBe('Heartbead Refinery');
    const next = await bead(lab, 'next', [{ 'next.txt': 'on\n' }]);
    await merge(lab, next);
    expect(await git(lab.origin, 'log', '-1', '--format=%cn', 'main')).toBe('Heartbead Refinery');

    await writeFile(lab.config, '[user]\n\tname = Grace\n\temail = grace@example.org\n');
    const last = await bead(lab, 'last', [{ 'last.txt': 'on\n' }]);
    await merge(lab, last);
    expect(await git(lab.origin, 'log', '-1', '--format=%an <%ae> %cn <%ce>', 'main')).toBe(
      'Grace <grace@example.org> Grace <grace@example.org>',
    );
  });

  test.each(['merge', 'squash', 'rebase'] as MergeStrategy[])(
    '%s: no hook, no signature, no remembered resolution, no other ref moved, whatever is configured',
    async (strategy) => {
      const hooks = join(lab.dir, 'hooks');
      await git(lab.dir, 'init', '--quiet', '--template=', hooks);
      for (const name of [
        'pre-commit',
        'commit-msg',
        'pre-push',
        'pre-merge-commit',
        'pre-rebase',
        'post-checkout',
        'prepare-commit-msg',
      ])
        await writeFile(join(hooks, name), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
      await writeFile(
        lab.config,
        `[core]\n\thooksPath = ${hooks}\n[commit]\n\tgpgSign = true\n\ttemplate = /nowhere\n[user]\n` +
          '\tsigningKey = nobody\n[merge]\n\tff = only\n\tverifySignatures = true\n[rebase]\n\tupdateRefs = ' +
          'true\n\tautoSquash = true\n[push]\n\tgpgSign = true\n\tfollowTags = true\n[rerere]\n\tenabled = ' +
          'true\n\tautoUpdate = true\n',
      );
      const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }, { 'lamp.txt': 'off\n' }]);
      await othersCommit(lab, { 'other.txt': 'x\n' });
      // A branch in the mirror (of an attempt of an earlier version), in the middle of what is rebased.
      const agents = `refs/heads/heartbead/lamp/1-abcd`;
      await merge(lab, request, {
        strategy: 'branch-only',
        checks: [check(`git update-ref ${agents} HEAD && git tag checked && git config rebase.updateRefs true`)],
      });
      const mirror = await mirrorOf(lab.home);
      expect(await git(mirror, 'for-each-ref', agents, 'refs/tags')).toBe('');
      await git(mirror, 'update-ref', agents, `${request.sha}^`);
      const before = await git(mirror, 'for-each-ref', 'refs/heads');
      expect(await merge(lab, request, { strategy })).toMatchObject({ outcome: 'merged' });
      expect(await git(mirror, 'for-each-ref', 'refs/heads')).toBe(before);
      expect(await git(mirror, 'for-each-ref', 'refs/heartbead-merging')).toBe('');
      expect(await fileOnOrigin(lab, 'lamp.txt')).toBe('off');
      expect(await recordsOf(lab, request)).toHaveLength(1);
    },
  );
});

test("what happened stands in the item's log", async () => {
  const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  await merge(lab, request, { checks: [check('echo all fine')] });
  const log = await checkLog(lab, 'lamp');
  expect(log).toMatch(/check test: echo all fine\nall fine\n--- .* check test ended with exit code 0 in /);
  expect(log).toContain('ended: merged');
  expect(await subjects(lab)).toEqual(['Merge lamp: Add lamp', 'first']);
  expect(await originHas(lab, request.sha)).toBe(true);
});

describe('an item that was withdrawn', () => {
  test.each(['merge', 'squash', 'rebase'] as MergeStrategy[])(
    '%s: is not merged any more; one that came in time is found',
    async (strategy) => {
      const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
      const main = await othersCommit(lab, { 'other.txt': 'x\n' });
      expect(await merge(lab, request, { strategy, withdrawn: true })).toEqual({
        outcome: 'error',
        reason: 'withdrawn before it was merged',
      });
      expect(await originSha(lab, 'refs/heads/main')).toBe(main);
      const merged = await merge(lab, request, { strategy });
      expect(await merge(lab, request, { strategy, withdrawn: true })).toEqual(merged);
      expect(await leftovers(lab.home)).toEqual([]);
    },
  );

  test('branch-only: a pushed branch is not a landed one', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    expect(await merge(lab, request, { strategy: 'branch-only', withdrawn: true })).toMatchObject({ outcome: 'error' });
  });
});

describe('what an ended bead has left in the mirror of its repository', () => {
  test('a replace ref brings nothing onto the target that the two commits have not', async () => {
    await merge(lab, await bead(lab, 'first', [{ 'first.txt': '1\n' }]));
    const request = await bead(lab, 'innocent', [{ 'b.txt': 'b\n' }]);
    const mirror = await mirrorOf(lab.home);
    await git(lab.seed, 'checkout', '--quiet', '--detach', `${request.sha}^`);
    const evil = await commit(lab, { 'b.txt': 'b\n', 'backdoor.txt': 'x\n' });
    await git(mirror, 'fetch', '--quiet', lab.seed, evil, request.sha);
    await git(mirror, 'replace', request.sha, evil);
    expect(await merge(lab, request)).toMatchObject({ outcome: 'merged' });
    expect(await git(lab.origin, 'ls-tree', '--name-only', 'main')).toBe('README.md\nb.txt\nfirst.txt\nlist.txt');
  });

  test('a merge driver does not run in the refinery', async () => {
    await merge(lab, await bead(lab, 'first', [{ 'first.txt': '1\n' }]));
    const mirror = await mirrorOf(lab.home);
    const marker = join(lab.dir, 'marker');
    await git(mirror, 'config', 'merge.evil.driver', `sh -c 'env > ${marker}; echo driver-was-here > %A'`);
    await mkdir(join(mirror, 'info'), { recursive: true });
    await writeFile(join(mirror, 'info', 'attributes'), 'list.txt merge=evil\n');
    const request = await bead(lab, 'lamp', [{ 'list.txt': 'zero\none\ntwo\nthree\n' }]);
    await othersCommit(lab, { 'list.txt': 'one\ntwo\nthree\nfour\n' });
    expect(await merge(lab, request)).toMatchObject({ outcome: 'merged' });
    expect(await fileOnOrigin(lab, 'list.txt')).toBe('zero\none\ntwo\nthree\nfour');
    expect(await list(lab.dir)).not.toContain('marker');
  });
});
