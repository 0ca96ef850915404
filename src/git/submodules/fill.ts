import { appendFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { kindOf } from '../../edge/kind-of.js';
import { hasCommit } from '../commits.js';
import { fetchCommits } from '../fetch-commits.js';
import { GitError } from '../git-error.js';
import type { GitProgress } from '../git-progress.js';
import { provideContents } from '../lfs/contents.js';
import { withMirror } from '../mirror-lock.js';
import { makeRepository } from '../repository-files.js';
import { runGit } from '../run-git.js';
import { configText } from '../secure-mirror.js';
import { updateMirror } from '../update-mirror.js';
import { declaredSubmodules } from './declared.js';
import type { Submodule } from './declared.js';

export interface FillOptions {
  /** A fresh tree of ours, in which nothing foreign has run. */
  tree: string;
  /** The vault of its repository. */
  vault: string;
  /** URL or path of that. */
  repo: string;
  /** The commit that the tree is of. */
  at: string;
  /** A commit of a submodule that is nowhere leaves it empty: nobody pushed what an agent had saved of it. */
  lenient?: boolean | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: GitProgress) => void) | undefined;
  /** The repositories around it. */
  within?: readonly string[];
  /** The tree around all of them; this one when absent. */
  outermost?: string;
}

/**
 * Fills the submodules of a tree, and theirs: each from a vault of its own on this host, whose objects it borrows.
 * Git's own command is not used, for it would do as the tree's settings say.
 * @throws GitError
 */
export async function fillSubmodules(options: FillOptions): Promise<void> {
  const { tree, vault, repo, at, signal, within = [] } = options;
  // Costs nothing where there are none.
  if ((await kindOf(join(tree, '.gitmodules'))) === 'nothing') return;
  const around = [...within, repo];
  for (const submodule of await declaredSubmodules(vault, at, repo, signal)) {
    if (around.includes(submodule.url))
      throw new GitError(
        'bad_input',
        `the submodule ${JSON.stringify(submodule.path)} is the repository that it is in ` +
          `(${[...around, submodule.url].join(' → ')}): take it out, or leave it out of trees in .gitmodules ` +
          '(update = none)',
      );
    await fill(submodule, { ...options, within: around });
  }
}

async function fill({ name, path, url, sha }: Submodule, options: FillOptions): Promise<void> {
  const { tree, vault, lenient = false, signal, onProgress, outermost = tree } = options;
  const folder = await plainFolder(tree, path);
  const doing = `filling the submodule ${path}`;
  const progress = (news: GitProgress): void => onProgress?.({ ...news, phase: `submodule ${path}: ${news.phase}` });
  const own = await telling(path, () =>
    updateMirror({ root: dirname(vault), repo: url, signal, onProgress: progress }),
  );
  if (!(await withCommit(own.path, url, sha, signal))) {
    if (lenient) return;
    throw new GitError(
      'no_such_ref',
      `the submodule ${path} is at commit ${sha}, which ${url} does not have: push it there, or commit another one`,
    );
  }
  await makeRepository(
    join(folder, '.git'),
    // What it begins at is on its remote, also where no branch says so.
    { vault: own.path, head: sha, refs: { 'refs/remotes/origin/heartbead-begin': sha } },
    signal,
  );
  // A sandbox shows what the tree's own repository borrows, and looks into no other one.
  await appendFile(join(outermost, '.git', 'objects', 'info', 'alternates'), `${join(own.path, 'objects')}\n`);
  await provideContents(own.path, join(folder, '.git'), [sha], signal);
  await runGit({ worktree: folder }, ['reset', '--quiet', '--hard', sha], { doing, signal, limit: 'transfer' });
  // Known to git's own command as one that is there.
  await appendFile(
    join(tree, '.git', 'config'),
    `[submodule ${configText(name)}]\n\tactive = true\n\turl = ${configText(url)}\n`,
  );
  await fillSubmodules({ ...options, tree: folder, vault: own.path, repo: url, at: sha, outermost });
}

/** @returns the folder of a submodule; no link is on the way to it. */
async function plainFolder(tree: string, path: string): Promise<string> {
  let folder = tree;
  for (const name of path.split('/')) {
    folder = join(folder, name);
    if (name === '..' || name.toLowerCase() === '.git' || (await kindOf(folder)) !== 'folder')
      throw new GitError(
        'bad_input',
        `the submodule ${JSON.stringify(path)} cannot be filled: there is no plain folder for it in its tree`,
      );
  }
  if ((await kindOf(join(folder, '.git'))) !== 'nothing')
    throw new GitError(
      'bad_input',
      `the submodule ${JSON.stringify(path)} cannot be filled: something is there already`,
    );
  return folder;
}

/** A submodule may stand at a commit that no branch has any more; many servers give it by its id. */
async function withCommit(vault: string, url: string, sha: string, signal: AbortSignal | undefined): Promise<boolean> {
  if (await hasCommit({ mirror: vault }, sha, signal)) return true;
  try {
    await withMirror(vault, signal, () =>
      fetchCommits(vault, url, [sha], { doing: 'fetching the commit of a submodule', signal }),
    );
  } catch (error) {
    if (!(error instanceof GitError) || error.mayPass) throw error;
    return false;
  }
  return hasCommit({ mirror: vault }, sha, signal);
}

async function telling<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    throw new GitError(error.kind, `the submodule ${path}: ${error.message}`, error.stderr, { cause: error });
  }
}
