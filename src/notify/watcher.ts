import type { Logger } from 'pino';
import { errorMessage } from '../edge/errors.js';
import { deliver } from './deliver.js';
import type { Notification } from './event.js';
import { findEvents } from './find-events.js';
import type { NotifyTown } from './find-events.js';
import { Outbox } from './outbox.js';
import type { Letter } from './outbox.js';
import { NotificationSettingsError, readHooks, settingsPath } from './settings.js';
import type { Hook } from './settings.js';

export interface NotifierOptions {
  town: NotifyTown;
  home: string;
  logger: Logger;
  env?: NodeJS.ProcessEnv;
  /** Milliseconds between two looks; default 10 s: a person is to hear of it, not a machine. */
  every?: number;
}

/**
 * Tells the hooks of this host what happens in its town, at least once. It runs beside the worker and only reads:
 * nothing of it is in any workflow. The settings are read with each look, so that a change needs no restart; without a
 * file it does nothing.
 */
export class Notifier {
  readonly #options: Required<NotifierOptions>;
  #timer: NodeJS.Timeout | undefined;
  #pass: Promise<void> | undefined;
  #stopped = false;
  /** Told once in the log, not with each look. */
  #lastProblem = '';
  #outbox: Outbox | undefined;

  constructor(options: NotifierOptions) {
    this.#options = { env: process.env, every: 10_000, ...options };
  }

  start(): void {
    this.#schedule(0);
  }

  /** Ends after the letter under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#pass;
  }

  #schedule(wait: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#pass = this.round().finally(() => this.#schedule(this.#options.every));
    }, wait);
    this.#timer.unref();
  }

  /** One round: what is new is found, and what is due is sent. Never throws: a notification must not end a worker. */
  async round(): Promise<void> {
    const { town, home, env, logger } = this.#options;
    try {
      const hooks = await readHooks(settingsPath(home, env));
      if (hooks === undefined || hooks.length === 0) return;
      this.#outbox ??= await Outbox.open(home, Date.now());
      const wanted = (notification: Notification): string[] =>
        hooks.filter(({ on }) => on.includes(notification.event)).map(({ name }) => name);
      await this.#outbox.take(await findEvents(town, this.#outbox.since), wanted, Date.now());
      await this.#send(hooks, this.#outbox);
      this.#lastProblem = '';
    } catch (error) {
      const problem = errorMessage(error);
      if (problem !== this.#lastProblem)
        logger.warn(
          error instanceof NotificationSettingsError ? { problem } : { err: error },
          'notifications cannot be sent now',
        );
      this.#lastProblem = problem;
    }
  }

  /** Each hook by itself: one whose receiver is away, or takes its time, holds no other up. */
  async #send(hooks: Hook[], outbox: Outbox): Promise<void> {
    const due = outbox.due(Date.now());
    const ofNobody = due.filter((letter) => !hooks.some(({ name }) => name === letter.hook));
    for (const letter of ofNobody) await outbox.delivered(letter);
    await Promise.all(
      hooks.map(async (hook) => {
        for (const letter of due.filter(({ hook: name }) => name === hook.name)) {
          // The next round tries the others: each of them may take as long, and what is new waits for this round.
          if (this.#stopped || !(await this.#tell(hook, letter, outbox))) return;
        }
      }),
    );
  }

  /** @returns whether the hook has taken it. */
  async #tell(hook: Hook, letter: Letter, outbox: Outbox): Promise<boolean> {
    const { home, env, logger } = this.#options;
    const { id } = letter.notification;
    try {
      await deliver(hook, letter.notification, { home, env });
    } catch (error) {
      const next = await outbox.failed(letter, Date.now());
      logger.warn(
        {
          hook: hook.name,
          id,
          tries: letter.tries + 1,
          problem: (error as Error).message,
          next: next === undefined ? 'given up' : new Date(next).toISOString(),
        },
        'a hook could not be told',
      );
      return false;
    }
    await outbox.delivered(letter);
    logger.info({ hook: hook.name, id, tries: letter.tries + 1 }, 'a hook was told');
    return true;
  }
}
