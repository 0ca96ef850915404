import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { SpareTrees } from '../../../src/activities/index.js';
import { Host } from '../../../src/host/index.js';
import { mirrorPath, resolveBase, updateMirror } from '../../../src/git/index.js';
import { commitToOrigin, git, has, mirrorOf, until, useLab } from '../git/lab.js';

const lab = useLab();
let host: Host;
let trees: SpareTrees;
const warned: string[] = [];
const going = new AbortController().signal;

beforeEach(() => {
  warned.length = 0;
  host = hostWith(0);
  trees = new SpareTrees(host);
});
afterEach(() => trees.close());

function hostWith(diskFloor: number): Host {
  const logger = pino({}, { write: (line) => void warned.push(line) });
  return new Host({ home: lab.dir, hostId: 'here', maxAgents: 4, diskFloor, logger });
}

/** Has what an attempt that began at this commit leaves behind. */
async function stocked(mirror: string, at: string): Promise<void> {
  trees.stockSoon(mirror, at);
  trees.stock();
  await trees.settled();
}
const tip = async (mirror: string): Promise<string> => (await resolveBase(mirror)).sha;
const onDisk = (): Promise<string[]> => readdir(join(lab.dir, 'spare-trees')).catch(() => []);

it('has a tree for the next start, and for one only', async () => {
  const mirror = await mirrorOf(lab);
  expect(trees.take(mirror)).toBeUndefined();
  await stocked(mirror, await tip(mirror));
  // It is good for the next commit as well.
  const at = await tip(mirror);
  await commitToOrigin(lab, 'main', { later: 'on' });
  await updateMirror({ root: lab.root, repo: lab.origin });
  await stocked(mirror, await tip(mirror));
  expect(await onDisk()).toHaveLength(1);
  const spare = trees.take(mirror);
  expect(spare).toMatchObject({ mirror, at });
  expect(await has(join(spare?.path ?? '', 'README.md'))).toBe(true);
  expect(trees.take(mirror)).toBeUndefined();
});

it('is looked over by a start that may need it, and what was seen counts only as long as that goes on', async () => {
  const mirror = await mirrorOf(lab);
  const at = await tip(mirror);
  await stocked(mirror, at);
  trees.lookOver(mirror, { at: 'f'.repeat(40), signal: going });
  expect(trees.take(mirror)?.look).toBeUndefined();

  await stocked(mirror, at);
  const start = new AbortController();
  trees.lookOver(mirror, { at, signal: start.signal });
  start.abort(new Error('the start is over'));
  await trees.settled();
  trees.lookOver(mirror, { at, signal: going });
  const spare = trees.take(mirror);
  expect(await spare?.look?.whole).toBe(true);
  expect(warned).toEqual([]);
});

it('that cannot be looked over is told, and is there all the same', async () => {
  const mirror = await mirrorOf(lab);
  await stocked(mirror, await tip(mirror));
  const [name = ''] = await onDisk();
  await writeFile(join(lab.dir, 'spare-trees', name, '.git', 'index'), 'no index');
  trees.lookOver(mirror, { signal: going });
  const spare = trees.take(mirror);
  expect(await spare?.look?.whole).toBe(false);
  expect(warned.join()).toContain('could not be looked over');
});

it('has one a second after a start, by itself', async () => {
  const mirror = await mirrorOf(lab);
  trees.stockSoon(mirror, await tip(mirror));
  expect(await onDisk()).toEqual([]);
  await until(() => trees.take(mirror) !== undefined);
});

it('makes none while a start is on its way', async () => {
  const mirror = await mirrorOf(lab);
  const place = await host.places.enter(true, new AbortController().signal);
  const calm = vi.spyOn(host.places, 'betweenStarts');
  trees.stockSoon(mirror, await tip(mirror));
  trees.stock();
  await until(() => calm.mock.calls.length > 0);
  expect(await onDisk()).toEqual([]);
  host.places.leave(place);
  await trees.settled();
  expect(trees.take(mirror)).toBeDefined();
});

it('keeps those of three repositories, the longest unused one goes', async () => {
  const mirrors: string[] = [];
  for (const name of ['a', 'b', 'c', 'd']) {
    const repo = join(lab.dir, `${name}.git`);
    await git(lab.dir, 'clone', '--quiet', '--bare', lab.origin, repo);
    mirrors.push(await mirrorOf(lab, repo));
    await stocked(mirrorPath(lab.root, repo), await tip(mirrorPath(lab.root, repo)));
  }
  await until(async () => (await onDisk()).length === 3);
  expect(mirrors.map((mirror) => trees.take(mirror) !== undefined)).toEqual([false, true, true, true]);
});

it('removes what a start has taken and not used, but not while one is on its way', async () => {
  const mirror = await mirrorOf(lab);
  await stocked(mirror, await tip(mirror));
  const place = await host.places.enter(true, new AbortController().signal);
  const spare = trees.take(mirror);
  trees.dropSoon(spare);
  const calm = vi.spyOn(host.places, 'betweenStarts');
  await until(() => calm.mock.calls.length > 0);
  expect(await onDisk()).toHaveLength(1);
  host.places.leave(place);
  await until(async () => (await onDisk()).length === 0);
  // Where none was taken, and where nothing is left of it.
  trees.dropSoon(undefined);
  trees.dropSoon(spare);
  trees.stock();
  await trees.settled();
  expect(warned).toEqual([]);
});

it('what a start has not used goes with the rest when the disk gets full, and when the worker ends', async () => {
  const mirror = await mirrorOf(lab);
  await stocked(mirror, await tip(mirror));
  trees.dropSoon(trees.take(mirror));
  expect([await trees.dropAll(), await trees.dropAll(), await onDisk()]).toEqual([true, false, []]);
  await stocked(mirror, await tip(mirror));
  trees.dropSoon(trees.take(mirror));
  await trees.close();
  expect(await onDisk()).toEqual([]);
});

it('takes no room that the disk has not, and gives back what it has', async () => {
  const mirror = await mirrorOf(lab);
  await stocked(mirror, await tip(mirror));
  expect([await trees.dropAll(), await trees.dropAll(), await onDisk()]).toEqual([true, false, []]);
  trees = new SpareTrees(hostWith(2 ** 60));
  await stocked(mirror, await tip(mirror));
  expect([trees.take(mirror), await onDisk()]).toEqual([undefined, []]);
});

it('goes before its host takes no more attempts for want of room', async () => {
  const mirror = await mirrorOf(lab);
  await stocked(mirror, await tip(mirror));
  host.spares = trees;
  expect(await host.noRoom()).toBeUndefined();
  expect(await onDisk()).toHaveLength(1);
  const full = hostWith(2 ** 60);
  full.spares = trees;
  expect(await full.noRoom()).toMatch(/MiB are free/);
  expect(await onDisk()).toEqual([]);
  // That was enough.
  full.spares = { dropAll: () => Promise.resolve(Object.assign(full, { diskFloor: 0 }) === full) };
  expect(await full.noRoom()).toBeUndefined();
});

it('says once what cannot be made, and tries again with another commit', async () => {
  const mirror = await mirrorOf(lab);
  const nowhere = '1'.repeat(40);
  await stocked(mirror, nowhere);
  await stocked(mirror, nowhere);
  expect(warned).toEqual([expect.stringMatching(/no tree of .* could be checked out in advance/)]);
  await stocked(mirror, await tip(mirror));
  expect(trees.take(mirror)).toBeDefined();
});

it('leaves nothing behind, and removes what an earlier worker has left', async () => {
  await mkdir(join(lab.dir, 'spare-trees', 'left', 'src'), { recursive: true });
  const mirror = await mirrorOf(lab);
  trees.begin();
  await trees.settled();
  expect(await onDisk()).toEqual([]);
  await stocked(mirror, await tip(mirror));
  expect(await onDisk()).toHaveLength(1);
  await trees.close();
  await stocked(mirror, await tip(mirror));
  expect(await onDisk()).toEqual([]);
  expect(warned).toEqual([]);
});
