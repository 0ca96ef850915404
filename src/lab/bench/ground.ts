/**
 * What the ground under a bead costs: trees, saves and merges of real repositories, against what plain git takes for
 * the same on the same machine, in turn. No server: `processes.ts` has what a person waits for.
 * @module
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { attemptRefs, readOwnRef } from '../../contract/index.js';
import {
  createWorktree,
  pushBranch,
  removeProvenWorktree,
  resolveBase,
  saveWip,
  tidyBead,
  updateMirror,
  Voucher,
  worktreeStatus,
} from '../../git/index.js';
import { fetchFlags } from '../../git/fetch-commits.js';
import { gitEnv } from '../../git/git-env.js';
import { mergeItem } from '../../git/merge/index.js';
import { runGit } from '../../git/run-git.js';
import { trackedBranches } from '../../git/secure-mirror.js';
import { median } from './figures.js';
import type { Figure } from './figures.js';
import { makeLargeRepository, makeWideRepository } from './large-repository.js';

export interface GroundOptions {
  say: (text: string) => void;
  /** Commits of the long history, ten kilobytes each. */
  commits?: number | undefined;
  /** Files of the wide tree. */
  files?: number | undefined;
  /** Beads that land, one after the other. */
  beads?: number | undefined;
  rounds?: number | undefined;
}

const person = ['-c', 'user.name=Bench', '-c', 'user.email=bench@localhost'];
const git = async (cwd: string, ...args: string[]): Promise<string> =>
  (await execa('git', [...person, ...args], { cwd, env: gitEnv(), extendEnv: false })).stdout.trim();
const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now();
  await work();
  return performance.now() - began;
};
/** One after the other, and the other way round in every second round. */
async function inTurn(round: number, works: (() => Promise<unknown>)[]): Promise<void> {
  for (const work of round % 2 === 0 ? works : [...works].reverse()) await work();
}
/** Megabytes that folders take on the disk, without one within. */
const diskOf = async (paths: readonly string[], without?: string): Promise<number> => {
  const { stdout } = await execa('du', [
    '--summarize',
    '--total',
    '--block-size=1024',
    ...(without === undefined ? [] : [`--exclude=${without}`]),
    ...paths,
  ]);
  return Number(stdout.trim().split('\n').at(-1)?.split('\t')[0]) / 1_024;
};

/** A folder with the mirrors of a host and one origin. */
class Ground {
  #trees = 0;
  mirror = '';

  constructor(
    readonly folder: string,
    readonly origin: string,
  ) {}

  get mirrors(): string {
    return join(this.folder, 'mirrors');
  }

  /** The host's mirror, as it is now. */
  async update(): Promise<string> {
    this.mirror = (await updateMirror({ root: this.mirrors, repo: this.origin })).path;
    return this.mirror;
  }

  /**
   * What a host did for an attempt when attempts shared the mirror: the same questions to the same remote, and a linked
   * worktree. The commands are those of the last version that did so, in their order.
   * @param mirror - one that no other tree is made of.
   */
  async shared(mirror: string, name: string): Promise<string> {
    const path = this.next(name);
    const [doing, branch] = ['making a linked worktree', `heartbead/${name}/1-aaaa`];
    const within = async (...args: string[]): Promise<string> =>
      (await runGit({ mirror }, args, { doing, accept: [0, 1], limit: 'transfer' })).stdout.trim();
    const ask = (sha: string): Promise<unknown> =>
      runGit({ mirror }, ['cat-file', '--batch-check=%(objecttype)'], { doing, input: `${sha}\n` });
    await ask(await within('for-each-ref', '--format=%(objectname)', 'refs/remotes/origin'));
    await Promise.all([
      within('fetch', '--prune', '--tags', '--force', ...fetchFlags, this.origin, trackedBranches),
      runGit('nowhere', ['ls-remote', '--symref', this.origin, 'HEAD'], { doing }),
    ]);
    await within('symbolic-ref', '--quiet', 'refs/remotes/origin/HEAD');
    await within('count-objects', '-v');
    const standard = await within('symbolic-ref', '--quiet', 'refs/remotes/origin/HEAD');
    const sha = await within('rev-parse', '--verify', '--quiet', `${standard}^{commit}`);
    await ask(sha);
    await within('rev-parse', '--verify', `${sha}^{tree}`);
    await within('worktree', 'prune', '--expire=1.day.ago');
    await within('rev-parse', '--verify', '--quiet', `refs/heads/${branch}^{commit}`);
    await within('worktree', 'add', '--lock', '--no-checkout', '--no-track', '-B', branch, '--', path, sha);
    await runGit({ worktree: path }, ['checkout', '--force', '--progress', branch, '--'], { doing, limit: 'transfer' });
    return path;
  }

  /** A copy of the host's mirror, for trees that share it. Its packs, which nothing changes, lie on the disk once. */
  async secondMirror(): Promise<string> {
    const path = join(this.folder, 'shared.git');
    await execa('cp', ['--archive', '--link', await this.update(), path]);
    return path;
  }

  /** A folder for a tree that was not there before. */
  next(what: string): string {
    return join(this.folder, 'trees', `${what}-${(this.#trees += 1)}`, what);
  }

  /** What a host does for an attempt on a warm mirror: it fetches, and makes the tree. */
  async tree(bead: string, attempt: string): Promise<string> {
    const path = this.next(`${bead}-${attempt}`);
    await this.update();
    const { sha } = await resolveBase(this.mirror);
    await createWorktree({ mirror: this.mirror, path, branch: attemptRefs.branch(bead, attempt), at: sha });
    return path;
  }

  async merge(bead: string, attempt: string, sha: string): Promise<string> {
    const outcome = await mergeItem(
      {
        repo: this.origin,
        mirrors: this.mirrors,
        scratch: join(this.folder, 'refinery', bead),
        item: { item: bead, branch: attemptRefs.branch(bead, attempt), sha, target: 'main', title: bead },
        runChecks: () => Promise.resolve(undefined),
        say: () => undefined,
        warn: (text, error) => {
          throw new Error(text, { cause: error });
        },
        observe: () => undefined,
        confirm: () => undefined,
      },
      'merge',
    );
    if (outcome.outcome !== 'merged') throw new Error(`${bead} was not merged: ${JSON.stringify(outcome)}`);
    return outcome.sha;
  }
}

/** @returns the figures of trees, saves, merges and of what is left, on repositories that are made for them. */
export async function groundFigures({
  say,
  commits = 50_000,
  files = 100_000,
  beads = 100,
  rounds = 3,
}: GroundOptions): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'heartbead-ground-'));
  try {
    const figures: Figure[] = [];
    if (commits > 0) {
      say(`a history of ${commits} commits`);
      const at = join(folder, 'long');
      await mkdir(at);
      figures.push(...(await longHistory(new Ground(at, await makeLargeRepository(at, commits)), commits, rounds)));
      await rm(at, { recursive: true, force: true });
    }
    if (files > 0) {
      say(`a tree of ${files} files`);
      const at = join(folder, 'wide');
      await mkdir(at);
      figures.push(...(await wideTree(new Ground(at, await makeWideRepository(at, files)), files, rounds)));
      await rm(at, { recursive: true, force: true });
    }
    if (beads > 0) {
      say(`${beads} beads that land`);
      const at = join(folder, 'landed');
      await mkdir(at);
      figures.push(await refsLeft(new Ground(at, await makeWideRepository(at, 10)), beads));
    }
    return figures;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A tree on a warm mirror, in time and on the disk, against a clone and against a linked worktree. */
async function longHistory(ground: Ground, commits: number, rounds: number): Promise<Figure[]> {
  const cold = await timed(() => ground.update());
  const bare = join(ground.folder, 'plain.git');
  await git(ground.folder, 'clone', '--quiet', '--bare', ground.origin, bare);
  const second = await ground.secondMirror();
  const times: Record<'tree' | 'shared' | 'clone' | 'linked', number[]> = {
    tree: [],
    shared: [],
    clone: [],
    linked: [],
  };
  let disk = { own: 0, clone: 0 };
  for (let round = 0; round < rounds; round += 1) {
    let path = '';
    // Whoever comes second finds in memory what the first has read.
    await inTurn(round, [
      async () => times.tree.push(await timed(async () => (path = await ground.tree(`long${round}`, '1-aaaa')))),
      async () => times.shared.push(await timed(() => ground.shared(second, `shared${round}`))),
    ]);
    const clone = ground.next('clone');
    times.clone.push(await timed(() => git(ground.folder, 'clone', '--quiet', `file://${ground.origin}`, clone)));
    const linked = ground.next('linked');
    times.linked.push(
      await timed(async () => {
        await git(bare, 'fetch', '--quiet', 'origin');
        await git(bare, 'worktree', 'add', '--quiet', '-b', `linked${round}`, linked, 'main');
      }),
    );
    // The keeper lies beside the tree.
    const all = await diskOf([join(path, '..')]);
    const work = await diskOf([path], '.git');
    disk = { own: all - work, clone: await diskOf([join(clone, '.git')]) };
    await rm(clone, { recursive: true, force: true });
  }
  const [tree, clone, linked] = [median(times.tree), median(times.clone), median(times.linked)];
  const shared = median(times.shared);
  // Ten kilobytes each, which nothing compresses.
  const what = `a repository of ${commits} commits and ${(commits / 100_000).toFixed(1)} GB, 2,000 files`;
  const how = `${what}; ${rounds} times, in turn`;
  return [
    {
      name: 'mirror_ms',
      value: cold,
      unit: 'ms',
      how: `the first clone of ${what} by a host, once for all its attempts`,
    },
    {
      name: 'tree_vs_shared',
      value: tree,
      unit: 'ms',
      against: { what: 'a tree that shares the mirror', value: shared },
      ratio: tree / shared,
      how: `${how}: fetch and tree on a warm mirror; against the commands by which Heartbead made linked worktrees`,
    },
    {
      name: 'tree_vs_clone',
      value: tree,
      unit: 'ms',
      against: { what: 'git clone', value: clone },
      ratio: tree / clone,
      how: `${how}: fetch and tree on a warm mirror`,
    },
    {
      name: 'tree_vs_worktree',
      value: tree,
      unit: 'ms',
      against: { what: 'git fetch and git worktree add', value: linked },
      ratio: tree / linked,
      how: 'the same, against trees that share one repository, its configuration, hooks and stash',
    },
    {
      name: 'disk_per_attempt',
      value: disk.own,
      unit: 'MB',
      against: { what: 'the .git of a clone', value: disk.clone },
      ratio: disk.own / disk.clone,
      how: 'what an attempt takes on the disk beside its files: its own repository and our keeper of it',
    },
  ];
}

/** What happens to a tree of very many files: made, saved, looked at when its agent is done, merged. */
async function wideTree(ground: Ground, files: number, rounds: number): Promise<Figure[]> {
  await ground.update();
  const plain = ground.next('plain');
  await git(ground.folder, 'clone', '--quiet', `file://${ground.origin}`, plain);
  const second = await ground.secondMirror();
  const pairs: Record<'tree' | 'shared' | 'save' | 'status' | 'push' | 'merge', [number, number][]> = {
    tree: [],
    shared: [],
    save: [],
    status: [],
    push: [],
    merge: [],
  };
  const change = async (path: string, round: number): Promise<void> => {
    for (let n = 0; n < 10; n += 1) await writeFile(join(path, `d${n}`, `changed-${round}.txt`), `${round} ${n}\n`);
  };
  for (let round = 0; round < rounds; round += 1) {
    const [bead, attempt] = [`wide${round}`, '1-aaaa'];
    let path = '';
    let [made, shared] = [0, 0];
    await inTurn(round, [
      async () => (made = await timed(async () => (path = await ground.tree(bead, attempt)))),
      async () => (shared = await timed(() => ground.shared(second, `shared${round}`))),
    ]);
    pairs.shared.push([made, shared]);
    const linked = ground.next('linked');
    pairs.tree.push([
      made,
      await timed(() => git(plain, 'worktree', 'add', '--quiet', '-b', `linked${round}`, linked, 'origin/main')),
    ]);
    const work = { worktree: path, bead, attempt, remote: ground.origin };
    await change(path, round);
    await change(linked, round);
    pairs.save.push([
      await timed(() => saveWip({ ...work, push: true })),
      await timed(async () => {
        await git(linked, 'add', '--all');
        await git(linked, 'commit', '--quiet', '--message', 'save');
        await git(linked, 'push', '--quiet', 'origin', `HEAD:refs/heads/plain${round}`);
      }),
    ]);
    await git(path, 'add', '--all');
    await git(path, 'commit', '--quiet', '--message', bead);
    pairs.status.push([
      await timed(() => worktreeStatus(path)),
      await timed(() => git(linked, 'status', '--porcelain')),
    ]);
    let sha = '';
    pairs.push.push([
      await timed(async () => ({ sha } = await pushBranch({ ...work, voucher: new Voucher() }))),
      await timed(() => git(linked, 'push', '--quiet', 'origin', `HEAD:refs/heads/finished${round}`)),
    ]);
    // Somebody was faster, so that there is something to merge.
    const other = join(plain, `other-${round}`);
    await git(plain, 'fetch', '--quiet', 'origin');
    await git(plain, 'checkout', '--quiet', '-B', 'main', 'origin/main');
    await writeFile(other, 'x\n');
    await git(plain, 'add', '--all');
    await git(plain, 'commit', '--quiet', '--message', 'other');
    await git(plain, 'push', '--quiet', 'origin', 'main');
    pairs.merge.push([
      await timed(() => ground.merge(bead, attempt, sha)),
      await timed(async () => {
        await git(plain, 'merge', '--quiet', '--no-ff', '--no-edit', `linked${round}`);
        await git(plain, 'push', '--quiet', 'origin', `HEAD:refs/heads/merged${round}`);
      }),
    ]);
    await git(plain, 'reset', '--quiet', '--hard', 'HEAD~1');
    await git(plain, 'worktree', 'remove', '--force', linked);
    await removeProvenWorktree({ mirror: ground.mirror, path, remote: ground.origin, bead, attempt });
  }
  const against = {
    tree: 'git worktree add',
    shared: 'a tree that shares the mirror',
    save: 'git add, commit and push',
    status: 'git status',
    push: 'git push',
    merge: 'git merge and push in a tree that is there',
  } as const;
  const how = {
    tree: 'fetch and tree on a warm mirror, against a tree alone',
    shared: 'the same, against the commands by which Heartbead made linked worktrees',
    save: 'ten new files, saved and pushed, read back',
    status: 'what `done` asks before anything is pushed',
    push: 'the finished branch with its mark, read back',
    merge: 'fetched, merged in a tree of its own, pushed with its record',
  } as const;
  return (Object.keys(pairs) as (keyof typeof pairs)[]).map((name): Figure => {
    const [ours, theirs] = [median(pairs[name].map(([a]) => a)), median(pairs[name].map(([, b]) => b))];
    return {
      name: `wide_${name}`,
      value: ours,
      unit: 'ms',
      against: { what: against[name], value: theirs },
      ratio: ours / theirs,
      how: `a tree of ${files} files: ${how[name]}; ${rounds} times, in turn`,
    };
  });
}

/** Each bead is saved, finished, merged and tidied as its host does it. */
async function refsLeft(ground: Ground, beads: number): Promise<Figure> {
  const ours = async (): Promise<number> =>
    (await git(ground.origin, 'for-each-ref', '--format=%(refname)'))
      .split('\n')
      .filter((ref) => readOwnRef(ref) !== undefined).length;
  let made = 0;
  for (let n = 0; n < beads; n += 1) {
    const [bead, attempt] = [`bead-${n}`, '1-aaaa'];
    const path = await ground.tree(bead, attempt);
    const work = { worktree: path, bead, attempt, remote: ground.origin };
    await writeFile(join(path, `${bead}.txt`), `${n}\n`);
    await saveWip({ ...work, push: true });
    await git(path, 'add', '--all');
    await git(path, 'commit', '--quiet', '--message', bead);
    const { sha } = await pushBranch({ ...work, voucher: new Voucher() });
    const mergedSha = await ground.merge(bead, attempt, sha);
    made += await ours();
    const ended = { bead, attempt, sha, mergedSha, target: 'main', superseded: [] };
    await removeProvenWorktree({ mirror: ground.mirror, path, remote: ground.origin, bead, attempt, ended });
    await tidyBead({ mirrors: ground.mirrors, repo: ground.origin, bead: ended, remote: true });
  }
  return {
    name: 'refs_left_on_the_remote',
    value: await ours(),
    unit: 'refs',
    against: { what: 'made on the way', value: made },
    report: 'value',
    how: `after ${beads} beads that were saved, finished, merged and tidied`,
  };
}
