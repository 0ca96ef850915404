import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packAll } from '../../../src/cli/verbs/tidy.js';
import {
  createWorktree,
  keptHere,
  mirrorPath,
  packWhole,
  pushBranch,
  resolveBase,
  saveWip,
} from '../../../src/git/index.js';
import type { SavedWip } from '../../../src/git/index.js';
import { bulk, commit, commitToOrigin, git, mirrorOf, put, remoteSha, useLab } from './lab.js';

const lab = useLab();
const ids = { bead: 'a', attempt: '1-abcd' };
const branch = 'heartbead/a/1-abcd';
const save = (path: string): Promise<SavedWip> => saveWip({ worktree: path, ...ids, push: true, remote: lab.origin });
/** The files of a tree that is worked on, of all sizes. */
const files = (change: string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(bulk(8, 30_000)).map(([name, text], n) => [name, `${change}${text.slice(0, 5_000 + 3_000 * n)}`]),
  );
const objects = (repository: string): Promise<string> =>
  git(repository, 'cat-file', '--batch-all-objects', '--unordered', '--batch-check').then((text) =>
    text.split('\n').sort().join('\n'),
  );
const count = async (mirror: string, name: string): Promise<number> =>
  Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(await git(mirror, 'count-objects', '-v'))?.[1]);

it('a mirror that is packed gets smaller, and an attempt that borrows what no ref reaches loses nothing', async () => {
  // One attempt begins at a commit that is on no branch any more, and has saved nothing yet.
  const base = await commitToOrigin(lab, 'topic', files('first'));
  let mirror = await mirrorOf(lab);
  const living = join(lab.dir, 'attempts', '1-efgh__b', 'b-1-efgh');
  await createWorktree({ mirror, path: living, branch: 'heartbead/b/1-efgh', at: base });
  const own = await commit(living, { 'own.txt': 'mine\n' });
  await git(lab.origin, 'branch', '--quiet', '-D', 'topic');
  // Another has saved its work again and again; only the last save is at a ref.
  const path = join(lab.dir, 'attempts', '1-abcd__a', 'a-1-abcd');
  mirror = await mirrorOf(lab);
  await createWorktree({ mirror, path, branch, at: (await resolveBase(mirror)).sha });
  const saves: string[] = [];
  for (let n = 0; n < 3; n += 1) {
    await put(path, files(`${n}`));
    saves.push((await save(path)).checkpoint.sha);
  }
  const reached = (await git(mirror, 'rev-list', '--all')).split('\n');
  expect([base, ...saves].filter((sha) => reached.includes(sha))).toEqual([saves.at(-1)]);
  const before = await objects(mirror);
  const took = (await count(mirror, 'size')) + (await count(mirror, 'size-pack'));

  const packed = await packWhole(lab.root, lab.origin);
  expect(packed?.before).toBe(took * 1_024);
  expect(packed?.after).toBeLessThan((packed?.before ?? 0) / 2);
  expect([await count(mirror, 'count'), await count(mirror, 'packs')]).toEqual([0, 1]);
  expect(await objects(mirror)).toBe(before);
  expect(await readdir(join(mirror, 'refs', 'heartbead', 'a', '1-abcd')).catch(() => [])).not.toContain('wip');

  await git(living, 'fsck', '--full', '--strict');
  expect(await git(living, 'log', '-2', '--format=%H')).toBe(`${own}\n${base}`);
  await put(living, { later: 'x\n' });
  const saved = await saveWip({ worktree: living, bead: 'b', attempt: '1-efgh', push: true, remote: lab.origin });
  expect(saved).toMatchObject({ pushed: true, changed: true });
  const sha = await commit(living, {});
  await pushBranch({ worktree: living, remote: lab.origin, bead: 'b', attempt: '1-efgh' });
  expect(await remoteSha(lab, 'refs/heads/heartbead/b/1-efgh')).toBe(sha);
});

it('what is saved, fetched and read meanwhile is neither lost nor disturbed', async () => {
  const mirror = await mirrorOf(lab);
  const path = join(lab.dir, 'attempts', '1-abcd__a', 'a-1-abcd');
  await createWorktree({ mirror, path, branch, at: (await resolveBase(mirror)).sha });
  let working = true;
  const packing = (async () => {
    let times = 0;
    while (working) if ((await packWhole(lab.root, lab.origin)) !== undefined) times += 1;
    return times;
  })();
  const made: string[] = [];
  try {
    for (let n = 0; n < 2; n += 1) {
      made.push(await commit(path, bulk(3, 3_000 + n)));
      await put(path, { [`loose-${n}`]: `${n}` });
      const saved = await save(path);
      expect(saved).toMatchObject({ pushed: true });
      expect(saved.unsaved ?? saved.trouble).toBeUndefined();
      made.push(saved.checkpoint.sha);
      await commitToOrigin(lab, 'main', { [`other-${n}`]: `${n}` });
      await mirrorOf(lab);
    }
  } finally {
    working = false;
  }
  expect(await packing).toBeGreaterThan(0);
  for (const sha of made) expect(await git(mirror, 'cat-file', '-t', sha)).toBe('commit');
  await git(mirror, 'fsck', '--full', '--strict');
});

it('of a repository without a mirror, or with nothing to pack, nothing is told; one that cannot be packed keeps no other', async () => {
  expect(await packWhole(lab.root, lab.origin)).toBeUndefined();
  await mirrorOf(lab);
  await packWhole(lab.root, lab.origin);
  expect(await packWhole(lab.root, lab.origin)).toBeUndefined();
  await commitToOrigin(lab, 'main', { x: '1' });
  const mirror = await mirrorOf(lab);
  const other = join(lab.dir, 'other.git');
  await git(lab.dir, 'clone', '--quiet', '--bare', lab.origin, other);
  await mirrorOf(lab, other);
  await writeFile(join(mirrorPath(lab.root, other), 'packed-refs.lock'), '');
  const unanswered: Parameters<typeof packAll>[1]['unanswered'] = [];
  const surveys = [{ repo: other }, { repo: lab.origin }];
  expect(await packAll(lab.root, { surveys, unanswered })).toMatchObject([{ repo: lab.origin }]);
  expect(unanswered).toMatchObject([{ repo: `the mirror of ${other}`, error: { code: 1 } }]);
  expect(await count(mirror, 'count')).toBe(0);
});

it('what a mirror keeps for beads is counted and measured, and not what the remote has anyway', async () => {
  await commitToOrigin(lab, 'main', bulk(20, 20_000));
  const mirror = await mirrorOf(lab);
  expect(await keptHere(mirror, 60_000)).toEqual({ refs: 0, bytes: 0 });
  const path = join(lab.dir, 'w');
  await createWorktree({ mirror, path, branch, at: (await resolveBase(mirror)).sha });
  await save(path);
  // The save is the base itself: a ref, and no byte.
  expect(await keptHere(mirror, 60_000)).toEqual({ refs: 1, bytes: 0 });
  await put(path, { big: bulk(1, 200_000)['bulk/0.txt'] ?? '' });
  await save(path);
  const { refs, bytes } = await keptHere(mirror, 60_000);
  expect(refs).toBe(1);
  expect(bytes).toBeGreaterThan(50_000);
  expect(bytes).toBeLessThan(200_000);
});
