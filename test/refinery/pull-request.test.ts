import { rename } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { PullRequestError, waitAfter } from '../../src/git/merge/index.js';
import { FakeForge } from './support/fake-forge.js';
import { bead, check, git, leftovers, merge, originSha, othersCommit, useLab } from './support/lab.js';

const lab = useLab();
const land = (request: Awaited<ReturnType<typeof bead>>, pullRequests: FakeForge, command = 'true') =>
  merge(lab, request, { strategy: 'pr', checks: [check(command)], pullRequests });
const open = { state: 'open' as const, conflicting: false, changesRequested: false, waitsFor: '', updatedAt: 0 };
const waits = { type: 'PullRequestOpen', nonRetryable: false, nextRetryDelay: 60_000 };

test('it is opened once, waited for by tries of the server, and merged when the target has it', async () => {
  const forge = new FakeForge(lab);
  const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  for (let time = 0; time < 3; time++)
    await expect(land(request, forge)).rejects.toMatchObject({
      ...waits,
      message: expect.stringContaining('https://forge.example/pull/1 is open: it waits for a review'),
    });
  expect(forge.opened).toMatchObject([{ head: request.branch, base: 'main', title: 'Add lamp' }]);
  expect(await leftovers(lab.home)).toEqual([]);

  const sha = await forge.merge(1);
  await othersCommit(lab, { 'more.txt': 'x\n' });
  expect(await land(request, forge)).toEqual({ outcome: 'merged', sha, target: 'main', strategy: 'pr' });
});

test('what does not merge or does not pass is never opened', async () => {
  const forge = new FakeForge(lab);
  const request = await bead(lab, 'lamp', [{ 'list.txt': 'one\nlamp\nthree\n' }]);
  expect(await land(request, forge, 'exit 1')).toMatchObject({ outcome: 'checks_failed', check: 'test' });
  const main = await othersCommit(lab, { 'list.txt': 'one\nother\nthree\n' });
  expect(await land(request, forge)).toEqual({
    outcome: 'conflict',
    paths: ['list.txt'],
    target: 'main',
    targetSha: main,
  });
  expect(forge.opened).toEqual([]);
});

test('an answer that got lost after it was opened does not open a second one', async () => {
  const forge = new FakeForge(lab);
  const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  forge.losesAnswer = new PullRequestError('refused', 'a pull request for this branch already exists');
  await expect(land(request, forge)).rejects.toMatchObject(waits);
  expect(forge.opened).toHaveLength(1);
});

test('a round of rework closes the pull request of the round before, says where the work goes on, and touches no other', async () => {
  const forge = new FakeForge(lab);
  const first = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  const other = await bead(lab, 'lamp-2', [{ 'other.txt': 'on\n' }]);
  for (const request of [first, other]) await expect(land(request, forge)).rejects.toMatchObject(waits);
  const again = await bead(lab, 'lamp', [{ 'lamp.txt': 'off\n' }], { attempt: '2-ef01' });
  // Its answer gets lost: the next call finds it, and closes nothing that is its own.
  forge.losesAnswer = new PullRequestError('refused', 'a pull request for this branch already exists');
  for (let time = 0; time < 2; time++)
    await expect(land(again, forge)).rejects.toMatchObject({
      ...waits,
      message: expect.stringContaining('/pull/3 is open'),
    });
  expect(forge.opened.map(({ head, state }) => [head, state.state])).toEqual([
    [first.branch, 'closed'],
    [other.branch, 'open'],
    ['heartbead/lamp/2-ef01', 'open'],
  ]);
  expect(forge.comments).toEqual([expect.stringContaining('goes on in heartbead/lamp/2-ef01')]);
});

test('one that comes into conflict while it is open is a conflict, with the paths', async () => {
  const forge = new FakeForge(lab);
  const request = await bead(lab, 'lamp', [{ 'list.txt': 'one\nlamp\nthree\n' }]);
  await expect(land(request, forge)).rejects.toMatchObject(waits);
  const main = await othersCommit(lab, { 'list.txt': 'one\nother\nthree\n' });
  forge.set(1, { ...open, headSha: request.sha, conflicting: true });
  expect(await land(request, forge)).toEqual({
    outcome: 'conflict',
    paths: ['list.txt'],
    target: 'main',
    targetSha: main,
  });
});

test('one that nobody has touched for long is looked at less often, and without git', async () => {
  const forge = new FakeForge(lab);
  const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  await expect(land(request, forge)).rejects.toMatchObject(waits);
  expect(waitAfter(0, 5 * 60_000)).toBe(60_000);
  expect(waitAfter(0, 30 * 60_000)).toBe(3 * 60_000);
  forge.set(1, { ...open, headSha: request.sha, updatedAt: 0 });
  await rename(lab.origin, `${lab.origin}.away`);
  await expect(land(request, forge)).rejects.toMatchObject({ ...waits, nextRetryDelay: 10 * 60_000 });
  await rename(`${lab.origin}.away`, lab.origin);
});

test('changes that a reviewer requests are an outcome, with what reviewers say', async () => {
  const forge = new FakeForge(lab);
  const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  await expect(land(request, forge)).rejects.toMatchObject(waits);
  forge.set(1, { ...open, headSha: request.sha, changesRequested: true });
  forge.said = '- lamp.txt:1 (ada): brighter';
  expect(await land(request, forge)).toEqual({
    outcome: 'changes_requested',
    url: 'https://forge.example/pull/1',
    text: '- lamp.txt:1 (ada): brighter',
  });
  forge.said = '';
  expect(await land(request, forge)).toMatchObject({ text: expect.stringContaining('look at it there') as string });
});

test('one that was closed, moved, or merged elsewhere is an error that says so', async () => {
  const forge = new FakeForge(lab);
  const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  await expect(land(request, forge)).rejects.toMatchObject(waits);
  forge.set(1, { ...open, headSha: 'b'.repeat(40) });
  expect(await land(request, forge)).toMatchObject({
    outcome: 'error',
    reason: expect.stringContaining('never verified'),
  });
  forge.set(1, { state: 'closed' });
  expect(await land(request, forge)).toMatchObject({
    outcome: 'error',
    reason: expect.stringContaining('closed without a merge'),
  });

  await git(lab.origin, 'branch', 'elsewhere', 'main');
  await forge.merge(1, { into: 'elsewhere' });
  expect(await land(request, forge)).toMatchObject({
    outcome: 'error',
    reason: expect.stringContaining('not on main'),
  });
});

test('one that the forge calls merged a moment ago is waited for until the remote shows it', async () => {
  const forge = new FakeForge(lab);
  const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  await expect(land(request, forge)).rejects.toMatchObject(waits);
  forge.set(1, { state: 'merged', sha: 'c'.repeat(40), at: Date.now() });
  await expect(land(request, forge)).rejects.toMatchObject(waits);
});

test('a branch that somebody merged by hand needs none', async () => {
  const forge = new FakeForge(lab);
  const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  await git(lab.seed, 'push', '--quiet', 'origin', `${request.sha}:main`);
  expect(await land(request, forge)).toMatchObject({ outcome: 'merged', sha: await originSha(lab, 'refs/heads/main') });
  expect(forge.opened).toEqual([]);
});

test('a withdrawn one is not opened; one that is open is named; one that was merged is merged', async () => {
  const forge = new FakeForge(lab);
  const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  const withdrawn = () => merge(lab, request, { strategy: 'pr', pullRequests: forge, withdrawn: true });
  expect(await withdrawn()).toEqual({ outcome: 'error', reason: 'withdrawn before it was merged' });
  expect(forge.opened).toEqual([]);
  await expect(land(request, forge)).rejects.toMatchObject(waits);
  expect(await withdrawn()).toMatchObject({
    outcome: 'error',
    reason: expect.stringContaining('https://forge.example/pull/1 is still there: close it'),
  });
  const sha = await forge.merge(1);
  expect(await withdrawn()).toMatchObject({ outcome: 'merged', sha });
});

test('without the GitHub CLI, or on another kind of repository, it is an error with the next step', async () => {
  const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  expect(await merge(lab, request, { strategy: 'pr' })).toMatchObject({
    outcome: 'error',
    reason: expect.stringMatching(/need a repository on GitHub.*choose another merge strategy/),
  });
});
