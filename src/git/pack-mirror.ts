import { join } from 'node:path';
import { exists, namesIn } from './files.js';
import { checkedRepo } from './git-input.js';
import { withMirror } from './mirror-lock.js';
import { mirrorPath } from './mirror-path.js';
import { runGit } from './run-git.js';

/** Git's own threshold for loose objects (gc.auto). */
const looseLimit = 6_700;
/** Git's own threshold for packs (gc.autoPackLimit). */
const packLimit = 50;
/** Git says nothing while it packs; an hour is enough for tens of gigabytes. */
const stallLimit = 60 * 60_000;
/** Who asks for it gets one pack, but for one that is so much larger that little would be won by writing it anew. */
const wholeFactor = 100;

/**
 * Packs what has accumulated in a mirror, and loses nothing: `--geometric` takes whole packs and all loose objects,
 * whether a ref reaches them or not (`git gc` would drop or explode those that none reaches). Call it under the
 * mirror's lock; agents may work meanwhile.
 * @returns whether there was enough to do.
 */
export async function packMirror(
  mirror: string,
  signal?: AbortSignal,
  limits = { loose: looseLimit, packs: packLimit },
): Promise<boolean> {
  const { loose, packs } = await filesIn(join(mirror, 'objects'));
  if (loose < limits.loose && packs < limits.packs) return false;
  await repack(mirror, 2, signal);
  return true;
}

/** What the objects of a mirror took before and take now, in bytes. */
export interface PackedMirror {
  before: number;
  after: number;
}

/**
 * Packs all refs of a host's mirror, and its objects into one pack or few, and loses nothing (see `packMirror`; `git
 * repack -a --keep-unreachable` would leave loose what no ref reaches, and find no differences in it). A worker and its
 * agents may be at work meanwhile: what comes anew is not touched, and what is being read is found in the new pack.
 * @param mirrors the folder of the mirrors.
 * @returns undefined when there is no mirror, or nothing to pack in it.
 * @throws GitError
 */
export async function packWhole(
  mirrors: string,
  repo: string,
  signal?: AbortSignal,
): Promise<PackedMirror | undefined> {
  const mirror = mirrorPath(mirrors, checkedRepo(repo));
  if (!(await exists(mirror))) return undefined;
  return withMirror(mirror, signal, async () => {
    const doing = 'packing the mirror';
    const before = await objectsIn(mirror, signal);
    await runGit({ mirror }, ['pack-refs', '--all'], { doing, signal });
    if (before.loose === 0 && before.packs <= 1) return undefined;
    await repack(mirror, wholeFactor, signal);
    const after = await objectsIn(mirror, signal);
    return before.loose === 0 && after.packs === before.packs
      ? undefined
      : { before: before.bytes, after: after.bytes };
  });
}

/** A pack stays as it is when it has so many times the objects of all smaller ones. */
const repack = async (mirror: string, factor: number, signal: AbortSignal | undefined): Promise<void> =>
  void (await runGit({ mirror }, ['repack', '-d', '-l', '-q', `--geometric=${factor}`], {
    doing: 'packing the mirror',
    signal,
    limit: 'transfer',
    stallLimit,
  }));

/** By the names alone, without a process: every update of a mirror asks. */
async function filesIn(objects: string): Promise<{ loose: number; packs: number }> {
  const folders = (await namesIn(objects)).filter((name) => /^[0-9a-f]{2}$/.test(name));
  const loose = await Promise.all(folders.map(async (name) => (await namesIn(join(objects, name))).length));
  const packs = (await namesIn(join(objects, 'pack'))).filter((name) => name.endsWith('.pack'));
  return { loose: loose.reduce((sum, n) => sum + n, 0), packs: packs.length };
}

async function objectsIn(
  mirror: string,
  signal: AbortSignal | undefined,
): Promise<{ loose: number; packs: number; bytes: number }> {
  const { stdout } = await runGit({ mirror }, ['count-objects', '-v'], { doing: 'counting objects', signal });
  const count = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(stdout)?.[1] ?? 0);
  return { loose: count('count'), packs: count('packs'), bytes: (count('size') + count('size-pack')) * 1_024 };
}
