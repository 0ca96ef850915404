import { readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { counted } from '../../domain/words.js';
import { GitError, keptHere, knownRepositories } from '../../git/index.js';
import { defaultDiskFloor } from '../../host/disk-space.js';
import { diskTaken } from '../../host/disk-taken.js';
import type { CountLimits, Taken } from '../../host/disk-taken.js';
import { AttemptDir } from '../../runner/attempt/attempt-dir.js';
import { inMebibytes } from '../render/sizes.js';
import { ok, warn } from './check.js';
import type { DoctorCheck } from './check.js';

/** A tree of a million files would take minutes; the answer is then "at least". */
const measureFor = 10_000;

/** Kinds of what a state directory has, and what makes each smaller. */
const smaller = {
  mirrors: '`heartbead tidy` packs them and removes the refs of landed beads',
  'contents of Git LFS':
    'where no bead of a repository is unfinished, `mirrors/….git.lfs` may be removed: what is needed is fetched again',
  attempts:
    'each goes by itself once its bead has gone on and its work is seen on the remote: look at blocked beads ' +
    '(`heartbead problems`), and retry or cancel them',
  'spare trees': 'each goes after an hour; `HEARTBEAD_SPARE_TREE=none` for the worker leaves them out',
  logs: 'they go after 30 days; folders of attempts that have a file `tidied` hold nothing else, and may go before',
};
type Kind = keyof typeof smaller;

const isLog = (name: string): boolean => /\.(?:log|out)(?:\.\d+)?$/.test(name);

/**
 * What a state directory takes on its disk. Where that is nearly full, the largest part is named with what makes it
 * smaller.
 * @param of.goOn whether there is time for another look; ten seconds in all when absent.
 * @param of.free bytes that are free on the disk; asked for when absent.
 */
export async function checkSizes(home: string, of: { goOn?: () => boolean; free?: number } = {}): Promise<DoctorCheck> {
  const until = performance.now() + measureFor;
  const goOn = of.goOn ?? ((): boolean => performance.now() < until);
  const limits = { goOn, counted: new Set<string>() };
  const mirrors = join(home, 'mirrors');
  const names = await namesIn(mirrors);
  const attempts = (await AttemptDir.list(home)).map(({ path }) => path);
  const sizes: Record<Kind, Taken> = {
    mirrors: await sum(
      names.filter((name) => !name.endsWith('.lfs')).map((name) => join(mirrors, name)),
      limits,
    ),
    'contents of Git LFS': await sum(
      names.filter((name) => name.endsWith('.lfs')).map((name) => join(mirrors, name)),
      limits,
    ),
    logs: await sum([join(home, 'logs'), ...(await logsOf(attempts)), ...(await logsOf(await rigsOf(home)))], limits),
    // Trees have files that are called so as well: only the attempt's own folder has logs.
    attempts: await sum(await treesOf(attempts), limits),
    'spare trees': await sum([join(home, 'spare-trees')], limits),
  };
  const kept = await keptIn(mirrors, goOn);
  const repositories = names.filter((name) => name.endsWith('.git')).length;
  const text = [
    `mirrors ${told(sizes.mirrors)} (${repositories === 1 ? '1 repository' : `${repositories} repositories`}; ${kept})`,
    `contents of Git LFS ${told(sizes['contents of Git LFS'])}`,
    `attempts ${told(sizes.attempts)} (${counted(attempts.length, 'folder')})`,
    `spare trees ${told(sizes['spare trees'])}`,
    `logs ${told(sizes.logs)}`,
  ].join(', ');
  const { bavail, bsize } = of.free === undefined ? await statfs(home) : { bavail: of.free, bsize: 1 };
  if (bavail * bsize >= 4 * defaultDiskFloor) return ok('sizes', text);
  const [largest] = (Object.keys(sizes) as Kind[]).sort((a, b) => sizes[b].bytes - sizes[a].bytes) as [Kind];
  return warn('sizes', text, `the disk is nearly full, and the largest part here is ${largest}: ${smaller[largest]}`);
}

async function sum(paths: readonly string[], limits: CountLimits): Promise<Taken> {
  const all: Taken = { bytes: 0, whole: true };
  for (const path of paths) {
    const { bytes, whole } = await diskTaken(path, limits);
    all.bytes += bytes;
    all.whole &&= whole;
  }
  return all;
}

/** What mirrors keep for beads is part of them: it is told, and not added. */
async function keptIn(mirrors: string, goOn: () => boolean): Promise<string> {
  let [refs, bytes, whole] = [0, 0, true];
  for (const { mirror } of await knownRepositories(mirrors)) {
    if (!goOn()) {
      whole = false;
      break;
    }
    try {
      const kept = await keptHere(mirror, measureFor / 2);
      refs += kept.refs;
      bytes += kept.bytes;
    } catch (error) {
      // Too large to be asked in so short a time, or damaged, which the next attempt there finds out.
      if (!(error instanceof GitError)) throw error;
      whole = false;
    }
  }
  return `of it ${told({ bytes, whole })} for beads, in ${counted(refs, 'ref')}`;
}

const rigsOf = async (home: string): Promise<string[]> =>
  (await namesIn(join(home, 'refinery'))).map((rig) => join(home, 'refinery', rig));

const logsOf = async (folders: readonly string[]): Promise<string[]> =>
  (
    await Promise.all(
      folders.map(async (folder) => (await namesIn(folder)).filter(isLog).map((name) => join(folder, name))),
    )
  ).flat();

const treesOf = async (folders: readonly string[]): Promise<string[]> =>
  (
    await Promise.all(
      folders.map(async (folder) =>
        (await namesIn(folder)).filter((name) => !isLog(name)).map((name) => join(folder, name)),
      ),
    )
  ).flat();

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

const told = ({ bytes, whole }: Taken): string => `${whole ? '' : 'at least '}${inMebibytes(bytes)}`;
