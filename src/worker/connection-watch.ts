import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { LivingRunners } from '../host/index.js';
import { RunnerControl, RunnerGoneError } from '../runner/index.js';
import type { AttemptDir, RunnerConnection } from '../runner/index.js';

/** Certificates live for hours at least; whoever replaces them waits for no longer than this. */
const lookEvery = 5_000;

/** A way to the server as it was read just now. */
export interface ConnectionRead<O> {
  record: RunnerConnection;
  options: O;
}

export interface ConnectionWatchOptions<O> {
  first: RunnerConnection;
  /** Reads certificates and keys anew. */
  read: () => Promise<ConnectionRead<O>>;
  /** Tries the new way and takes it; what it throws leaves the old one in force. */
  take: (options: O) => Promise<void>;
  /** Lets workers that began meanwhile have the way that is in force, and closes former ones. */
  settle: () => Promise<void>;
  runners: Pick<LivingRunners, 'dirs'>;
  logger: Logger;
}

/**
 * Looks whether the certificates, the key or the metadata by which this worker reaches its server have changed, takes
 * what is good there, and hands it to the living runners of this host: neither they nor the worker are restarted.
 */
export class ConnectionWatch<O> {
  readonly #stopped = new AbortController();
  /** What was told last, of records that are no good and of what cannot be read: each is told once. */
  #told: unknown;
  #changed = false;
  readonly #refused = new Map<string, string>();
  #loop: Promise<void> = Promise.resolve();
  #record: RunnerConnection;

  constructor(private readonly options: ConnectionWatchOptions<O>) {
    this.#record = options.first;
  }

  /** How runners reach the server from now on. */
  get record(): RunnerConnection {
    return this.#record;
  }

  start(): void {
    this.#loop = this.#watch();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await sleep(lookEvery, undefined, { signal, ref: false }).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
      if (signal.aborted) return;
      await this.refresh().catch((error: unknown) =>
        this.options.logger.error({ err: error }, 'the look at certificates and keys failed; the next one follows'),
      );
    }
  }

  /** Reads once, and takes what has changed. */
  async refresh(): Promise<void> {
    const { read, take, settle, logger } = this.options;
    let found: ConnectionRead<O>;
    try {
      found = await read();
    } catch (error) {
      // Files are often replaced one by one. The text names no content.
      this.#tell((error as Error).message, 'the certificates or keys cannot be read: the last good ones go on');
      return;
    }
    // Another server or namespace would be another town: that takes a new worker.
    const { address, namespace } = this.#record;
    const record = { ...found.record, address, namespace };
    if (!isDeepStrictEqual(record, this.#record)) {
      try {
        await take(found.options);
        this.#record = record;
        this.#changed = true;
        this.#told = undefined;
        logger.info('the certificates or keys have changed: the worker goes on with the new ones');
      } catch (error) {
        if (!isDeepStrictEqual(this.#told, record))
          logger.warn(
            { problem: (error as Error).message },
            'the certificates or keys have changed, and the server is not reached with the new ones: the last ' +
              'good ones go on',
          );
        this.#told = record;
      }
    }
    if (!this.#changed) return;
    await settle();
    await Promise.all(this.options.runners.dirs.map((dir) => this.#handOver(dir)));
  }

  #tell(what: string, text: string): void {
    if (this.#told !== what) this.options.logger.warn({ problem: what }, text);
    this.#told = what;
  }

  /** By what stands in its folder: a runner that began in the meantime may have the former way. */
  async #handOver(dir: AttemptDir): Promise<void> {
    const wanted = asWritten(this.#record);
    try {
      if (isDeepStrictEqual(await dir.readConnection(), wanted)) return;
      await new RunnerControl(dir).reconnect(this.#record);
      this.#refused.delete(dir.path);
    } catch (error) {
      // The look at the runners settles it.
      if (error instanceof RunnerGoneError) return;
      const problem = (error as Error).message;
      if (this.#refused.get(dir.path) !== problem)
        this.options.logger.warn(
          { bead: dir.bead, attempt: dir.attempt, problem },
          'a runner did not take the new certificates or keys yet; its next adoption hands them over at the latest',
        );
      this.#refused.set(dir.path, problem);
    }
  }
}

const asWritten = (record: RunnerConnection): unknown => JSON.parse(JSON.stringify(record));
