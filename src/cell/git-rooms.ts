import { existsSync, mkdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';

/**
 * What git needs outside of a work tree to work in it, whatever its layout: a repository of its own, or a linked one.
 * In a repository that others use too the agent may write objects and refs, but neither configuration nor hooks,
 * attributes or other work trees' files. Objects that it borrows are read-only, and only those below `home`: another
 * agent may have written where a shared repository borrows from.
 * @param home the state directory.
 */
export function gitRooms(worktree: string, home: string): { read: string[]; write: string[] } {
  const gitDir = gitDirOf(worktree);
  if (gitDir === undefined) return { read: alternates(join(worktree, '.git', 'objects'), home), write: [] };
  const common = commonDirOf(gitDir);
  const read = alternates(join(common, 'objects'), home);
  if (common === gitDir) return { read, write: [gitDir] };
  // Git makes it with the first commit, and could not in there.
  mkdirSync(join(common, 'logs'), { recursive: true });
  const shared = ['objects', 'refs', 'logs'].map((name) => join(common, name));
  return { read: [common, ...read], write: [...shared, gitDir] };
}

/** @returns undefined when the work tree holds its repository, or is in none. */
function gitDirOf(worktree: string): string | undefined {
  const place = join(worktree, '.git');
  if (!existsSync(place) || statSync(place).isDirectory()) return undefined;
  const target = /^gitdir: (.+)$/m.exec(readFileSync(place, 'utf8'))?.[1];
  return target === undefined ? undefined : resolve(worktree, target);
}

function commonDirOf(gitDir: string): string {
  const file = join(gitDir, 'commondir');
  return existsSync(file) ? resolve(gitDir, readFileSync(file, 'utf8').trim()) : gitDir;
}

/** @returns folders of objects that a repository borrows, and that those borrow in turn. */
function alternates(objects: string, home: string, known = new Set<string>()): string[] {
  const file = join(objects, 'info', 'alternates');
  if (!existsSync(file)) return [...known];
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const path = isAbsolute(line) ? line : resolve(objects, line);
    if (known.has(path) || !path.startsWith(`${home}/`) || !existsSync(join(path, 'pack'))) continue;
    known.add(path);
    alternates(path, home, known);
  }
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
