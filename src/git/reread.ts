import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { basename, dirname } from 'node:path';
import { open, readlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { openPlace } from './files.js';
import { throughKeeper } from './keeper.js';
import type { Keeper } from './keeper.js';
import { runGit } from './run-git.js';

/** What an index says of a path. */
export interface Entry {
  mode: string;
  sha: string;
}

/**
 * Git looks at a file by its path, and then reads it by its path. An agent that puts a link in its place in between, or
 * in the place of a folder above it, has git read what the link leads to: a file of the host's, which would be saved,
 * pushed, and readable for the agent. So whatever git has read anew is read once more, from folder to folder without
 * links, and only that is taken: what stands in the tree is the agent's own.
 * @param before what the index had before git read the tree.
 * @param after what it has now.
 * @returns the paths that could not be read so: they are as they were before.
 */
export async function reread(
  keeper: Keeper,
  before: ReadonlyMap<string, Entry>,
  after: ReadonlyMap<string, Entry>,
  env: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  // Without these there is no sandbox either: the agent reads what its user may read.
  if (process.platform !== 'linux') return [];
  const read = [...after].filter(([path, { mode, sha }]) => mode !== '160000' && before.get(path)?.sha !== sha);
  if (read.length === 0) return [];
  // What the mirror has the agent may read as it is.
  const known = read.length < few ? new Set<string>() : await inVault(keeper, read, signal);
  const lines: string[] = [];
  const lost: string[] = [];
  const folders = await Folders.open(keeper.worktree);
  try {
    for (const some of together(read.filter(([, { sha }]) => !known.has(sha)))) {
      signal?.throwIfAborted();
      const found = await folders.hashed(some, (path, file) => hashedByGit(keeper, path, file, env, signal));
      for (const [n, [path, { mode, sha }]] of some.entries()) {
        const [now, earlier] = [found[n], before.get(path)];
        if (now === sha) continue;
        if (now === undefined) lost.push(path);
        lines.push(
          now !== undefined
            ? `${mode} ${now}\t${path}\0`
            : earlier !== undefined
              ? `${earlier.mode} ${earlier.sha}\t${path}\0`
              : `0 ${'0'.repeat(sha.length)}\t${path}\0`,
        );
      }
    }
  } finally {
    await folders.close();
  }
  if (lines.length > 0)
    await runGit(throughKeeper(keeper), ['update-index', '-z', '--index-info'], {
      doing: 'saving work in progress',
      signal,
      env,
      input: lines.join(''),
    });
  return lost;
}

/** So many are read in less time than a process takes. */
const few = 50;

/** @returns the paths, those of one folder together: these are read at once. */
function* together(all: readonly [string, Entry][]): Generator<[string, Entry][]> {
  const atOnce = 32;
  let some: [string, Entry][] = [];
  for (const one of all) {
    const [first] = some;
    if (first !== undefined && (some.length === atOnce || dirname(first[0]) !== dirname(one[0]))) {
      yield some;
      some = [];
    }
    some.push(one);
  }
  if (some.length > 0) yield some;
}

async function inVault(
  { vault }: Keeper,
  read: readonly [string, Entry][],
  signal: AbortSignal | undefined,
): Promise<Set<string>> {
  const { stdout } = await runGit({ mirror: vault }, ['cat-file', '--batch-check=%(objectname) %(objecttype)'], {
    doing: 'saving work in progress',
    signal,
    input: read.map(([, { sha }]) => `${sha}\n`).join(''),
  });
  return new Set(stdout.split('\n').flatMap((line) => (line.endsWith(' blob') ? [line.split(' ')[0] ?? ''] : [])));
}

/** Where attributes convert a file, only git knows what a commit has of it. */
async function hashedByGit(
  keeper: Keeper,
  path: string,
  file: FileHandle,
  env: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { stdout } = await runGit(throughKeeper(keeper), ['hash-object', '-w', '--stdin', `--path=${path}`], {
    doing: 'saving work in progress',
    signal,
    env,
    input: file.createReadStream({ start: 0, autoClose: false }),
  });
  return stdout.trim();
}

/** Opens files of a tree, with no link on the way: each folder by the one that it is in. */
class Folders {
  /** The way to the last file, the tree itself first. */
  readonly #way: { name: string; handle: FileHandle }[];

  private constructor(root: FileHandle) {
    this.#way = [{ name: '', handle: root }];
  }

  static async open(root: string): Promise<Folders> {
    return new Folders(await open(root, constants.O_RDONLY | constants.O_DIRECTORY));
  }

  /**
   * @param some of one folder.
   * @returns the ids of what stands at the paths now; undefined where that is nothing of this kind.
   */
  async hashed(some: readonly [string, Entry][], byGit: ByGit): Promise<(string | undefined)[]> {
    const parts = some[0]?.[0].split('/').slice(0, -1) ?? [];
    const folder = await orNothing(this.#goTo(parts));
    if (folder === undefined) return some.map(() => undefined);
    // All have ended before the folder is closed.
    const settled = await Promise.allSettled(
      some.map(([path, entry]) => orNothing(hashedIn(folder, path, entry, byGit))),
    );
    return settled.map((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
  }

  async close(): Promise<void> {
    for (const { handle } of this.#way) await handle.close();
  }

  async #goTo(names: readonly string[]): Promise<FileHandle> {
    const [root] = this.#way as [{ name: string; handle: FileHandle }];
    let same = 0;
    while (same < names.length && this.#way[same + 1]?.name === names[same]) same += 1;
    for (const { handle } of this.#way.splice(same + 1)) await handle.close();
    for (const name of names.slice(same)) {
      const { handle } = this.#way.at(-1) ?? root;
      const next = await open(below(handle, name), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
      this.#way.push({ name, handle: next });
    }
    return (this.#way.at(-1) ?? root).handle;
  }
}

type ByGit = (path: string, file: FileHandle) => Promise<string>;

async function hashedIn(
  folder: FileHandle,
  path: string,
  { mode, sha }: Entry,
  byGit: ByGit,
): Promise<string | undefined> {
  const at = below(folder, basename(path));
  if (mode === '120000') return idOf(sha, await readlink(at, { encoding: 'buffer' }));
  const file = await open(at, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (!found.isFile()) return undefined;
    return (await isOf(file, found.size, sha)) ? sha : await byGit(path, file);
  } finally {
    await file.close();
  }
}

const nothingThere = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL', 'ENXIO', 'EACCES']);

async function orNothing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (nothingThere.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

const below = (folder: FileHandle, name: string): string => `${openPlace(folder)}/${name}`;

const hashFor = (id: string): ReturnType<typeof createHash> => createHash(id.length === 64 ? 'sha256' : 'sha1');

const idOf = (like: string, content: Buffer): string =>
  hashFor(like).update(`blob ${content.length}\0`).update(content).digest('hex');

/** Leaves the file at its beginning. */
async function isOf(file: FileHandle, size: number, id: string): Promise<boolean> {
  const hash = hashFor(id).update(`blob ${size}\0`);
  const buffer = Buffer.alloc(Math.min(size, 1024 * 1024) || 1);
  let at = 0;
  while (at < size) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - at), at);
    if (bytesRead === 0) return false;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hash.digest('hex') === id;
}
