import { execa } from 'execa';
import { createRequire } from 'node:module';
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { durationText } from '../domain/words.js';

/**
 * What the SDK asks when it is told `cached-download` (sdk-core, `ephemeral_server/mod.rs`); the answer names the
 * archive.
 */
const sdkDownloads = 'https://temporal.download';
/** Name resolution and a small JSON answer. A network that lets nothing through is known after that. */
const answerWithinMs = 10_000;
/** A slow line is fine, a dead one is not. */
const silenceMs = 30_000;

/** The SDK version: the download service picks the server by it. */
export const sdkVersion = (createRequire(import.meta.url)('@temporalio/worker/package.json') as { version: string })
  .version;

export interface DownloadOptions {
  artifact: 'cli' | 'temporal-test-server';
  /** An existing, empty folder for the program. */
  into: string;
  /** The program's file name there. */
  as: string;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
  downloads?: string | undefined;
  /** Milliseconds without an answer, and without a byte of the archive, after which it is given up; for tests. */
  limits?: { answer: number; silence: number };
}

/**
 * Downloads a Temporal program from where the SDK itself gets it. The SDK's own code has no time limit and starts a
 * server at once, so this asks the same service by itself.
 * @throws when the service cannot be reached, answers late or wrongly; the message says which.
 */
export async function downloadAsSdk({
  artifact,
  into,
  as,
  log,
  signal,
  downloads = sdkDownloads,
  limits = { answer: answerWithinMs, silence: silenceMs },
}: DownloadOptions): Promise<string> {
  const query = new URLSearchParams({
    arch: architecture(),
    platform: platform(),
    format: 'tar.gz',
    'sdk-name': 'sdk-typescript',
    'sdk-version': sdkVersion,
  });
  const watch = new Watch(signal);
  const archive = join(into, 'archive.tar.gz');
  try {
    const { archiveUrl, fileToExtract } = await watch.within(limits.answer, async () =>
      readInfo(await fetch(`${downloads}/${artifact}/default?${query.toString()}`, { signal: watch.signal })),
    );
    log(`downloading ${archiveUrl}`);
    const response = await watch.within(limits.answer, async () => fetch(archiveUrl, { signal: watch.signal }));
    if (!response.ok || response.body === null)
      throw new Error(`${archiveUrl} answered with status ${response.status}`);
    watch.limit(limits.silence);
    const alive = new Transform({
      transform: (chunk, _encoding, done) => {
        watch.limit(limits.silence);
        done(null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(response.body), alive, createWriteStream(archive), { signal: watch.signal });
    watch.done();
    return await extract(archive, fileToExtract, into, as);
  } catch (error) {
    signal?.throwIfAborted();
    throw watch.explain(error);
  } finally {
    watch.done();
    await rm(archive, { force: true });
  }
}

async function readInfo(response: Response): Promise<{ archiveUrl: string; fileToExtract: string }> {
  if (!response.ok) throw new Error(`the download service answered with status ${response.status}`);
  const { archiveUrl, fileToExtract } = (await response.json()) as { archiveUrl?: unknown; fileToExtract?: unknown };
  if (typeof archiveUrl !== 'string' || typeof fileToExtract !== 'string')
    throw new Error('the download service answered something unknown');
  if (!archiveUrl.endsWith('.tar.gz')) throw new Error(`the archive has an unknown format: ${archiveUrl}`);
  return { archiveUrl, fileToExtract };
}

async function extract(archive: string, member: string, into: string, as: string): Promise<string> {
  const unpacked = join(into, 'unpacked');
  await mkdir(unpacked);
  await execa('tar', ['-xzf', archive, '-C', unpacked, '--', member]);
  const program = join(into, as);
  await rename(join(unpacked, member), program);
  await chmod(program, 0o755);
  await rm(unpacked, { recursive: true });
  return program;
}

/** A time limit that can be moved, on top of the caller's signal. */
class Watch {
  readonly #own = new AbortController();
  readonly signal: AbortSignal;
  #timer: NodeJS.Timeout | undefined;
  #late = '';

  constructor(outer: AbortSignal | undefined) {
    this.signal = outer === undefined ? this.#own.signal : AbortSignal.any([outer, this.#own.signal]);
  }

  limit(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#late = `nothing came for ${durationText(ms)}`;
      this.#own.abort();
    }, ms);
  }

  async within<T>(ms: number, action: () => Promise<T>): Promise<T> {
    this.limit(ms);
    const value = await action();
    this.done();
    return value;
  }

  done(): void {
    clearTimeout(this.#timer);
  }

  explain(error: unknown): Error {
    if (this.#late !== '') return new Error(this.#late, { cause: error });
    if (!(error instanceof Error)) return new Error(String(error));
    // `fetch` says only "fetch failed"; the reason (ENOTFOUND, ECONNREFUSED, a certificate) is in its cause.
    return error.cause instanceof Error ? new Error(reasonOf(error.cause), { cause: error }) : error;
  }
}

/** Several addresses that all refused come as one error without a text of its own. */
function reasonOf(cause: Error): string {
  if (cause instanceof AggregateError && cause.errors[0] instanceof Error) return cause.errors[0].message;
  return cause.message;
}

function architecture(): string {
  if (process.arch === 'x64') return 'amd64';
  if (process.arch === 'arm64') return 'arm64';
  throw new Error(`there is no download for the processor ${process.arch}`);
}

function platform(): string {
  return process.platform === 'win32' ? 'windows' : process.platform === 'darwin' ? 'darwin' : 'linux';
}
