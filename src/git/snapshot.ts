import { copyFile, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { GitError } from './git-error.js';
import { runGit } from './run-git.js';
import { leftOutOf } from './save-rules.js';
import type { LeftOut, SaveRules } from './save-rules.js';

/** The whole working tree as git sees it, ignored files left out. */
export interface Snapshot {
  tree: string;
  /**
   * What is not in it: what git could not take in, in its own words (unreadable files, repositories within), and what the
   * rules leave out; empty when all is in.
   */
  unsaved: string[];
  /**
   * Paths of submodules and other repositories within, of which a tree holds only the commit. Looked for only when
   * asked: it lists every file.
   */
  nested: string[];
}

/** A scratch index is used for minutes at most; one of 1 h ago was left by a killed process. */
const scratchMaxAge = 3_600_000;
const scratchPrefix = 'heartbead-index-';

/**
 * Writes the working tree as a tree object by way of an index of its own. The agent's index, HEAD and branch are not
 * touched and none of its locks is taken or minded, so it works in mid-merge, in mid-rebase and while the agent runs
 * git itself.
 */
export async function takeSnapshot(
  worktree: string,
  signal?: AbortSignal,
  { withNested = false, rules }: { withNested?: boolean; rules?: SaveRules } = {},
): Promise<Snapshot> {
  const doing = 'saving work in progress';
  const { stdout } = await runGit({ worktree }, ['rev-parse', '--absolute-git-dir', '--git-path', 'index'], {
    doing,
    signal,
  });
  const [gitDir = '', index = ''] = stdout.split('\n');
  await removeOldScratch(gitDir);
  const scratch = await mkdtemp(join(gitDir, scratchPrefix));
  try {
    const mine = join(scratch, 'index');
    const env = { GIT_INDEX_FILE: mine };
    // From the agent's own index: it knows what was added in spite of .gitignore, what a sparse checkout leaves out,
    // and which files are unchanged.
    if (!(await copied(resolve(worktree, index), mine))) await fromHead(worktree, mine, signal);
    let added = await addAll(worktree, env, rules, signal);
    if (added === 'bad index') {
      await rm(mine, { force: true });
      await fromHead(worktree, mine, signal);
      added = await addAll(worktree, env, rules, signal);
    }
    if (added === 'bad index')
      throw new GitError('other', 'the worktree cannot be saved: git cannot read its index, nor make a new one');
    const tree = (await runGit({ worktree }, ['write-tree'], { doing, signal, env })).stdout.trim();
    return { tree, unsaved: added, nested: withNested ? await repositoriesWithin(worktree, env, signal) : [] };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

const badIndex =
  /index file (?:corrupt|smaller than expected)|bad (?:index file|signature)|index uses .* extension|unknown index (?:version|entry)|bad index version/i;

async function repositoriesWithin(
  worktree: string,
  env: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const { stdout } = await runGit({ worktree }, ['ls-files', '--stage', '-z'], {
    doing: 'looking for repositories within',
    signal,
    env,
  });
  return stdout
    .split('\0')
    .filter((entry) => entry.startsWith('160000 '))
    .map((entry) => entry.slice(entry.indexOf('\t') + 1));
}

async function addAll(
  worktree: string,
  env: Record<string, string>,
  rules: SaveRules | undefined,
  signal: AbortSignal | undefined,
): Promise<string[] | 'bad index'> {
  let left: LeftOut[];
  try {
    left = rules === undefined ? [] : await leftOutOf(worktree, rules, env, signal);
  } catch (error) {
    if (error instanceof GitError && badIndex.test(error.stderr)) return 'bad index';
    throw error;
  }
  // A split index would leave its shared half in the agent's git folder.
  const { stderr, code } = await runGit(
    { worktree },
    [
      '-c',
      'core.splitIndex=false',
      'add',
      '--all',
      '--ignore-errors',
      ...(left.length === 0 ? [] : ['--pathspec-from-file=-', '--pathspec-file-nul']),
    ],
    {
      doing: 'saving work in progress',
      signal,
      env,
      accept: [0, 1, 128],
      input:
        left.length === 0
          ? undefined
          : [':(top)', ...left.map(({ path }) => `:(top,exclude,literal)${path}`)].join('\0'),
    },
  );
  const lines = stderr
    .split('\n')
    .filter((line) => /^(?:error|fatal): |^warning: adding embedded git repository/.test(line));
  if (code === 128) {
    if (badIndex.test(stderr)) return 'bad index';
    // Git was stopped by a single file: nothing is saved rather than something taken for everything.
    throw new GitError(
      /No space left|Disk quota/.test(stderr) ? 'no_space' : 'other',
      `the worktree cannot be saved (${lines.at(-1) ?? 'git gave no reason'}): mend or ignore what git names`,
      stderr,
    );
  }
  return [...lines, ...left.map(({ path, why }) => `${path} is left out: ${why}`)];
}

async function fromHead(worktree: string, index: string, signal: AbortSignal | undefined): Promise<void> {
  const env = { GIT_INDEX_FILE: index };
  const head = await runGit({ worktree }, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'], {
    doing: 'reading HEAD',
    signal,
    accept: [0, 1],
  });
  await runGit({ worktree }, head.code === 0 ? ['read-tree', 'HEAD'] : ['read-tree', '--empty'], {
    doing: 'reading HEAD into an index',
    signal,
    env,
  });
}

async function copied(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function removeOldScratch(gitDir: string): Promise<void> {
  for (const name of await readdir(gitDir)) {
    if (!name.startsWith(scratchPrefix)) continue;
    const path = join(gitDir, name);
    try {
      if (Date.now() - (await stat(path)).mtimeMs > scratchMaxAge) await rm(path, { recursive: true, force: true });
    } catch (error) {
      // Another save of this worktree has just ended.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}
