import type { Message } from '../../contract/index.js';
import { agentEnvironment } from '../../contract/index.js';
import type { CheckpointAnswer, DoneAnswer, MessagesAnswer } from '../types.js';
import { SocketGoneError, refusalText, unixRequest } from './unix-http.js';

/** Why a call did not work: `gone`: no runner listens; `refused`: it heard and refused, the message says why. */
export class AgentSocketError extends Error {
  override readonly name = 'AgentSocketError';
  constructor(
    readonly kind: 'gone' | 'refused',
    message: string,
    /**
     * HTTP status of a refusal: 400 bad input, 409 not now (such as a dirty tree at `done`), 413 too large, 429 too
     * many.
     */
    readonly status?: number,
  ) {
    super(message);
  }
}

/** Pushing a branch over a slow line takes its time. */
const pushWithinMs = 10 * 60_000;
/**
 * Answered from memory. A runner that stands still for a while (a machine that swaps, a process that was stopped) is no
 * failure of the agent, and must not become one.
 */
const answerWithinMs = 2 * 60_000;

/**
 * An agent's side of its runner's socket: what `heartbead agent …` and the MCP tools call. All methods throw {@link
 * AgentSocketError}.
 */
export class AgentSocketClient {
  constructor(private readonly socketPath: string) {}

  /**
   * @param env an agent's environment.
   * @throws AgentSocketError (`gone`) when `HEARTBEAD_SOCKET` is not set: this is no agent of Heartbead.
   */
  static fromEnvironment(env: NodeJS.ProcessEnv): AgentSocketClient {
    const path = env[agentEnvironment.socket];
    if (path === undefined || path === '') {
      throw new AgentSocketError(
        'gone',
        `${agentEnvironment.socket} is not set: this command is for agents that Heartbead has started`,
      );
    }
    return new AgentSocketClient(path);
  }

  /** Says that the agent is getting on. */
  async heartbeat(activity?: string): Promise<void> {
    await this.#ask('POST', '/heartbeat', activity === undefined ? {} : { activity });
  }

  /** Leaves a note for people and for later attempts. */
  async note(text: string): Promise<void> {
    await this.#ask('POST', '/note', { text });
  }

  /** Saves and pushes the work in progress now. */
  checkpoint(text?: string): Promise<CheckpointAnswer> {
    return this.#ask('POST', '/checkpoint', text === undefined ? {} : { text }, pushWithinMs);
  }

  /**
   * Reports the work as done and pushes its branch. Refused (409) while there are uncommitted changes. The agent should
   * end soon after.
   */
  done(summary?: string): Promise<DoneAnswer> {
    return this.#ask('POST', '/done', summary === undefined ? {} : { summary }, pushWithinMs);
  }

  /** Asks for a person. The agent should end soon after. */
  async escalate(text: string): Promise<void> {
    await this.#ask('POST', '/escalate', { text });
  }

  /** @returns the messages that were not acknowledged, oldest first. */
  async messages(): Promise<Message[]> {
    return (await this.#ask<MessagesAnswer>('GET', '/messages')).messages;
  }

  /** Acknowledges messages by their ids; the bead will not give them to a later attempt. @returns how many were new. */
  async acknowledge(ids: string[]): Promise<number> {
    return (await this.#ask<{ acknowledged: number }>('POST', '/messages/ack', { ids })).acknowledged;
  }

  /**
   * For the hooks of an agent's program: says that it is getting on. @returns the messages that it was not shown yet.
   */
  async hook(): Promise<Message[]> {
    return (await this.#ask<MessagesAnswer>('POST', '/hook', {})).messages;
  }

  async #ask<T>(method: 'GET' | 'POST', path: string, body?: unknown, timeoutMs = answerWithinMs): Promise<T> {
    let answer;
    try {
      answer = await unixRequest({ socketPath: this.socketPath, method, path, body, timeoutMs });
    } catch (error) {
      if (error instanceof SocketGoneError)
        throw new AgentSocketError('gone', `the runner of this attempt does not answer: ${error.message}`);
      throw error;
    }
    if (answer.status !== 200) throw new AgentSocketError('refused', refusalText(answer.body), answer.status);
    return answer.body as T;
  }
}
