import type { AttemptResult, Message } from '../../contract/index.js';
import type { AttemptDir } from '../attempt/attempt-dir.js';
import type { AdoptOutcome, RunnerConnection, RunnerStatus, StopRequest } from '../types.js';
import { SocketGoneError, refusalText, unixRequest } from './unix-http.js';

/** No runner listens: it has ended or died. `inspectAttempt` tells which. */
export class RunnerGoneError extends Error {
  override readonly name = 'RunnerGoneError';
}

/** The runner heard the request and refused it; the message says why. */
export class RunnerRefusedError extends Error {
  override readonly name = 'RunnerRefusedError';
  constructor(
    message: string,
    /** As of HTTP. */
    readonly status: number,
  ) {
    super(message);
  }
}

/** A question is answered from memory; seconds would mean that the host is in trouble. */
const answerWithinMs = 10_000;
/** An adoption tries the new token on the server first. */
const adoptWithinMs = 30_000;
/** A stop takes the grace, then saving and pushing the work. */
const stopWithinMs = 5 * 60_000;

/**
 * The host's side of a runner's control socket. Every method throws {@link RunnerGoneError} when no runner listens, and
 * {@link RunnerRefusedError} when it refuses.
 */
export class RunnerControl {
  constructor(private readonly dir: AttemptDir) {}

  /** @param withinMs how long the answer is waited for. */
  status(withinMs = answerWithinMs): Promise<RunnerStatus> {
    return this.#ask('GET', '/status', undefined, withinMs);
  }

  /**
   * Hands over a new task token, and how the server is reached now: its address, or the key to it, may have changed
   * since the runner was started. Both go over the socket and nowhere else. Not adopted: the attempt has ended already,
   * and here is its result.
   */
  async adopt(token: Uint8Array, connection?: RunnerConnection): Promise<AdoptOutcome> {
    const body = { token: Buffer.from(token).toString('base64') };
    try {
      return await this.#ask('POST', '/adopt', { ...body, connection }, adoptWithinMs);
    } catch (error) {
      if (!(error instanceof RunnerRefusedError) || error.status !== 400 || connection === undefined) throw error;
      // A runner of an earlier version refuses what it does not know: it takes the token alone.
      return await this.#ask('POST', '/adopt', body, adoptWithinMs);
    }
  }

  /** Hands over how the server is reached from now on, and leaves the token. One of an earlier version answers 404. */
  async reconnect(connection: RunnerConnection): Promise<void> {
    await this.#ask('POST', '/connection', connection, adoptWithinMs);
  }

  /**
   * Stops the attempt and resolves when no process of it is left and its work is saved.
   * @returns the recorded result; an attempt that has ended already keeps the result it has.
   */
  stop(request: StopRequest): Promise<AttemptResult> {
    return this.#ask('POST', '/stop', request, stopWithinMs);
  }

  /** Stops the agent's processes by SIGSTOP, or lets them run again; resolves when that is done. */
  async pause(paused: boolean): Promise<void> {
    await this.#ask('POST', '/pause', { paused }, answerWithinMs);
  }

  /** Puts a message into the agent's box. The same id twice is one message. */
  async deliver(message: Message): Promise<void> {
    await this.#ask('POST', '/deliver', message, answerWithinMs);
  }

  async #ask<T>(method: 'GET' | 'POST', path: string, body: unknown, timeoutMs: number): Promise<T> {
    const socketPath = (await this.dir.readRunner())?.sockets?.control;
    if (socketPath === undefined)
      throw new RunnerGoneError(`attempt ${this.dir.attempt} of bead ${this.dir.bead} has no runner`);
    let answer;
    try {
      answer = await unixRequest({ socketPath, method, path, body, timeoutMs });
    } catch (error) {
      if (error instanceof SocketGoneError)
        throw new RunnerGoneError(`the runner of attempt ${this.dir.attempt} is gone`, { cause: error });
      throw error;
    }
    if (answer.status !== 200) throw new RunnerRefusedError(refusalText(answer.body), answer.status);
    return answer.body as T;
  }
}
