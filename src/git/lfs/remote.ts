import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { leadsNowhere } from '../../edge/errors.js';
import { runGit } from '../run-git.js';
import { runLfs } from './run-lfs.js';
import type { LfsPointer } from './pointers.js';

/** What a server takes in one question. */
const askedAtOnce = 100;
const askLimit = 60_000;

const mediaType = 'application/vnd.git-lfs+json';

/**
 * Asks the store of the remote itself which contents it lacks; the word of the program that uploaded them is not
 * enough, for it was seen to end well with nothing uploaded.
 * @returns undefined when the store cannot be asked so (it is reached by ssh, or by a program of its own).
 * @throws GitError
 */
export async function lackingAt(
  vault: string,
  settings: readonly string[],
  pointers: readonly LfsPointer[],
  signal?: AbortSignal,
): Promise<LfsPointer[] | undefined> {
  const { stdout } = await runLfs(vault, settings, ['env'], {
    doing: 'looking where Git LFS keeps its contents',
    signal,
  });
  const url = /^Endpoint=(\S+)/m.exec(stdout)?.[1];
  if (url === undefined || /^\s+SSH=/m.test(stdout)) return undefined;
  if (url.startsWith('file://')) return lackingInFolder(fileURLToPath(url), pointers);
  if (!/^https?:/.test(url)) return undefined;
  const lacking: LfsPointer[] = [];
  for (let from = 0; from < pointers.length; from += askedAtOnce) {
    const some = pointers.slice(from, from + askedAtOnce);
    const answer = await ask(url, some, signal);
    if (answer === undefined) return undefined;
    lacking.push(...some.filter(({ oid }) => !answer.has(oid)));
  }
  return lacking;
}

/** A repository on a disk keeps them beside its objects. */
async function lackingInFolder(repository: string, pointers: readonly LfsPointer[]): Promise<LfsPointer[]> {
  const sizes = await Promise.all(
    pointers.map(async ({ oid, size }) => {
      for (const folder of [repository, join(repository, '.git')]) {
        try {
          const file = join(folder, 'lfs', 'objects', oid.slice(0, 2), oid.slice(2, 4), oid);
          if ((await stat(file)).size === size) return true;
        } catch (error) {
          if (!leadsNowhere(error)) throw error;
        }
      }
      return false;
    }),
  );
  return pointers.filter((_, n) => sizes[n] !== true);
}

/** @returns the ids that the store has, or undefined when it cannot be asked from here. */
async function ask(
  url: string,
  pointers: readonly LfsPointer[],
  signal: AbortSignal | undefined,
): Promise<Set<string> | undefined> {
  const body = JSON.stringify({
    operation: 'download',
    transfers: ['basic'],
    objects: pointers.map(({ oid, size }) => ({ oid, size })),
  });
  const post = async (headers: Record<string, string>): Promise<Response | undefined> => {
    try {
      return await fetch(`${url}/objects/batch`, {
        method: 'POST',
        body,
        headers: { Accept: mediaType, 'Content-Type': mediaType, ...headers },
        signal: AbortSignal.any([AbortSignal.timeout(askLimit), ...(signal === undefined ? [] : [signal])]),
      });
    } catch {
      signal?.throwIfAborted();
      // A proxy or a certificate that only git knows of: then git-lfs is the one to ask.
      return undefined;
    }
  };
  const headers = await ownHeaders(url, signal);
  let response = await post(headers);
  if (response?.status === 401) {
    const authorization = await credentials(url, signal);
    if (authorization !== undefined) response = await post({ ...headers, Authorization: authorization });
  }
  if (response?.ok !== true) return undefined;
  const answer: unknown = await response.json().catch(() => undefined);
  const objects = (answer as { objects?: unknown } | undefined)?.objects;
  if (!Array.isArray(objects)) return undefined;
  return new Set(
    (objects as { oid?: unknown; actions?: { download?: unknown }; error?: unknown }[]).flatMap(
      ({ oid, actions, error }) =>
        typeof oid === 'string' && error === undefined && actions?.download !== undefined ? [oid] : [],
    ),
  );
}

/** As runners of continuous integration are given their access. */
async function ownHeaders(url: string, signal: AbortSignal | undefined): Promise<Record<string, string>> {
  const { stdout } = await runGit('nowhere', ['config', '--get-urlmatch', 'http.extraHeader', url], {
    doing: 'reading how the remote is accessed',
    signal,
    accept: [0, 1],
  });
  const [, name, value] = /^([\w-]+):\s*(.*)$/.exec(stdout.trim()) ?? [];
  return name === undefined || value === undefined ? {} : { [name]: value };
}

async function credentials(url: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  const { code, stdout } = await runGit('nowhere', ['credential', 'fill'], {
    doing: 'asking for access to the store of Git LFS',
    signal,
    accept: [0, 1, 128],
    input: `url=${url}\n\n`,
  });
  const of = (name: string): string | undefined => new RegExp(`^${name}=(.*)$`, 'm').exec(stdout)?.[1];
  const [username, password] = [of('username'), of('password')];
  if (code !== 0 || username === undefined || password === undefined) return undefined;
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
