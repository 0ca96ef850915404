import { checkedSha } from '../git-input.js';
import { runGit } from '../run-git.js';
import type { GitPlace } from '../run-git.js';

/** What stands in a commit for the contents of a file that Git LFS keeps. */
export interface LfsPointer {
  /** SHA-256 of the contents. */
  oid: string;
  size: number;
  /** Where it is first found. */
  path: string;
}

/** By its specification a pointer has fewer bytes, and begins with this line. */
export const pointerLimit = 1024;
export const pointerStart = 'version https://git-lfs.github.com/spec/v1\n';

/** @returns what a text says when it is a pointer. */
export function readPointer(text: string): { oid: string; size: number } | undefined {
  if (!text.startsWith(pointerStart)) return undefined;
  const oid = /^oid sha256:([0-9a-f]{64})$/m.exec(text)?.[1];
  const size = /^size (\d{1,15})$/m.exec(text)?.[1];
  return oid === undefined || size === undefined ? undefined : { oid, size: Number(size) };
}

/** For each vault a commit that was seen to give nothing to Git LFS: most repositories never do. */
const without = new Map<string, string>();

/**
 * @returns whether a commit's attributes give files to Git LFS. Every tree, save and push asks: where another commit is
 * known to give none, only what differs between the two is looked at, and not all folders.
 */
export async function usesLfs(vault: string, commit: string, signal?: AbortSignal): Promise<boolean> {
  const place = { mirror: vault };
  const doing = 'looking for Git LFS';
  const before = without.get(vault);
  if (before === checkedSha(commit)) return false;
  const attributes = ['--', '*.gitattributes'];
  if (before !== undefined) {
    // 128: that commit has gone since.
    const { code } = await runGit(place, ['diff-tree', '-r', '--quiet', before, commit, ...attributes], {
      doing,
      signal,
      accept: [0, 1, 128],
    });
    if (code === 0) return false;
  }
  const { stdout } = await runGit(place, ['grep', '-l', '-I', '-e', 'filter=lfs', commit, ...attributes], {
    doing,
    signal,
    accept: [0, 1],
  });
  if (stdout !== '') return true;
  without.set(vault, commit);
  return false;
}

/**
 * @param has - what has the other pointers: a commit; the remote's branches, as far as they were fetched, when absent.
 * @returns the pointers that a push of a commit brings. None where the commit's attributes give nothing to Git LFS:
 * such a text is then a file like any other.
 */
export async function newPointers(
  vault: string,
  commit: string,
  signal?: AbortSignal,
  has?: string,
): Promise<LfsPointer[]> {
  if (!(await usesLfs(vault, commit, signal))) return [];
  const place = { mirror: vault };
  const doing = 'looking for files of Git LFS';
  const { stdout: listed } = await runGit(
    place,
    ['rev-list', '--objects', checkedSha(commit), '--not', has === undefined ? '--remotes=origin' : checkedSha(has)],
    { doing, signal },
  );
  const objects = new Map<string, string>();
  for (const line of listed.split('\n')) {
    const at = line.indexOf(' ');
    if (at > 0) objects.set(line.slice(0, at), line.slice(at + 1));
  }
  return pointersAmong(place, objects, signal);
}

/** @returns the pointers in a commit's tree. Call it only where there are some: every file is looked at. */
export async function pointersIn(vault: string, commit: string, signal?: AbortSignal): Promise<LfsPointer[]> {
  const place = { mirror: vault };
  const { stdout } = await runGit(place, ['ls-tree', '-r', '-z', '--end-of-options', commit], {
    doing: 'looking for files of Git LFS',
    signal,
  });
  const objects = new Map<string, string>();
  for (const entry of stdout.split('\0')) {
    const [, sha, path] = /^100\d{3} blob ([0-9a-f]+)\t(.*)$/s.exec(entry) ?? [];
    if (sha !== undefined && path !== undefined && !objects.has(sha)) objects.set(sha, path);
  }
  return pointersAmong(place, objects, signal);
}

/** @param objects ids, each with a path. */
async function pointersAmong(
  place: GitPlace,
  objects: ReadonlyMap<string, string>,
  signal: AbortSignal | undefined,
): Promise<LfsPointer[]> {
  if (objects.size === 0) return [];
  const doing = 'looking for files of Git LFS';
  const { stdout: sizes } = await runGit(
    place,
    ['cat-file', '--buffer', '--batch-check=%(objecttype) %(objectsize) %(objectname)'],
    { doing, signal, input: [...objects.keys(), ''].join('\n') },
  );
  const small: string[] = [];
  for (const [, size, sha] of sizes.matchAll(/^blob (\d+) ([0-9a-f]+)$/gm))
    if (sha !== undefined && Number(size) < pointerLimit && Number(size) > pointerStart.length) small.push(sha);
  if (small.length === 0) return [];
  const { stdout: contents } = await runGit(place, ['cat-file', '--buffer', '--batch'], {
    doing,
    signal,
    input: [...small, ''].join('\n'),
  });
  // Two paths of one content have one object of Git LFS.
  const found = new Map<string, LfsPointer>();
  for (const [text, sha = ''] of contents.matchAll(
    /^([0-9a-f]{40,64}) blob \d+\nversion https:\/\/git-lfs\.github\.com\/spec\/v1\n(?:[a-z0-9.-]+ .*\n)+/gm,
  )) {
    const pointer = readPointer(text.slice(text.indexOf('\n') + 1));
    if (pointer !== undefined) found.set(pointer.oid, { ...pointer, path: objects.get(sha) ?? '' });
  }
  return [...found.values()];
}
