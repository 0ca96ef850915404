import { runGit } from './run-git.js';

/** Git's own threshold for loose objects (gc.auto). */
const looseLimit = 6_700;
/** Git's own threshold for packs (gc.autoPackLimit). */
const packLimit = 50;

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
  const { stdout } = await runGit({ mirror }, ['count-objects', '-v'], { doing: 'counting objects', signal });
  const count = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(stdout)?.[1] ?? 0);
  if (count('count') < limits.loose && count('packs') < limits.packs) return false;
  await runGit({ mirror }, ['repack', '-d', '-l', '-q', '--geometric=2'], {
    doing: 'packing the mirror',
    signal,
    limit: 'transfer',
    stallLimit: 60 * 60_000,
  });
  return true;
}
