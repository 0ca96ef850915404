import { constants } from 'node:fs';
import { cp, mkdir, open, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { leadsNowhere } from '../edge/errors.js';
import { kindOf } from '../edge/kind-of.js';

/**
 * Files of ours in a folder that an agent's program writes as well, and has written when it is run once more, or when
 * another attempt takes its conversation up. Whoever writes or reads there stands outside of the agent's walls: a link
 * that it has left would lead out of them.
 * @module
 */

/** Makes a folder below another one; what is no folder on the way is removed. @returns its path. */
export async function ownFolder(root: string, path: string): Promise<string> {
  let folder = root;
  for (const name of path.split('/')) {
    folder = join(folder, name);
    const kind = await kindOf(folder);
    if (kind === 'folder') continue;
    if (kind !== 'nothing') await rm(folder, { force: true });
    await mkdir(folder, { mode: 0o700 });
  }
  return folder;
}

/** Writes a file below a folder, in the place of whatever is there. */
export async function writeOwn(root: string, path: string, text: string): Promise<void> {
  const parent = dirname(path);
  const file = join(parent === '.' ? root : await ownFolder(root, parent), path.split('/').at(-1) ?? path);
  await rm(file, { recursive: true, force: true });
  await writeFile(file, text, { mode: 0o600, flag: 'wx' });
}

/** @returns whether a path below a folder leads through folders alone. */
export async function isOwnFolder(root: string, path: string): Promise<boolean> {
  let folder = root;
  for (const name of path.split('/')) {
    folder = join(folder, name);
    if ((await kindOf(folder)) !== 'folder') return false;
  }
  return true;
}

/** @returns the text of a file, or undefined where there is none: a link, a pipe and a device are none. */
export async function readOwn(file: string): Promise<string | undefined> {
  let handle;
  try {
    handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (leadsNowhere(error) || ['ELOOP', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined;
    throw error;
  }
  try {
    return (await handle.stat()).isFile() ? await handle.readFile('utf8') : undefined;
  } finally {
    await handle.close();
  }
}

/** Copies the files and folders of a folder; what is neither stays behind. */
export const copyOwn = (from: string, to: string): Promise<void> =>
  cp(from, to, {
    recursive: true,
    filter: async (path) => ['folder', 'file'].includes(await kindOf(path)),
  });
