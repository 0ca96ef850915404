import { constants } from 'node:fs';
import { open, readdir, readlink, realpath, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { openPlace } from './files.js';

/** What git opens in any folder of a tree. */
const opened = new Set(['.gitignore', '.gitattributes', '.gitmodules']);
/** Of Linux: a file is named, and not opened. Node has no name for it. */
const pathOnly = 0o10000000;

/**
 * A named pipe in the place of a file that git reads has it wait for a writer, for ever; an agent can have made one,
 * and its work would be saved no more. Nothing is kept in a pipe. So each that stands where git reads is taken away,
 * and whoever waits in it reads an empty file. The agent may be at work meanwhile: a folder that it puts a link in the
 * place of leads nobody out of its tree. Linux only, as sandboxes are.
 * @param tree - what an agent works in, its repository included.
 * @returns the pipes that were taken away.
 */
export async function unblock(tree: string, goOn: () => boolean = () => true): Promise<string[]> {
  if (process.platform !== 'linux') return [];
  const found: string[] = [];
  const root = await realpath(tree).catch(() => undefined);
  if (root === undefined) return found;
  const folders = [{ path: root, inGit: false }];
  for (let next = folders.pop(); next !== undefined && goOn(); next = folders.pop()) {
    const { path } = next;
    const folder = await openFolder(path);
    if (folder === undefined) continue;
    try {
      for (const entry of await entriesOf(folder)) {
        const inGit = next.inGit || entry.name === '.git';
        if (entry.isDirectory()) folders.push({ path: join(path, entry.name), inGit });
        else if ((inGit || opened.has(entry.name)) && !entry.isFile() && (await release(folder, entry.name, root)))
          found.push(join(path, entry.name));
      }
    } finally {
      await folder.close();
    }
  }
  return found;
}

const entriesOf = (folder: FileHandle) => readdir(openPlace(folder), { withFileTypes: true }).catch(() => []);
const pathOf = (file: FileHandle): Promise<string | undefined> => readlink(openPlace(file)).catch(() => undefined);

/** @returns a folder, where no link is on the way to it; what cannot be opened, git cannot read either. */
async function openFolder(path: string): Promise<FileHandle | undefined> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY).catch(() => undefined);
  if (folder === undefined || (await pathOf(folder)) === path) return folder;
  await folder.close();
  return undefined;
}

/** @returns whether there was a pipe, or a link to one, and is none any more. */
async function release(folder: FileHandle, name: string, root: string): Promise<boolean> {
  const at = join(openPlace(folder), name);
  const pipe = await open(at, pathOnly).catch(() => undefined);
  // Gone again, or a link to nowhere.
  if (pipe === undefined) return false;
  try {
    if (!(await pipe.stat()).isFIFO()) return false;
    // Opened while somebody waits to read, and closed: he reads the end. Who waits in a pipe elsewhere is not ours.
    const within = (await pathOf(pipe))?.startsWith(`${root}/`) === true;
    const writer = within
      ? await open(openPlace(pipe), constants.O_WRONLY | constants.O_NONBLOCK).catch(() => undefined)
      : undefined;
    await unlink(at).catch(() => undefined);
    await writer?.close();
    return true;
  } finally {
    await pipe.close();
  }
}
