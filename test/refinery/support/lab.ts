import { chmod, mkdir, mkdtemp, readFile, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { execa } from 'execa';
import { afterEach, beforeEach, vi } from 'vitest';
import { createRefineryActivities } from '../../../src/activities/refinery/index.js';
import type { RefineryDeps } from '../../../src/activities/refinery/index.js';
import type {
  Check,
  MergeInput,
  MergeOutcome,
  MergeRequest,
  MergeStrategy,
  RefineryActivities,
} from '../../../src/contract/index.js';

/** A bare origin with one commit on `main`, a person's clone of it, and the state directory of a host. */
export interface Lab {
  dir: string;
  /** State directory. */
  home: string;
  origin: string;
  seed: string;
  /** The git configuration that the code under test sees as the user's. */
  config: string;
}

const person = {
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
};

/** Runs git as a person would, away from the configuration under test. @returns stdout, trimmed. */
export async function git(cwd: string, ...args: string[]): Promise<string> {
  return (await execa('git', args, { cwd, env: { ...person, GIT_CONFIG_GLOBAL: '/dev/null' } })).stdout.trim();
}

export function useLab(): Lab {
  const lab: Lab = { dir: '', home: '', origin: '', seed: '', config: '' };
  beforeEach(async () => {
    const dir = await realpath(await mkdtemp(join(tmpdir(), 'heartbead-refinery-')));
    Object.assign(lab, {
      dir,
      home: join(dir, 'home'),
      origin: join(dir, 'origin.git'),
      seed: join(dir, 'seed'),
      config: join(dir, 'gitconfig'),
    });
    await mkdir(lab.home);
    await writeFile(lab.config, '[init]\n\tdefaultBranch = main\n');
    vi.stubEnv('GIT_CONFIG_GLOBAL', lab.config);
    vi.stubEnv('GIT_CONFIG_NOSYSTEM', '1');
    vi.stubEnv('HOME', dir);
    for (const name of ['GIT_AUTHOR_NAME', 'GIT_AUTHOR_EMAIL', 'GIT_COMMITTER_NAME', 'GIT_COMMITTER_EMAIL'])
      vi.stubEnv(name, undefined);
    await git(dir, 'init', '--quiet', '--bare', '--initial-branch=main', lab.origin);
    await git(dir, 'clone', '--quiet', lab.origin, lab.seed);
    await git(lab.seed, 'checkout', '--quiet', '-B', 'main');
    await commit(lab, { 'README.md': 'hello\n', 'list.txt': 'one\ntwo\nthree\n' }, 'first');
    await git(lab.seed, 'push', '--quiet', 'origin', 'main');
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(lab.dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  });
  return lab;
}

/** Commits to what is checked out in the person's clone. @returns the commit. */
export async function commit(lab: Lab, files: Record<string, string | undefined>, message = 'work'): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(lab.seed, name);
    await mkdir(dirname(path), { recursive: true });
    await (content === undefined ? rm(path) : writeFile(path, content));
  }
  await git(lab.seed, 'add', '--all');
  await git(lab.seed, 'commit', '--quiet', '--allow-empty', '-m', message);
  return git(lab.seed, 'rev-parse', 'HEAD');
}

/** Somebody else's commit on a branch of origin (`main`). @returns the commit. */
export async function othersCommit(lab: Lab, files: Record<string, string>, branch = 'main'): Promise<string> {
  await git(lab.seed, 'fetch', '--quiet', 'origin');
  await git(lab.seed, 'checkout', '--quiet', '-B', branch, `origin/${branch}`);
  const sha = await commit(lab, files, 'work of others');
  await git(lab.seed, 'push', '--quiet', 'origin', branch);
  return sha;
}

/**
 * A commit that is on origin under a ref of no importance, so that a hook or a check can move branches to it. @returns
 * the commit.
 */
export async function parked(lab: Lab, parent: string, files: Record<string, string>): Promise<string> {
  await git(lab.seed, 'checkout', '--quiet', '--detach', parent);
  const sha = await commit(lab, files, 'parked');
  await git(lab.seed, 'push', '--quiet', 'origin', `${sha}:refs/parked/${sha}`);
  return sha;
}

/** The pushed and verified work of a bead, begun where `from` is on origin. @returns its request. */
export async function bead(
  lab: Lab,
  item: string,
  commits: Record<string, string | undefined>[],
  { from = 'main', target = 'main', attempt = '1-abcd' } = {},
): Promise<MergeRequest> {
  const branch = `heartbead/${item}/${attempt}`;
  await git(lab.seed, 'fetch', '--quiet', 'origin');
  await git(lab.seed, 'checkout', '--quiet', '--detach', `origin/${from}`);
  let sha = '';
  for (const [index, files] of commits.entries()) sha = await commit(lab, files, `${item}: step ${index + 1}`);
  await git(lab.seed, 'push', '--quiet', 'origin', `${sha}:refs/heads/${branch}`);
  return { item, workflowId: `bead-${item}`, branch, sha, target, priority: 3, since: 1, title: `Add ${item}` };
}

export const check = (command: string, { name = 'test', timeout = 60_000 } = {}): Check => ({ name, command, timeout });

export interface MergeOptions extends Partial<Omit<RefineryDeps, 'hostId'>> {
  strategy?: MergeStrategy;
  checks?: Check[];
  withdrawn?: boolean;
}

export const inputOf = (
  lab: Lab,
  request: MergeRequest,
  { strategy = 'merge', checks = [], withdrawn }: MergeOptions = {},
): MergeInput => ({
  rig: 'demo',
  repo: lab.origin,
  request,
  strategy,
  checks,
  withdrawn,
});

/** One run of the activity. */
export interface Run {
  outcome: Promise<MergeOutcome>;
  /** The texts of its heartbeats. */
  beats: string[];
  environment: MockActivityEnvironment;
}

const quiet = new DefaultLogger('ERROR');

export interface StartOptions extends Partial<RefineryDeps> {
  activities?: RefineryActivities;
  /** Milliseconds; what the workflow would have asked for. */
  heartbeatTimeout?: number;
}

export function start(
  lab: Lab,
  input: MergeInput,
  { activities, heartbeatTimeout, home = lab.home, hostId = 'here', env, pullRequests, observe }: StartOptions = {},
): Run {
  const environment = new MockActivityEnvironment({ heartbeatTimeoutMs: heartbeatTimeout }, { logger: quiet });
  const beats: string[] = [];
  environment.on('heartbeat', ({ text }: { text: string }) => void beats.push(text));
  const deps: RefineryDeps = {
    home,
    hostId,
    env,
    pullRequests,
    observe,
  };
  const { merge } = activities ?? createRefineryActivities(deps);
  return { outcome: environment.run(merge, input), beats, environment };
}

export const merge = (lab: Lab, request: MergeRequest, options: MergeOptions = {}): Promise<MergeOutcome> =>
  start(lab, inputOf(lab, request, options), options).outcome;

/** @returns what origin has at a ref; empty when there is none. */
export const originSha = async (lab: Lab, ref: string): Promise<string> =>
  (await git(lab.dir, 'ls-remote', lab.origin, ref)).split('\t')[0] ?? '';

export const originHas = async (lab: Lab, sha: string, branch = 'main'): Promise<boolean> =>
  (
    await execa('git', ['--git-dir', lab.origin, 'merge-base', '--is-ancestor', sha, `refs/heads/${branch}`], {
      reject: false,
    })
  ).exitCode === 0;

export const fileOnOrigin = (lab: Lab, path: string, branch = 'main'): Promise<string> =>
  git(lab.origin, 'show', `${branch}:${path}`);

/** The subjects on a branch of origin, newest first. */
export const subjects = async (lab: Lab, branch = 'main'): Promise<string[]> =>
  (await git(lab.origin, 'log', '--first-parent', '--format=%s', branch)).split('\n');

const trailer = (name: string): string => `%(trailers:key=Heartbead-${name},valueonly,separator=%x2C)`;

/** @returns the commits on a branch of origin that carry an item's trailers. */
export async function recordsOf(lab: Lab, request: MergeRequest, branch = request.target): Promise<string[]> {
  const lines = (await git(lab.origin, 'log', `--format=%H|${trailer('Item')}|${trailer('Branch-Sha')}`, branch)).split(
    '\n',
  );
  return lines
    .filter((line) => line.endsWith(`|${request.item}|${request.sha}`))
    .map((line) => line.split('|')[0] ?? '');
}

export const markersOf = (lab: Lab, request: MergeRequest): Promise<string> =>
  originSha(lab, `refs/heartbead/merged/${request.item}/${request.sha}`);

export async function hook(lab: Lab, name: 'pre-receive' | 'update' | 'post-receive', body: string): Promise<void> {
  const path = join(lab.origin, 'hooks', name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
}

/** @returns what is left of merges in the state directory: scratch trees and the mirrors' entries for them. */
export async function leftovers(home: string): Promise<string[]> {
  const left: string[] = [];
  for (const rig of await list(join(home, 'refinery')))
    for (const name of await list(join(home, 'refinery', rig))) if (!name.includes('.log')) left.push(`${rig}/${name}`);
  for (const mirror of await list(join(home, 'mirrors'))) {
    for (const name of await list(join(home, 'mirrors', mirror, 'worktrees'))) left.push(`entry ${name}`);
    for (const _ of await list(join(home, 'mirrors', mirror, 'refs', 'heartbead-merging'))) left.push('ref of a merge');
  }
  return left;
}

export const checkLog = (lab: Lab, item: string): Promise<string> =>
  readFile(join(lab.home, 'refinery', 'demo', `${item}.log`), 'utf8');

export async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Waits for an event that leaves no other trace; the test's own limit is the limit. */
export async function until(happened: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await happened())) await sleep(20);
}

export const written = async (path: string): Promise<boolean> =>
  (await list(dirname(path))).includes(path.slice(dirname(path).length + 1));
