import { chmod, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { beforeEach, expect, it } from 'vitest';
import type { ActivityDeps } from '../../../src/activities/deps.js';
import { tidyEnded } from '../../../src/activities/sweep.js';
import { keptTreesHere } from '../../../src/cli/operators/attempts-here.js';
import { attemptRefs } from '../../../src/contract/index.js';
import type { BeadStatus, StartAgentInput } from '../../../src/contract/index.js';
import { defaultClocks } from '../../../src/domain/clocks.js';
import { problemsOf } from '../../../src/domain/telling/problems.js';
import type { Problem } from '../../../src/domain/telling/problems.js';
import type { TownFacts } from '../../../src/domain/telling/town-facts.js';
import { createWorktree, resolveBase, saveWip } from '../../../src/git/index.js';
import type { SavedWip } from '../../../src/git/index.js';
import { pushOwnRefs } from '../../../src/git/push-ref.js';
import { Host } from '../../../src/host/index.js';
import { AttemptDir } from '../../../src/runner/index.js';
import { commit, git, has, mirrorOf, put, remoteSha, useLab } from '../git/lab.js';

const lab = useLab();
const ids = { bead: 'fix', attempt: '1-aaaa1111' };
const ref = attemptRefs.wip(ids.bead, ids.attempt);
let mirror = '';
let dir: AttemptDir;
let path = '';
/** Why the worktree was removed or kept, the newest last. */
let told: string[] = [];
beforeEach(async () => {
  told = [];
  mirror = await mirrorOf(lab);
  dir = AttemptDir.of(lab.dir, ids.bead, ids.attempt);
  await dir.create();
  path = dir.worktree;
  const at = (await resolveBase(mirror)).sha;
  await createWorktree({ mirror, path, branch: attemptRefs.branch(ids.bead, ids.attempt), at });
});

const hook = (): string => join(lab.origin, 'hooks', 'pre-receive');
async function refuse(): Promise<void> {
  // The number of lines is the number of pushes that came to it.
  await writeFile(
    hook(),
    `#!/bin/sh\necho push >> ${join(lab.dir, 'pushes')}\necho 'error: the access token has expired' >&2\nexit 1\n`,
  );
  await chmod(hook(), 0o755);
}
const takeAgain = (): Promise<void> => rm(hook());
const save = (): Promise<SavedWip> => saveWip({ worktree: path, ...ids, push: true, remote: lab.origin });

/** The attempt ends as lost. @param taken its newest save that the remote has had. */
async function lost(taken?: SavedWip, saves?: 'host'): Promise<void> {
  const workspace = saves === undefined ? undefined : { saves: { policy: saves } };
  await dir.writeInput({ ...ids, repo: lab.origin, clocks: defaultClocks, workspace } as StartAgentInput);
  const { checkpoint } = taken ?? {};
  await dir.writeResult({ ...ids, host: 'here', outcome: 'lost', reason: 'killed', checkpoint });
}

/** One round of the host's watch over what ended attempts have left. */
async function round(status: BeadStatus): Promise<void> {
  const later = { id: '2-bbbb2222' };
  const view = { bead: ids.bead, status, attempts: [{ id: ids.attempt }], current: later };
  const handle = {
    query: () => Promise.resolve(view),
    describe: () => Promise.resolve({ status: { name: 'RUNNING' } }),
  };
  const write = (line: string): void => void told.push((JSON.parse(line) as { reason?: string }).reason ?? '');
  const logger = pino({ level: 'info' }, { write });
  const deps = {
    client: {
      withDeadline: (_deadline: Date, request: () => Promise<unknown>) => request(),
      workflow: { getHandle: () => handle },
    },
    host: new Host({ home: lab.dir, hostId: 'here', maxAgents: 1, diskFloor: 0, logger }),
  };
  await tidyEnded(deps as unknown as ActivityDeps, dir);
}

it.each(['in_progress', 'closed'] as const)(
  'a host pushes the last save of a lost attempt, which the remote had refused, and removes its tree once it is there (bead %s)',
  async (status) => {
    await put(path, { b: '1' });
    const before = await save();
    await commit(path, { a: '1' });
    await put(path, { b: '2' });
    await refuse();
    const { checkpoint, pushed } = await save();
    expect(pushed).toBe(false);
    await lost(before);
    await round(status);
    const why = /is on no branch of the remote.*its last save was not pushed: .*token has expired/;
    expect(told.join()).toMatch(why);
    const [kept] = await keptTreesHere(lab.dir);
    expect(kept).toMatchObject({ ...ids, worktree: path, reason: expect.stringMatching(why) as string });
    await round(status);
    expect(await keptTreesHere(lab.dir)).toEqual([kept]);
    expect(await has(path)).toBe(true);
    expect(await remoteSha(lab, ref)).toBe(before.checkpoint.sha);
    await takeAgain();
    await round(status);
    expect(await remoteSha(lab, ref)).toBe(checkpoint.sha);
    expect(await git(lab.origin, 'show', `${ref}:b`)).toBe('2');
    expect(await has(path)).toBe(false);
    expect(await keptTreesHere(lab.dir)).toEqual([]);
  },
);

it('a tree that is kept is a problem after ten minutes; that the remote cannot be asked is a reason as well', async () => {
  await put(path, { b: '1' });
  await lost();
  await rename(lab.origin, `${lab.origin}.away`);
  await expect(round('closed')).rejects.toMatchObject({ name: 'GitError' });
  const [kept] = await keptTreesHere(lab.dir);
  if (kept === undefined) throw new Error('it is not kept');
  expect(kept.reason).toMatch(/repository/);
  const problemsAt = (now: number): Problem[] => {
    const hosts = { up: [{}], free: [], merging: [], silent: [] };
    const none = { beads: [], more: false, convoys: [], rigs: [] };
    return problemsOf({ now, taskQueue: 't', ...none, hosts, keptTrees: [kept] } as unknown as TownFacts);
  };
  const minutes = (count: number): number => kept.since + count * 60_000;
  expect(problemsAt(minutes(9))).toEqual([]);
  expect(problemsAt(minutes(11))).toMatchObject([
    { kind: 'tree-kept', severity: 'look', about: 'fix', since: kept.since, why: kept.reason },
  ]);
});

it('it pushes the save, and no more: what somebody has changed in the tree since then keeps it', async () => {
  await put(path, { b: '1' });
  await refuse();
  const { checkpoint } = await save();
  await lost();
  await put(path, { b: 'a person goes on here' });
  await takeAgain();
  await round('closed');
  expect(await remoteSha(lab, ref)).toBe(checkpoint.sha);
  expect(told.join()).toMatch(/uncommitted work that is not at/);
  expect(await has(path)).toBe(true);
});

it('it pushes nothing for a bead that was cancelled, nor where saves are kept on the host', async () => {
  await put(path, { b: '1' });
  await refuse();
  await save();
  await lost();
  await rm(join(lab.dir, 'pushes'));
  await round('cancelled');
  expect(told.join()).toMatch(/its last save was not pushed: its bead was cancelled/);
  await put(path, { b: '2' });
  await lost(undefined, 'host');
  await round('closed');
  expect(told.at(-1)).toMatch(/uncommitted work that is not at/);
  expect(await has(join(lab.dir, 'pushes'))).toBe(false);
  expect(await has(path)).toBe(true);
});

it('it pushes over nothing that others have left at that ref, and not again what somebody has removed there', async () => {
  await put(path, { b: '1' });
  const before = await save();
  await put(path, { b: '2' });
  await refuse();
  await save();
  await lost(before);
  await takeAgain();
  // Somebody has pushed newer work there; it is here, too, once the host has looked.
  const newer = await commit(lab.seed, { b: '3' });
  await git(lab.seed, 'push', '--quiet', '--force', 'origin', `${newer}:${ref}`);
  for (const _ of [1, 2]) await round('closed');
  expect(told.at(-1)).toMatch(new RegExp(`the remote has ${newer} at ${ref}, which this attempt has not left there`));
  expect(await remoteSha(lab, ref)).toBe(newer);

  await git(lab.origin, 'update-ref', '-d', ref);
  await lost(await save());
  await git(lab.origin, 'update-ref', '-d', ref);
  await round('closed');
  expect(told.at(-1)).toMatch(/the remote had taken its last save and has nothing at/);
  expect(await remoteSha(lab, ref)).toBe('');
  expect(await has(path)).toBe(true);
});

it('a push that expects its ref somewhere is not taken where that has moved meanwhile', async () => {
  await put(path, { b: '1' });
  const first = (await save()).checkpoint.sha;
  const newer = await commit(lab.seed, { b: '3' });
  await git(lab.seed, 'push', '--quiet', '--force', 'origin', `${newer}:${ref}`);
  await put(path, { b: '2' });
  const { checkpoint } = await saveWip({ worktree: path, ...ids, push: false, remote: lab.origin });
  const push = (from: string): Promise<void> =>
    pushOwnRefs(mirror, { remote: lab.origin, refs: [{ sha: checkpoint.sha, ref, from }], doing: 'pushing' });
  for (const from of [first, 'nothing']) await expect(push(from)).rejects.toMatchObject({ name: 'GitError' });
  expect(await remoteSha(lab, ref)).toBe(newer);
  await push(newer);
  expect(await remoteSha(lab, ref)).toBe(checkpoint.sha);
});
