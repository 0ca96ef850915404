import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { execa } from 'execa';
import { errorMessage, isMissing } from '../edge/errors.js';
import { signalGroup } from '../edge/run-program.js';
import { gitEnv } from './git-env.js';
import { GitError } from './git-error.js';
import { gitFailure } from './git-failure.js';
import type { GitTask } from './git-failure.js';
import { stderrReader } from './git-progress.js';
import type { GitProgress } from './git-progress.js';
import { oldestGit } from './git-version.js';
import { unblock } from './unblock.js';

/**
 * Where a command works: in a bare mirror; in a repository of ours, nobody else's; in a tree that an agent works in, by
 * a keeper; or in no repository at all (then it talks to a remote by its URL).
 */
export type GitPlace = { mirror: string } | { worktree: string } | { keeper: string; worktree: string } | 'nowhere';

export interface RunGitOptions extends GitTask {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: GitProgress) => void) | undefined;
  /** Given to git on its standard input. */
  input?: string | Readable;
  /** Further environment. */
  env?: Record<string, string>;
  /** Exit codes that are answers; all others are errors. `[0]` when absent. */
  accept?: readonly number[];
  /**
   * Milliseconds the command may take; `localLimit` when absent, none for `'transfer'`, which has only `stallLimit`.
   */
  limit?: number | 'transfer';
  /** Milliseconds without a word from git; `transferStallLimit` when absent. */
  stallLimit?: number | undefined;
}

export interface GitAnswer {
  stdout: string;
  stderr: string;
  code: number;
}

/** For commands on the local disk: 10 min, enough to add a very large working tree on a slow one. */
export const localLimit = 10 * 60_000;
/** For a question to a remote (`ls-remote`): 2 min, well above a slow server's answer. */
export const askLimit = 2 * 60_000;
/**
 * For transfers, which may take hours: 15 min without any output. Git reports at least every second while it sends,
 * receives or resolves; silent are only a server that prepares a large pack, and the check of what was received (about
 * a minute for a million commits).
 */
export const transferStallLimit = 15 * 60_000;
/** From SIGTERM, on which git removes its temporary files, to SIGKILL. */
const killAfter = 5_000;
/**
 * Work in an agent's tree that has not ended after 5 s is looked after, and then again each time that it has gone on
 * twice as long: a look reads every folder.
 */
const firstLook = 5_000;
/** A helper left behind by git may keep its output open; what git itself wrote is read long before that. */
const lingerLimit = 5_000;

/**
 * Held against the user's configuration and against what agents may have written into the configuration they share with
 * the mirror: no hooks, no signing, no daemons, no collection in the background, and nothing pruned that was not asked
 * for.
 */
const settings = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.safecrlf=false',
  'commit.gpgSign=false',
  'push.gpgSign=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'fetch.pruneTags=false',
  'fetch.recurseSubmodules=false',
  'advice.addEmbeddedRepo=false',
  'advice.detachedHead=false',
  // Where the repository sets up merges or rebases by config, a worktree of ours must not follow a branch by accident.
  'branch.autoSetupMerge=false',
].flatMap((setting) => ['-c', setting]);

/**
 * What an agent can write beside its objects (graphs and indexes of them) and into its index is taken for no more than
 * a hint of what to look at.
 */
const distrusting = [
  'core.commitGraph=false',
  'core.multiPackIndex=false',
  'core.untrackedCache=false',
  'core.splitIndex=false',
].flatMap((setting) => ['-c', setting]);

/**
 * Runs git: never through a shell, never with a prompt, in a process group (and session) of its own, so that it has no
 * terminal that ssh could ask on, and so that its helpers end with it.
 * @returns what it said, when its exit code is one of `accept`.
 * @throws GitError, or the signal's reason when the signal was aborted (git is gone by then).
 */
export async function runGit(place: GitPlace, args: readonly string[], options: RunGitOptions): Promise<GitAnswer> {
  const { signal, accept = [0], limit = localLimit } = options;
  signal?.throwIfAborted();
  const { cwd, prefix, env } = placed(place);
  const child = execa('git', [...settings, ...prefix, ...args], {
    cwd,
    env: { ...gitEnv(), ...env, ...options.env },
    extendEnv: false,
    detached: true,
    reject: false,
    stripFinalNewline: false,
    buffer: { stdout: true, stderr: false },
    maxBuffer: 256 * 1024 * 1024,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
  });

  const reader = stderrReader(options.onProgress);
  let ended: { code: number | null; signal: NodeJS.Signals | null } | undefined;
  let stopped: 'abort' | 'limit' | 'stall' | undefined;
  const timers = new Set<NodeJS.Timeout>();
  const later = (ms: number, action: () => void): NodeJS.Timeout => {
    const timer = setTimeout(action, ms);
    timers.add(timer);
    return timer;
  };
  const stop = (why: NonNullable<typeof stopped>): void => {
    if (stopped !== undefined || ended !== undefined) return;
    stopped = why;
    signalGroup(child.pid, 'SIGTERM');
    later(killAfter, () => signalGroup(child.pid, 'SIGKILL'));
  };
  const onAbort = (): void => stop('abort');
  signal?.addEventListener('abort', onAbort, { once: true });
  const stallLimit = options.stallLimit ?? transferStallLimit;
  const stall = limit === 'transfer' ? later(stallLimit, () => stop('stall')) : undefined;
  if (limit !== 'transfer') later(limit, () => stop('limit'));
  if (place !== 'nowhere' && 'keeper' in place) {
    const look = (after: number): void =>
      void later(after, () => {
        void unblock(place.worktree, () => ended === undefined).then(() => ended === undefined && look(2 * after));
      });
    look(firstLook);
  }
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stall?.refresh();
    reader.push(chunk);
  });
  child.once('exit', (code, by) => {
    ended = { code, signal: by };
    // Killed from outside: its helpers would go on, with a half-made clone or a connection.
    if (by !== null) signalGroup(child.pid, 'SIGKILL');
    later(lingerLimit, () => {
      child.stdout.destroy();
      child.stderr.destroy();
    });
  });

  const result = await child.finally(() => {
    for (const timer of timers) clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  });
  const stderr = reader.messages();
  if (stopped === 'abort') throw signal?.reason;
  if (stopped !== undefined) throw tooSlow(options, stopped === 'limit' ? Number(limit) : stallLimit, stderr);
  if (ended === undefined) throw notStarted(options, cwd, result.cause);
  if (ended.code !== null && accept.includes(ended.code)) return { stdout: result.stdout, stderr, code: ended.code };
  if (ended.signal !== null)
    throw new GitError(
      'other',
      `git was ended by ${ended.signal} while ${options.doing}: trying again may help`,
      stderr,
    );
  const worktree = place !== 'nowhere' && 'worktree' in place && !('keeper' in place) ? place.worktree : undefined;
  throw gitFailure({ ...options, worktree }, stderr === '' ? result.stdout : stderr);
}

function placed(place: GitPlace): { cwd: string; prefix: string[]; env: Record<string, string> } {
  // In the root folder, so that no repository around the worker's own folder lends its configuration.
  if (place === 'nowhere') return { cwd: '/', prefix: [], env: {} };
  if ('mirror' in place) return { cwd: place.mirror, prefix: ['--git-dir', place.mirror], env: {} };
  if ('keeper' in place)
    return {
      cwd: place.worktree,
      prefix: ['--git-dir', place.keeper, '--work-tree', place.worktree, ...distrusting],
      env: {},
    };
  // Without the ceiling git would, when an agent has removed `.git`, take the next repository above: perhaps the
  // operator's own.
  return { cwd: place.worktree, prefix: [], env: { GIT_CEILING_DIRECTORIES: dirname(place.worktree) } };
}

function tooSlow(task: GitTask, ms: number, stderr: string): GitError {
  const about = task.repo === undefined ? 'the disk' : 'the repository and the network';
  return new GitError(
    'timeout',
    `git was ended while ${task.doing}, after ${Math.round(ms / 100) / 10} s without a result or progress: ` +
      `check ${about}; trying again may help`,
    stderr,
  );
}

function notStarted(task: GitTask, cwd: string, cause: unknown): GitError {
  const missing = isMissing(cause);
  if (missing && !existsSync(cwd))
    return new GitError('other', `the folder ${cwd} is gone, so git could not be run for ${task.doing}`, '', { cause });
  if (missing)
    return new GitError('other', `git is not installed, or not on PATH: install git ${oldestGit} or newer`, '', {
      cause,
    });
  return new GitError('other', `git could not be started for ${task.doing}: ${errorMessage(cause)}`, '', { cause });
}
