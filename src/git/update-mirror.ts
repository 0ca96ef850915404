import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bothSettled } from './both-settled.js';
import { tellingDiskFailures } from './disk-failure.js';
import { askForAll, fetchMirror, isUpToDate } from './fetch-mirror.js';
import type { FetchOptions } from './fetch-mirror.js';
import { GitError } from './git-error.js';
import { checkedRepo } from './git-input.js';
import type { GitProgress } from './git-progress.js';
import { removeLeftovers } from './leftovers.js';
import { exists } from './files.js';
import { damagedName, lookOverMirror, markSalvaged, salvage, swapIn, unsalvaged } from './mirror-damage.js';
import { withMirrorLock } from './mirror-lock.js';
import { tellMirrorNews } from './mirror-news.js';
import { mirrorPath } from './mirror-path.js';
import type { MirrorRefs } from './mirror-refs.js';
import { packMirror } from './pack-mirror.js';
import { remoteRefs } from './remote-refs.js';
import { runGit } from './run-git.js';
import { secureMirror } from './secure-mirror.js';

export interface UpdateMirrorOptions {
  /** The folder of the mirrors: `mirrors/` in the host's state directory. Made when absent. */
  root: string;
  /** URL or path (`repoProblem`). */
  repo: string;
  /**
   * Called on every change of phase or percent, also with the progress of another caller's clone that this one waits
   * for.
   */
  onProgress?: ((progress: GitProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Milliseconds without a word from git until it is given up; 15 min when absent. */
  stallLimit?: number | undefined;
  /** A bead whose saves are wanted among the mirror's refs. */
  bead?: string | undefined;
  /**
   * A prefix below which nobody asks for the branches of attempts now: where only those are new, they wait for a call
   * that wants all.
   */
  exceptAttempts?: string | undefined;
  /** How long a fetch waits for what the remote says of its refs, in milliseconds; {@link quickAnswer} when absent. */
  answerWithin?: number | undefined;
}

/** A mirror that is up to date. */
export interface UpdatedMirror {
  path: string;
  /** Its refs; absent when they have changed since they were read. */
  known?: MirrorRefs | undefined;
}

/**
 * A remote on this machine, or near it, has answered by then what its refs are, in milliseconds from when the mirror
 * was looked over: where there is nothing new, no fetch is needed. One that is farther away is asked for what is new at
 * once, since a question before that would cost the start of a bead another way there and back.
 */
const quickAnswer = 100;

/** Who waits for a mirror hears how far it is, whoever does the work. */
const listeners = new Map<string, Set<(progress: GitProgress) => void>>();
/**
 * When the last successful update of a mirror began, on the monotonic clock: by its path, and, where attempts were left
 * out, by path and prefix.
 */
const updatedSince = new Map<string, number>();

/**
 * Makes or updates the bare mirror of a repository. The clone grows under another name and gets its own in one step, so
 * that a kill in mid-clone leaves nothing that could be taken for a mirror; leftovers go with the next call. Calls for
 * one mirror take turns; an update that began after a call serves that call too. A damaged mirror is kept aside and
 * cloned again, with its local branches and worktrees.
 * @throws GitError; the signal's reason when it was aborted.
 */
export async function updateMirror(options: UpdateMirrorOptions): Promise<UpdatedMirror> {
  return tellingDiskFailures('updating the mirror', () => update(options));
}

async function update({
  root,
  repo: given,
  onProgress,
  signal,
  stallLimit,
  bead,
  exceptAttempts,
  answerWithin = quickAnswer,
}: UpdateMirrorOptions): Promise<UpdatedMirror> {
  const repo = checkedRepo(given);
  const path = mirrorPath(root, repo);
  const calledAt = performance.now();
  await mkdir(root, { recursive: true });
  const hearing = listeners.get(path) ?? new Set();
  listeners.set(path, hearing);
  if (onProgress !== undefined) hearing.add(onProgress);
  const tell = (progress: GitProgress): void => {
    for (const listener of hearing) listener(progress);
  };
  try {
    return await withMirrorLock(path, signal, async () => {
      const partly = `${path} ${exceptAttempts}`;
      const since = Math.max(...[path, partly].map((key) => updatedSince.get(key) ?? 0));
      if (since >= calledAt && (await exists(path))) return { path };
      const startedAt = performance.now();
      const known = await bringUpToDate(path, {
        bead,
        exceptAttempts,
        answerWithin,
        repo,
        signal,
        stallLimit,
        onProgress: tell,
      });
      updatedSince.set(known !== undefined && exceptAttempts !== undefined ? partly : path, startedAt);
      return { path, known };
    });
  } finally {
    if (onProgress !== undefined) hearing.delete(onProgress);
  }
}

interface BringOptions extends FetchOptions, Pick<UpdateMirrorOptions, 'bead' | 'exceptAttempts'> {
  answerWithin: number;
}

/** @returns the mirror's refs, where nothing was new. */
async function bringUpToDate(
  path: string,
  { bead, exceptAttempts, answerWithin, ...options }: BringOptions,
): Promise<MirrorRefs | undefined> {
  const [there] = await bothSettled(exists(path), removeOldClones(path));
  if (!there) return replaceMirror(path, options, undefined);
  // Asked while the mirror is looked over.
  const remote = askForAll(options);
  try {
    const look = await lookOverMirror(path, options.repo, { bead, signal: options.signal });
    if ('damage' in look) return await replaceMirror(path, options, look.damage);
    await removeLeftovers(path, options.signal);
    const answer = await Promise.race([remote, sleep(answerWithin)]);
    if (answer !== undefined && isUpToDate(look.known, answer, exceptAttempts)) {
      await packWhenDue(path, options);
      return look.known;
    }
    try {
      await fetchMirror(path, options, remote);
    } catch (error) {
      if (error instanceof GitError && error.damaged) return await replaceMirror(path, options, error.message);
      throw error;
    }
    await packWhenDue(path, options);
    return undefined;
  } finally {
    // No git process may outlive the mirror's lock.
    await Promise.allSettled([remote]);
  }
}

/**
 * Clones, and takes over what a damaged mirror holds: the one in place, or one that was set aside just before this
 * process was killed.
 */
async function replaceMirror(path: string, options: FetchOptions, damage: string | undefined): Promise<undefined> {
  if (damage !== undefined) options.onProgress?.({ phase: `the mirror is damaged (${damage}), cloning it again` });
  const clone = `${path}.cloning-${randomBytes(6).toString('hex')}`;
  try {
    await makeClone(clone, options);
    const aside = await unsalvaged(path);
    for (const kept of aside) await salvage(kept, kept, clone, options.signal);
    if (damage === undefined) await rename(clone, path);
    else {
      const keptAs = damagedName(path);
      await salvage(path, keptAs, clone, options.signal);
      await swapIn(clone, path, keptAs);
      aside.push(keptAs);
    }
    for (const kept of aside) await markSalvaged(kept);
  } finally {
    // After a success there is nothing under that name. A full disk, above all, must not stay full of half a clone.
    await removeFolder(clone);
  }
}

async function makeClone(clone: string, options: FetchOptions): Promise<void> {
  const { repo, signal } = options;
  // Asked first, so that a wrong address or missing rights show before anything is on the disk; and the format of the
  // ids is known.
  const { refs } = await remoteRefs(repo, ['HEAD', 'refs/heads/*'], 'reaching the repository', signal);
  const format = [...refs.values()].some((sha) => sha.length === 64) ? 'sha256' : 'sha1';
  // Its own HEAD names a branch that no agent wants, so that none is held to be checked out here.
  const init = [
    'init',
    '--quiet',
    '--bare',
    `--object-format=${format}`,
    '--initial-branch=heartbead-mirror',
    // No hooks, excludes or settings of the user's template.
    '--template=',
    '--end-of-options',
    clone,
  ];
  await runGit('nowhere', init, { doing: 'making the mirror', signal });
  await secureMirror(clone, repo);
  await fetchMirror(clone, options);
  // A fetch writes a file for every branch and tag; nobody else is here yet, and there may be tens of thousands.
  await runGit({ mirror: clone }, ['pack-refs', '--all'], { doing: 'packing refs', signal });
}

/** What lies in a mirror is counted no more often than this, in milliseconds: that reads hundreds of folders. */
const countEvery = 60_000;
/** By mirror, on the monotonic clock. */
const countedAt = new Map<string, number>();

/**
 * Packing must not cost a bead its start: what goes wrong is told with the progress, and tried again with a later
 * update.
 */
async function packWhenDue(path: string, { signal, onProgress }: FetchOptions): Promise<void> {
  const now = performance.now();
  if (now - (countedAt.get(path) ?? -countEvery) < countEvery) return;
  countedAt.set(path, now);
  try {
    await packMirror(path, signal);
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    onProgress?.({ phase: `the mirror could not be packed: ${error.message}` });
    await tellMirrorNews(path, `it could not be packed: ${error.message}`);
  }
}

/** What earlier calls left when their process was killed in mid-clone. */
async function removeOldClones(path: string): Promise<void> {
  const prefix = `${basename(path)}.cloning-`;
  for (const name of await readdir(dirname(path)))
    if (name.startsWith(prefix)) await removeFolder(join(dirname(path), name));
}

async function removeFolder(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  } catch (error) {
    // The git process of a killed worker may still write there; it ends with its next word to the closed pipe, and the
    // next call clears up.
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
  }
}
