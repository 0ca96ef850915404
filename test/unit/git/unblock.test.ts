/** The agent may be at work while pipes are taken out of git's way: it leads nobody out of its tree. */
import { renameSync, symlinkSync } from 'node:fs';
import { lstat, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { unblock } from '../../../src/git/unblock.js';
import { scratchFolder } from '../../support/scratch.js';

const isPipe = async (path: string): Promise<boolean> =>
  lstat(path).then(
    (found) => found.isFIFO(),
    () => false,
  );

it('a folder that has become a link meanwhile is left alone, whatever it leads to', async () => {
  const dir = scratchFolder('unblock');
  const [tree, outside] = [join(dir, 'tree'), join(dir, 'outside')];
  await mkdir(join(tree, '.git/info'), { recursive: true });
  await mkdir(join(outside, 'below'), { recursive: true });
  const pipes = [join(outside, 'exclude'), join(outside, 'below', 'HEAD'), join(tree, '.git/info/exclude')];
  for (const path of pipes) await execa('mkfifo', [path]);
  let looks = 0;
  const found = await unblock(tree, () => {
    looks += 1;
    if (looks === 3) {
      // The tree and its repository have been read, and the folder below is next.
      renameSync(join(tree, '.git/info'), join(dir, 'moved'));
      symlinkSync(outside, join(tree, '.git/info'));
    }
    return true;
  });
  expect(looks).toBe(3);
  expect(found).toEqual([]);
  expect(await Promise.all(pipes.slice(0, 2).map(isPipe))).toEqual([true, true]);
});

it('of a link to a pipe outside, the link goes and the pipe stays', async () => {
  const dir = scratchFolder('unblock-link');
  const [tree, outside] = [join(dir, 'tree'), join(dir, 'outside')];
  await mkdir(tree);
  await execa('mkfifo', [outside]);
  await symlink(outside, join(tree, '.gitignore'));
  expect(await unblock(tree)).toEqual([join(tree, '.gitignore')]);
  expect(await isPipe(outside)).toBe(true);
  await expect(lstat(join(tree, '.gitignore'))).rejects.toThrow('ENOENT');
});
