import type { JsonServer } from './json-server.js';

export interface SocketWatchOptions {
  sockets: readonly JsonServer[];
  log(what: string, details: object): void;
  trouble(what: string, error: unknown): void;
}

/**
 * Looks with each beat whether the runner's sockets are still its own. Without them a pause, a nudge and an adoption
 * reach nobody, and the agent cannot report.
 */
export class SocketWatch {
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: SocketWatchOptions) {}

  /** @param every milliseconds between two rounds. */
  start(every: number): void {
    this.#timer = setInterval(() => this.#round(), every);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #round(): void {
    const { sockets, log, trouble } = this.options;
    for (const socket of sockets)
      socket.rebindIfLost().then(
        (bound) => bound && log('a socket was gone, and is bound again', { path: socket.path }),
        (error: unknown) => trouble(socket.path, error),
      );
  }
}
