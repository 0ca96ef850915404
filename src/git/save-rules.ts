import { lstat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Saves } from '../contract/index.js';
import { throughKeeper } from './keeper.js';
import type { Keeper } from './keeper.js';
import { runGit } from './run-git.js';

/** What is left out of a save, though git would take it: a save goes to a remote that others read, and stays there. */
export interface SaveRules {
  /** Untracked files larger than this, in bytes. */
  fileBytes: number;
  /** The largest of the untracked files, until the rest fits. */
  allBytes: number;
  /** Whether files that git does not track are left out altogether, without a word. */
  trackedOnly?: boolean;
}

const megabyte = 1024 * 1024;
/** What people write by hand is far below; core dumps, data sets and model weights are far above. */
export const usualSaveRules: SaveRules = { fileBytes: 10 * megabyte, allBytes: 100 * megabyte };

/** @returns how a rig wants its work saved. */
export const saveRulesOf = ({ policy, fileBytes, allBytes }: Saves = {}): SaveRules => ({
  fileBytes: fileBytes ?? usualSaveRules.fileBytes,
  allBytes: allBytes ?? usualSaveRules.allBytes,
  trackedOnly: policy === 'tracked',
});

/**
 * Names by which tools call what nobody else may read. Examples without secrets in them, as projects commit them, are
 * not meant.
 */
const secretNames =
  /^(?:\.env(?:\..+|rc)?|.+\.env|.*\.(?:pem|key|p12|pfx|jks|keystore|ppk|kdbx)|id_(?:rsa|dsa|ecdsa|ed25519)(?:_.*)?|\.netrc|\.npmrc|\.pypirc|\.git-credentials|\.pgpass|\.htpasswd|credentials(?:\.json)?|service[-_]account.*\.json)$/i;
const exampleNames = /(?:^|[.\-_])(?:example|sample|template|dist|defaults?)(?:$|[.\-_])|\.pub$/i;

/** @returns whether a file bears a name under which secrets are kept. */
export const isSecretName = (path: string): boolean => {
  const name = basename(path);
  return secretNames.test(name) && !exampleNames.test(name);
};

/** A file that is left out, and why. */
export interface LeftOut {
  path: string;
  why: string;
}

/**
 * @param env - the index that the save is made with.
 * @returns the untracked files that a save leaves out. What the agent itself has added to its index is its own doing.
 * @throws GitError
 */
export async function leftOutOf(
  keeper: Keeper,
  { fileBytes, allBytes }: SaveRules,
  env: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<LeftOut[]> {
  const { stdout } = await runGit(throughKeeper(keeper), ['ls-files', '--others', '--exclude-standard', '-z'], {
    doing: 'looking for files that are not to be saved',
    signal,
    env,
  });
  const left: LeftOut[] = [];
  const rest: { path: string; bytes: number }[] = [];
  for (const path of stdout.split('\0').filter((entry) => entry !== '' && !entry.endsWith('/'))) {
    const bytes = await sizeOf(join(keeper.worktree, path));
    if (isSecretName(path)) left.push({ path, why: 'its name says that it holds secrets' });
    else if (bytes > fileBytes)
      left.push({ path, why: `it has ${inMegabytes(bytes)}, more than ${inMegabytes(fileBytes)}` });
    else rest.push({ path, bytes });
  }
  let all = rest.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { path, bytes } of rest.sort((a, b) => b.bytes - a.bytes || a.path.localeCompare(b.path))) {
    if (all <= allBytes) break;
    all -= bytes;
    left.push({ path, why: `untracked files have more than ${inMegabytes(allBytes)} together` });
  }
  return left;
}

const inMegabytes = (bytes: number): string => `${Math.round((bytes / megabyte) * 10) / 10} MB`;

async function sizeOf(path: string): Promise<number> {
  try {
    return (await lstat(path)).size;
  } catch (error) {
    // Gone again, or not to be looked at: git will say so itself.
    if (['ENOENT', 'EACCES', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return 0;
    throw error;
  }
}
