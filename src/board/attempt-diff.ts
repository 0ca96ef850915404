import { join } from 'node:path';
import { AttemptReader } from '../client/attempt-reader.js';
import type { TownConnection } from '../client/connect.js';
import { AttemptUnreadableError, HostAwayError } from '../client/errors.js';
import { asClientError } from '../client/as-client-error.js';
import type { BeadView } from '../contract/index.js';
import { GitError, exists, mirrorPath, updateMirror } from '../git/index.js';
import { runGit } from '../git/run-git.js';
import type { DiffAnswer, DiffFile } from './api-types.js';
import type { AttemptPlace } from './attempts-here.js';
import { NoDiffError, diffEnds } from './diff-ends.js';
import { readChanges, readHunks, readPatch, splitPatch } from './parse-diff.js';
import type { ChangedFile } from './parse-diff.js';

/** A page shows so many files of a diff, and so many lines of all of them together. */
const mostFiles = 300;
const mostLines = 20_000;
/** A file with more changed lines is named, but not shown. */
const mostLinesOfFile = 3_000;

export interface DiffWanted {
  town: TownConnection;
  view: BeadView;
  place: AttemptPlace;
  /** Clone the repository when this machine has no mirror of it. */
  fetch: boolean;
  signal?: AbortSignal;
}

/**
 * @returns what an attempt has changed: its working tree where that is, here or on another host, else what was pushed
 * or saved last.
 */
export async function attemptDiff({ town, view, place, fetch, signal }: DiffWanted): Promise<DiffAnswer> {
  const { home } = town;
  const { repo } = view;
  let note: string | undefined;
  // What runs elsewhere is told by its host; this machine needs no copy of the repository for that.
  if (place.remote !== undefined && place.current) {
    try {
      return await remoteDiff(town, view, place, place.remote);
    } catch (error) {
      const found = asClientError(error);
      if (!(found instanceof HostAwayError || found instanceof AttemptUnreadableError)) throw error;
      note = `its working tree cannot be read now: ${found.message}`;
    }
  }
  const mirror = mirrorPath(join(place.dir?.home ?? home, 'mirrors'), repo);
  if (!(await exists(mirror))) {
    if (!fetch)
      throw new NoDiffError(
        `this machine has no copy of ${repo}${note === undefined ? '' : `, and ${note}`}`,
        'fetch one (the whole repository comes over the network), or open the board of a host that works on it',
      );
    await updateMirror({ root: join(home, 'mirrors'), repo, signal });
  }
  try {
    const { base, head, source, at = mirror, note: more } = await diffEnds({ home, mirror, view, place, signal });
    return {
      attempt: place.attempt,
      source,
      note: [note, more].filter((words) => words !== undefined).join('; ') || undefined,
      base,
      head,
      ...(await compare(at, base, head, signal)),
    };
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    throw new NoDiffError(`git: ${error.message}`, 'try again; the log of the attempt may tell more', { cause: error });
  }
}

/** Pieces of a diff from another host; a longer one is cut. */
const mostPieces = 24;

/** Asks the host of an attempt for its working tree. */
async function remoteDiff(
  town: TownConnection,
  view: BeadView,
  { attempt }: AttemptPlace,
  host: string,
): Promise<DiffAnswer> {
  const reader = new AttemptReader(town, { bead: view.bead, attempt, host, part: 'diff' });
  let pieces: Buffer[] = [];
  let more = true;
  for (let asked = 0; more && asked < mostPieces; asked += 1) {
    const piece = await reader.next();
    // An agent that goes on working changes it meanwhile: then it begins again.
    pieces = piece.restarted ? [piece.bytes] : [...pieces, piece.bytes];
    more = piece.more;
  }
  return {
    attempt,
    source: 'live',
    host,
    note: more ? 'it is longer than what another host is asked for: its end is missing' : undefined,
    base: view.baseSha ?? '',
    head: '',
    ...readPatch(Buffer.concat(pieces).toString('utf8'), mostFiles, mostLinesOfFile),
  };
}

/** No program of the repository's configuration takes part: neither a diff driver nor a text conversion. */
const plain = ['--no-color', '--no-ext-diff', '--no-textconv', '--ignore-submodules=none', '--find-renames', '-l500'];

async function compare(
  mirror: string,
  base: string,
  head: string,
  signal: AbortSignal | undefined,
): Promise<Pick<DiffAnswer, 'files' | 'moreFiles' | 'added' | 'removed'>> {
  const doing = 'comparing';
  const list = await runGit({ mirror }, ['diff', ...plain, '--raw', '--numstat', '-z', base, head, '--'], {
    doing,
    signal,
  });
  const all = readChanges(list.stdout);
  const listed = all.slice(0, mostFiles);
  let lines = 0;
  const fits = (file: ChangedFile): boolean => {
    const count = file.added + file.removed;
    if (file.binary || count > mostLinesOfFile || lines + count > mostLines) return false;
    lines += count;
    return true;
  };
  const full = listed.filter(fits);
  const patches = full.length === 0 ? [] : await patchesOf(mirror, base, head, full, signal);
  const hunks = new Map(full.map((file, at) => [file, readHunks(patches[at] ?? '')]));
  const files = listed.map((file): DiffFile => ({ ...file, hunks: hunks.get(file) }));
  const sum = (key: 'added' | 'removed'): number => all.reduce((total, file) => total + file[key], 0);
  return { files, moreFiles: all.length - listed.length, added: sum('added'), removed: sum('removed') };
}

async function patchesOf(
  mirror: string,
  base: string,
  head: string,
  files: readonly ChangedFile[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const paths = files.flatMap(({ path, from }) => (from === undefined ? [path] : [from, path]));
  const { stdout } = await runGit(
    { mirror },
    ['--literal-pathspecs', 'diff', ...plain, '--unified=4', base, head, '--', ...paths],
    { doing: 'comparing', signal },
  );
  return splitPatch(stdout);
}
