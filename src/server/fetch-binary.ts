import { errorMessage } from '../edge/errors.js';
import { ServerNotFound } from './found-binary.js';
import type { BinaryCache, CachedBinary } from './binary-cache.js';
import type { BinarySource, FindOptions, FoundBinary } from './found-binary.js';

/** One way to get a program. */
export interface BinaryOrigin {
  source: BinarySource;
  /** The cache's key: the origin and its version. */
  key: string;
  /** Why it cannot work here at all; then it is not tried. */
  hindrance?: string | undefined;
  /**
   * Puts the program into the folder.
   * @returns its version.
   */
  fetch: (folder: string) => Promise<string>;
}

export interface FetchBinaryOptions extends Pick<FindOptions, 'signal'> {
  cache: BinaryCache;
  /** In the order in which they are tried. */
  origins: readonly BinaryOrigin[];
  /** What is looked for, for people. */
  what: string;
  /** What the reader can do when nothing works. */
  advice: string;
  log: (line: string) => void;
  /** @returns the version of a cached program, or undefined when it is of no use (any more). */
  versionOf: (cached: CachedBinary) => Promise<string | undefined>;
}

/**
 * The program from the cache, else from the first origin that works, which fills the cache. Concurrent callers, also of
 * other processes, fetch it once.
 * @throws {ServerNotFound} with what was tried and what to do.
 */
export async function fromCacheOrOrigin(options: FetchBinaryOptions): Promise<FoundBinary> {
  const { cache, log, signal } = options;
  return (
    (await fromCache(options)) ??
    cache.exclusively(log, signal, async () => (await fromCache(options)) ?? fromOrigin(options))
  );
}

async function fromCache({ cache, origins, versionOf }: FetchBinaryOptions): Promise<FoundBinary | undefined> {
  const entry = cache.find(origins.map(({ key }) => key));
  const version = entry && (await versionOf(entry));
  return entry && version !== undefined ? { path: entry.path, source: 'cache', version } : undefined;
}

async function fromOrigin({ cache, origins, what, advice, log, signal }: FetchBinaryOptions): Promise<FoundBinary> {
  log(`there is no ${what} on this machine yet`);
  const failed: string[] = [];
  for (const { source, key, hindrance, fetch } of origins) {
    if (hindrance !== undefined) {
      failed.push(`${source}: ${hindrance}`);
      continue;
    }
    try {
      const { path, version } = await cache.add(key, source, fetch);
      return { path, source, version };
    } catch (error) {
      signal?.throwIfAborted();
      const reason = errorMessage(error);
      failed.push(`${source}: ${reason}`);
      log(`${source} does not work here (${reason})`);
    }
  }
  throw new ServerNotFound(
    [`no ${what} was found, and none could be got:`, ...failed.map((line) => `  ${line}`), advice].join('\n'),
  );
}
