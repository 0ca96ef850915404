import { isDeepStrictEqual } from 'node:util';
import { ClientError, NoServerError } from '../client/errors.js';
import { connect, connectionSettings } from '../client/connect.js';
import type { ConnectOptions, TownConnection } from '../client/connect.js';
import { asClientError } from '../client/as-client-error.js';
import { errorMessage } from '../edge/errors.js';

/** How often it is looked whether certificates or keys have changed, while somebody looks: as a worker does. */
const lookEvery = 5_000;
/** Longer than any request that may be under way. */
const leftOpenMs = 60_000;

/**
 * The board's one connection: made when somebody looks, and made anew when the server has moved, or when the
 * certificates or the key by which it is reached have changed.
 */
export class TownLink {
  readonly #options: ConnectOptions;
  readonly #log: (line: string) => void;
  #opening: Promise<TownConnection> | undefined;
  #lookAt = 0;
  #renewing: Promise<void> | undefined;
  /** What was told last: a half of a new pair is told once. */
  #told: string | undefined;
  readonly #left = new Map<TownConnection, NodeJS.Timeout>();
  /** Requests to Temporal so far. */
  requests = 0;

  constructor(options: ConnectOptions, log: (line: string) => void) {
    this.#options = options;
    this.#log = log;
  }

  /** @throws ClientError when there is no server, or it does not answer. */
  async town(): Promise<TownConnection> {
    if (this.#opening !== undefined && performance.now() >= this.#lookAt)
      await (this.#renewing ??= this.#renew(this.#opening).finally(() => (this.#renewing = undefined)));
    if (this.#opening === undefined) {
      this.#lookAt = performance.now() + lookEvery;
      this.#opening = this.#connect().catch((error: unknown) => {
        this.#opening = undefined;
        throw error;
      });
    }
    return this.#opening;
  }

  #connect(): Promise<TownConnection> {
    return connect({
      connectTimeout: 5_000,
      ...this.#options,
      onRequest: () => {
        this.requests += 1;
      },
    });
  }

  /** What cannot be read, or is not taken by the server, leaves the connection that there is. */
  async #renew(opening: Promise<TownConnection>): Promise<void> {
    try {
      const town = await opening;
      const found = await connectionSettings(this.#options);
      if (found.address !== town.address || isDeepStrictEqual(found.options, town.options)) return;
      const next = await this.#connect();
      if (this.#opening !== opening) return await next.close();
      this.#opening = Promise.resolve(next);
      this.#log('the certificates or keys have changed: the board goes on with the new ones');
      this.#told = undefined;
      this.#left.set(town, setTimeout(() => this.#leave(town), leftOpenMs).unref());
    } catch (error) {
      // A server that is away right now is told to whoever looks. No text of these holds a secret.
      const problem = errorMessage(error);
      if (problem !== this.#told)
        this.#log(`new certificates or keys are not taken, and the last good ones go on: ${problem}`);
      this.#told = problem;
    } finally {
      this.#lookAt = performance.now() + lookEvery;
    }
  }

  #leave(town: TownConnection): void {
    clearTimeout(this.#left.get(town));
    this.#left.delete(town);
    town.close().catch((error: unknown) => this.#log(`a former connection was not closed: ${errorMessage(error)}`));
  }

  /** After a failure: the connection comes back by itself, unless the server has come up at another address. */
  async closeIfMoved(error: unknown): Promise<void> {
    if (!(asClientError(error) instanceof NoServerError) || this.#opening === undefined) return;
    const town = await this.#opening.catch(() => undefined);
    try {
      if ((await connectionSettings(this.#options)).address === town?.address) return;
    } catch (missing) {
      // None is up right now: where it comes up again is looked for with the next failure.
      if (missing instanceof ClientError) return;
      throw missing;
    }
    await this.close();
  }

  async close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    for (const town of this.#left.keys()) this.#leave(town);
    await opening?.then((town) => town.close(), ignoreUnopened);
  }
}

/** What kept the board from looking, as it is told on a page. */
export interface Trouble {
  message: string;
  next?: string;
  name: string;
}

/**
 * A failed look in words. One that nobody foresaw is told too, and goes to the log: the board lives on, since the next
 * look may succeed.
 */
export function troubleOf(error: unknown, log: (line: string) => void): Trouble {
  const found = asClientError(error);
  if (found instanceof ClientError) return { message: found.message, next: found.next, name: found.name };
  log(found instanceof Error ? (found.stack ?? found.message) : String(found));
  return {
    message: 'the board has met a fault of its own',
    next: 'its log tells more (logs/board.log in the state directory)',
    name: 'Error',
  };
}

/** A connection that was never made needs no closing; whoever wanted it has been told why. */
const ignoreUnopened = (): undefined => undefined;
