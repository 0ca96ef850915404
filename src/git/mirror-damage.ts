import { cp, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isMissing } from '../edge/errors.js';
import { exists, textOf } from './files.js';
import { GitError } from './git-error.js';
import { openMirrorRefs } from './mirror-refs.js';
import type { MirrorRefs, ReadMirrorRefsOptions } from './mirror-refs.js';
import { runGit } from './run-git.js';
import { secureMirror } from './secure-mirror.js';

/**
 * Left in a mirror by a command that found it damaged: the next update clones it again, though a fetch alone would not
 * notice.
 */
const damageMark = 'heartbead-damaged';
/** Left in a damaged mirror once its local refs and worktrees live on in the new one. */
const salvagedMark = 'heartbead-salvaged';

/** Records that a command found the mirror damaged. */
export async function markDamaged(mirror: string, error: GitError): Promise<void> {
  try {
    await writeFile(join(mirror, damageMark), `${error.message}\n${error.stderr}\n`);
  } catch (cause) {
    // No mirror at all needs no mark: the next update sees that by itself.
    if (!isMissing(cause)) throw cause;
  }
}

/** Marks the mirror when the work fails on damage. @throws what the work threw. */
export async function noticingDamage<T>(mirror: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof GitError && error.damaged) await markDamaged(mirror, error);
    throw error;
  }
}

/**
 * Secures a mirror that exists, and looks it over.
 * @returns its refs; or what is wrong with it, as far as can be told without reading every object.
 */
export async function lookOverMirror(
  mirror: string,
  repo: string,
  options: ReadMirrorRefsOptions,
): Promise<{ known: MirrorRefs } | { damage: string }> {
  if (await exists(join(mirror, damageMark))) return { damage: 'a command found it damaged' };
  try {
    await secureMirror(mirror, repo);
    return await openMirrorRefs(mirror, options);
  } catch (error) {
    if (error instanceof GitError && error.damaged) return { damage: error.message };
    throw error;
  }
}

/** @returns the name under which a damaged mirror is kept. */
export const damagedName = (mirror: string): string =>
  `${mirror}.damaged-${new Date().toISOString().replace(/[-:.]/g, '')}`;

/**
 * @returns damaged mirrors kept beside this one whose local work has not been taken over yet (the process was killed in
 * between).
 */
export async function unsalvaged(mirror: string): Promise<string[]> {
  const kept = (await readdir(dirname(mirror)))
    .filter((name) => name.startsWith(`${basename(mirror)}.damaged-`))
    .sort();
  const paths = kept.map((name) => join(dirname(mirror), name));
  const open = await Promise.all(paths.map(async (path) => !(await exists(join(path, salvagedMark)))));
  return paths.filter((_, index) => open[index]);
}

/** Records that all of a damaged mirror that can be used lives on in the new one. */
export const markSalvaged = (damaged: string): Promise<void> =>
  writeFile(
    join(damaged, salvagedMark),
    'its local refs and worktrees were taken over; nothing uses this folder but objects/, as an alternate of ' +
      'the new mirror\n',
  );

/**
 * Takes over into a fresh clone what only the damaged mirror has: the agents' branches, saved work, and the
 * administration of their worktrees, which else would no longer be git worktrees. Their objects are read through the
 * damaged mirror as an alternate.
 * @param keptAs where the damaged mirror will be when the clone is in use.
 */
export async function salvage(damaged: string, keptAs: string, clone: string, signal?: AbortSignal): Promise<void> {
  const doing = 'taking over local branches from the damaged mirror';
  if (await exists(join(damaged, 'objects'))) {
    await mkdir(join(clone, 'objects', 'info'), { recursive: true });
    await writeFile(join(clone, 'objects', 'info', 'alternates'), `${join(keptAs, 'objects')}\n`, { flag: 'a' });
  }
  // Through the damaged objects where they are now: the alternate is not in place yet.
  const env = { GIT_ALTERNATE_OBJECT_DIRECTORIES: join(damaged, 'objects') };
  const updates: string[] = [];
  for (const { ref, sha } of await localRefs(damaged)) {
    const found = await runGit({ mirror: clone }, ['cat-file', '-e', `${sha}^{commit}`], {
      doing,
      signal,
      env,
      accept: [0, 1, 128],
    });
    // A ref to a commit that nobody has any more would make the new mirror look damaged as well.
    if (found.code === 0) updates.push(`update ${ref} ${sha}\n`);
  }
  await runGit({ mirror: clone }, ['update-ref', '--stdin'], { doing, signal, env, input: updates.join('') });
  if (await exists(join(damaged, 'worktrees')))
    await cp(join(damaged, 'worktrees'), join(clone, 'worktrees'), { recursive: true, preserveTimestamps: true });
}

/** Reads the files, not through git, which refuses a repository without HEAD altogether. */
async function localRefs(mirror: string): Promise<{ ref: string; sha: string }[]> {
  const refs = new Map<string, string>();
  const ours = (ref: string): boolean => /^refs\/(?:heads\/|heartbead|stash$)/.test(ref);
  const packed = await textOf(join(mirror, 'packed-refs'));
  for (const line of packed.split('\n')) {
    const [sha, ref] = line.split(' ');
    if (sha !== undefined && ref !== undefined && ours(ref)) refs.set(ref, sha);
  }
  const loose = (await exists(join(mirror, 'refs'))) ? await readdir(join(mirror, 'refs'), { recursive: true }) : [];
  for (const name of loose) {
    const ref = `refs/${name}`;
    if (ours(ref) && !ref.endsWith('.lock') && (await stat(join(mirror, ref))).isFile())
      refs.set(ref, (await textOf(join(mirror, ref))).trim());
  }
  return [...refs].filter(([, sha]) => /^[0-9a-f]{40,64}$/.test(sha)).map(([ref, sha]) => ({ ref, sha }));
}

/**
 * Puts the clone in the place of the damaged mirror, which is kept. A kill between the two steps is made good by
 * `unsalvaged`.
 */
export async function swapIn(clone: string, mirror: string, keptAs: string): Promise<void> {
  await rename(mirror, keptAs);
  await rename(clone, mirror);
  await rm(join(keptAs, damageMark), { force: true });
}
