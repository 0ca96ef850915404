import { execa } from 'execa';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { gitEnv } from '../../git/git-env.js';
import { failure } from '../exit.js';

/** The demo's origin: a bare copy of this checkout's history. */
export interface Origin {
  path: string;
  branch: string;
  /** Where the branch stands. */
  sha: string;
  commits: number;
}

/** A history of gigabytes on a slow disk; this one takes a fraction of a second. */
const cloneWithin = 120_000;

/**
 * Makes a bare copy of a checkout's history: real input, and nothing that is done to it touches the checkout.
 * @throws CliError when the checkout has no history.
 */
export async function makeOrigin(checkout: string, path: string): Promise<Origin> {
  const noHistory = 'clone the repository with git and run `npm start` in the clone';
  if (!existsSync(join(checkout, '.git')))
    throw failure(`${checkout} is no git checkout, so there is no history for the demo to work on`, noHistory);
  const head = await git(['-C', checkout, 'rev-parse', '--verify', '--quiet', 'HEAD^{commit}']);
  if (head === undefined)
    throw failure(
      `the git checkout ${checkout} has no commit yet, or git may not read it`,
      'make a first commit (and make sure that the checkout belongs to you)',
    );
  await rm(path, { recursive: true, force: true });
  const { failed, stderr } = await run(['clone', '--bare', '--quiet', checkout, path]);
  if (failed)
    throw failure(
      `the history of ${checkout} could not be copied: ${stderr.trim().split('\n').at(-1) ?? 'git gave no reason'}`,
      'check that git can read the checkout (`git status` there)',
    );
  // A checkout may stand on no branch at all (as in CI): in the copy its commit gets one, which is also what the copy's
  // HEAD names.
  const branch = 'main';
  await must(['-C', path, 'update-ref', `refs/heads/${branch}`, head]);
  await must(['-C', path, 'symbolic-ref', 'HEAD', `refs/heads/${branch}`]);
  return { path, branch, sha: head, commits: Number(await must(['-C', path, 'rev-list', '--count', head])) };
}

/** What the origin itself says of a commit: nobody's report is believed. */
export interface OnOrigin {
  /** Whether its main branch has the commit. */
  merged: boolean;
  /** Subjects of the commits that came with it. */
  subjects: string[];
}

/** Asks the origin whether its branch has a commit, and what came to the branch by it. */
export async function lookAtOrigin(origin: Origin, sha: string): Promise<OnOrigin> {
  const { exitCode } = await run([
    '-C',
    origin.path,
    'merge-base',
    '--is-ancestor',
    sha,
    `refs/heads/${origin.branch}`,
  ]);
  if (exitCode !== 0) return { merged: false, subjects: [] };
  const subjects = (await must(['-C', origin.path, 'log', '--format=%s', `${sha}^1..${sha}`]))
    .split('\n')
    .filter((subject) => subject !== '');
  return { merged: true, subjects };
}

const run = (args: string[]) =>
  execa('git', args, { env: gitEnv(), extendEnv: false, reject: false, stdin: 'ignore', timeout: cloneWithin });

async function git(args: string[]): Promise<string | undefined> {
  const { failed, stdout } = await run(args);
  return failed ? undefined : stdout.trim();
}

async function must(args: string[], allowed: number[] = [0]): Promise<string> {
  const { exitCode, stdout, stderr, shortMessage } = await run(args);
  if (exitCode === undefined || !allowed.includes(exitCode))
    throw failure(
      `git ${args[2] ?? args[0] ?? ''} failed: ${stderr.trim().split('\n').at(-1) || (shortMessage ?? '')}`,
      'look at the disk and at `git --version`',
    );
  return stdout.trim();
}
