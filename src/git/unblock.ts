import { constants } from 'node:fs';
import { lstat, open, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/** What git opens in any folder of a tree. */
const opened = new Set(['.gitignore', '.gitattributes', '.gitmodules']);

/**
 * A named pipe in the place of a file that git reads has it wait for a writer, for ever; an agent can have made one,
 * and its work would be saved no more. Nothing is kept in a pipe. So each that stands where git reads is taken away,
 * and whoever waits in it reads an empty file.
 * @param tree - what an agent works in, its repository included.
 * @returns the pipes that were taken away.
 */
export async function unblock(tree: string, goOn: () => boolean = () => true): Promise<string[]> {
  const found: string[] = [];
  const folders = [{ path: tree, inGit: false }];
  for (let folder = folders.pop(); folder !== undefined && goOn(); folder = folders.pop()) {
    for (const entry of await entriesOf(folder.path)) {
      const path = join(folder.path, entry.name);
      const inGit = folder.inGit || entry.name === '.git';
      if (entry.isDirectory()) folders.push({ path, inGit });
      else if ((inGit || opened.has(entry.name)) && !entry.isFile() && (await release(path))) found.push(path);
    }
  }
  return found;
}

/** What cannot be looked into, git cannot read either. */
const entriesOf = (path: string) => readdir(path, { withFileTypes: true }).catch(() => []);

/** @returns whether there was a pipe, or a link to one, and is none any more. */
async function release(path: string): Promise<boolean> {
  try {
    if (!(await stat(path)).isFIFO()) return false;
    // Opened while somebody waits to read, and closed: he reads the end.
    const writer = await open(path, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => undefined);
    const before = await lstat(path);
    if (before.isFIFO() || before.isSymbolicLink()) await unlink(path);
    await writer?.close();
    return true;
  } catch {
    // Gone again, or a link to nowhere.
    return false;
  }
}
