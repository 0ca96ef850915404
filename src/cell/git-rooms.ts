import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';

/**
 * What git needs outside of a work tree that has a repository of its own: the objects which that borrows, and those
 * which these borrow in turn. They are read-only, and only those below `home`: another agent may have written where a
 * shared repository borrows from. Nothing in the tree is asked, for a program that was in it before (a set-up step, an
 * earlier check, an earlier run of the agent) may have written there what it would like to see.
 * @param borrowed folders of objects, as they were known before anything foreign ran in the tree.
 * @param home the state directory.
 */
export function gitRooms(borrowed: readonly string[], home: string): string[] {
  const known = new Set<string>();
  const follow = (path: string): void => {
    if (known.has(path) || !path.startsWith(`${home}/`) || !existsSync(join(path, 'pack'))) return;
    known.add(path);
    const file = join(path, 'info', 'alternates');
    if (!existsSync(file)) return;
    for (const line of readFileSync(file, 'utf8').split('\n'))
      if (line !== '' && !line.startsWith('#')) follow(isAbsolute(line) ? resolve(line) : resolve(path, line));
  };
  for (const path of borrowed) follow(resolve(path));
  return [...known];
}

/** @returns what Heartbead's own files need: the package, and its packages, which may lie beside it or be a link. */
export function packageRooms(root: string): string[] {
  const modules = join(root, 'node_modules');
  return [programRoom(join(root, 'package.json')), ...(existsSync(modules) ? [realpathSync(modules)] : [])];
}

/** @returns the nearest folder that is a package's home (beside `node_modules`), or the folder of a program. */
export function programRoom(path: string): string {
  const at = path.lastIndexOf('/node_modules/');
  return at > 0 ? path.slice(0, at) : dirname(path);
}
