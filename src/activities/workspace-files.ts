import { constants } from 'node:fs';
import { copyFile, lstat, mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { CopiedFile } from '../contract/index.js';
import { isMissing } from '../edge/errors.js';
import { runGit } from '../git/run-git.js';

/** A file cannot be copied; the message says which, why, and what to do. */
export class CopyError extends Error {
  override name = 'CopyError';
}

export interface CopyOptions {
  tree: string;
  /** Whether the repository must ignore what is copied, so that it is never committed. */
  ignored: boolean;
  signal?: AbortSignal;
}

/**
 * Copies files of the host into a fresh tree, as an operator has named them. Nothing of the repository is replaced, and
 * nothing is written outside of the tree, whatever links it holds.
 * @throws CopyError; GitError; the signal's reason.
 */
export async function copyFiles(files: readonly CopiedFile[], { tree, ignored, signal }: CopyOptions): Promise<void> {
  for (const { from, to } of files) {
    signal?.throwIfAborted();
    const folder = await folderBelow(tree, to);
    if (ignored) await requireIgnored(tree, to, signal);
    try {
      await copyFile(from, join(folder, basename(to)), constants.COPYFILE_EXCL);
    } catch (error) {
      throw new CopyError(copyProblem(from, to, error as NodeJS.ErrnoException), { cause: error });
    }
  }
}

/** Makes the folders of a path one by one, so that none is made behind a link. @returns the innermost one. */
async function folderBelow(tree: string, path: string): Promise<string> {
  let folder = tree;
  for (const part of path.split('/').slice(0, -1)) {
    folder = join(folder, part);
    const found = await lstat(folder).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (found === undefined) await mkdir(folder);
    else if (!found.isDirectory())
      throw new CopyError(`${path} cannot be copied into the tree: ${part} is no folder there but a link or a file`);
  }
  return folder;
}

async function requireIgnored(tree: string, path: string, signal: AbortSignal | undefined): Promise<void> {
  const { code } = await runGit({ worktree: tree }, ['check-ignore', '--quiet', '--', path], {
    doing: `looking whether ${path} is ignored`,
    accept: [0, 1],
    signal,
  });
  if (code === 1)
    throw new CopyError(
      `${path} is not ignored by the repository, so that an agent would commit it: name it in .gitignore, or ` +
        'copy it elsewhere',
    );
}

function copyProblem(from: string, to: string, { code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOENT':
      return `${from} is not on this host: put it there, or change the rig's --copy`;
    case 'EEXIST':
      return `${to} is in the repository already: change the rig's --copy`;
    default:
      return `${from} cannot be copied to ${to}: ${message}`;
  }
}
