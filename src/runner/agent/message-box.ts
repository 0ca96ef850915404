import { limits } from '../../contract/index.js';
import type { Message } from '../../contract/index.js';

/**
 * The agent's messages: kept in order until each is acknowledged by its id. Delivered is not acknowledged, and shown is
 * not either.
 */
export class MessageBox {
  readonly #messages = new Map<string, Message>();
  readonly #done = new Set<string>();
  readonly #shown = new Set<string>();

  /** @param initial stand in the agent's prompt. */
  constructor(initial: readonly Message[]) {
    for (const message of initial) {
      this.deliver(message);
      this.#shown.add(message.id);
    }
  }

  /** The same id twice is one message. @returns what is wrong, or undefined. */
  deliver(message: Message): string | undefined {
    if (this.#done.has(message.id) || this.#messages.has(message.id)) return undefined;
    if (this.#messages.size >= limits.messagesKept)
      return `the agent has ${limits.messagesKept} messages that it has not acknowledged`;
    this.#messages.set(message.id, message);
    return undefined;
  }

  /** Oldest first. */
  unacknowledged(): Message[] {
    return [...this.#messages.values()];
  }

  /** What is put before the agent now, unasked: each message once. Oldest first. */
  show(): Message[] {
    const fresh = this.unacknowledged().filter(({ id }) => !this.#shown.has(id));
    for (const { id } of fresh) this.#shown.add(id);
    return fresh;
  }

  /** Ids that are not in the box are passed over. @returns the ids that were. */
  acknowledge(ids: readonly string[]): string[] {
    const known = ids.filter((id) => this.#messages.delete(id));
    for (const id of known) this.#done.add(id);
    return known;
  }

  /** All ids that were ever acknowledged, oldest first. */
  acknowledged(): string[] {
    return [...this.#done];
  }
}
