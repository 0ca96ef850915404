import { AsyncLocalStorage } from 'node:async_hooks';
import type { Connection } from '@temporalio/client';

/** Longer than any request that may be under way. */
const leftOpenMs = 60_000;
/** What hands a call its deadline, metadata or signal, by a store of the connection's own. */
const scopes: ReadonlySet<string | symbol> = new Set(['withDeadline', 'withMetadata', 'withApiKey', 'withAbortSignal']);

/**
 * A connection whose way to the server can be replaced (by one with a new certificate, say) under the clients that have
 * it: the SDK's own keeps what it was made with for good.
 */
export class LivingConnection {
  /** For clients. A call in the scope of a deadline keeps to the way that the scope began with, which knows of it. */
  readonly connection: Connection;
  readonly #scope = new AsyncLocalStorage<Connection>();
  readonly #left = new Map<Connection, NodeJS.Timeout>();
  #current: Connection;

  /** @param onTrouble hears of a former way that could not be closed. */
  constructor(
    first: Connection,
    private readonly onTrouble: (error: unknown) => void,
  ) {
    this.#current = first;
    this.connection = new Proxy(first, {
      get: (_first, name) => {
        const way = this.#scope.getStore() ?? this.#current;
        const value: unknown = Reflect.get(way, name, way);
        if (typeof value !== 'function') return value;
        const method = value.bind(way) as (...args: unknown[]) => unknown;
        return scopes.has(name) ? (...args: unknown[]) => this.#scope.run(way, () => method(...args)) : method;
      },
    });
  }

  /** Every request from now on goes by this way. The former one is closed when none can be under way any more. */
  use(next: Connection): void {
    const former = this.#current;
    this.#current = next;
    this.#left.set(former, setTimeout(() => void this.#close(former), leftOpenMs).unref());
  }

  async close(): Promise<void> {
    await Promise.all([...this.#left.keys()].map((former) => this.#close(former)));
    await this.#current.close();
  }

  async #close(former: Connection): Promise<void> {
    clearTimeout(this.#left.get(former));
    this.#left.delete(former);
    await former.close().catch(this.onTrouble);
  }
}
