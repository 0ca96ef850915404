import { ClientError, NoServerError } from '../client/errors.js';
import { connect, connectionSettings } from '../client/connect.js';
import type { ConnectOptions, TownConnection } from '../client/connect.js';
import { asClientError } from '../client/as-client-error.js';

/** The board's one connection: made when somebody looks, and made anew when the server has moved. */
export class TownLink {
  readonly #options: ConnectOptions;
  #opening: Promise<TownConnection> | undefined;
  /** Requests to Temporal so far. */
  requests = 0;

  constructor(options: ConnectOptions) {
    this.#options = options;
  }

  /** @throws ClientError when there is no server, or it does not answer. */
  town(): Promise<TownConnection> {
    this.#opening ??= connect({
      connectTimeout: 5_000,
      ...this.#options,
      onRequest: () => {
        this.requests += 1;
      },
    }).catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
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
