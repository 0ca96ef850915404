import { IllegalStateError } from '@temporalio/common';
import type { Logger } from 'pino';

/** What of the SDK's native connection is asked here. */
export interface NativeWay {
  /** @throws {IllegalStateError} where a worker holds it still. */
  close: () => Promise<void>;
}

/**
 * The native connections of a worker process: the one in force, and former ones that workers may hold still. Each costs
 * sockets, and certificates are replaced as long as the process lives.
 */
export class NativeWays<W extends NativeWay> {
  #former: W[] = [];

  constructor(
    private current: W,
    private readonly logger: Pick<Logger, 'info' | 'warn'>,
  ) {}

  get inForce(): W {
    return this.current;
  }

  use(next: W): void {
    this.#former.push(this.current);
    this.current = next;
  }

  /** Closes the former ones, but for those that a worker holds. */
  async leave(): Promise<void> {
    for (const way of this.#former) {
      try {
        await way.close();
        this.logger.info('a former connection is closed: every worker has gone on with the new one');
      } catch (error) {
        // The SDK has no question for it: it refuses.
        if (error instanceof IllegalStateError) continue;
        this.logger.warn({ err: error }, 'a former connection could not be closed');
      }
      this.#former = this.#former.filter((other) => other !== way);
    }
  }

  /** Closes all. By now no worker may hold one. */
  async close(): Promise<void> {
    for (const way of [...this.#former, this.current]) await way.close();
  }
}
