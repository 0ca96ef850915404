/**
 * How a bead, a rig and a convoy listen: to signals from programs, which are never trusted, and to updates from people,
 * which are answered or refused in one sentence.
 * @module
 */
import { ApplicationFailure, defineSignal, log, setDefaultSignalHandler, setHandler } from '@temporalio/workflow';
import type { SignalDefinition, UpdateDefinition } from '@temporalio/common';
import { comingSignalNames } from '../contract/index.js';
import type { UpdateAnswer } from './messages.js';
import { listenForVersion } from './version.js';

const isRenamed = (name: string): name is keyof typeof comingSignalNames => name in comingSignalNames;

/** What becomes of a message that cannot be read. */
export interface Malformed {
  type: 'malformed';
  message: string;
  problem: string;
}

/** @param E the events of the workflow that listens. */
export class Listener<E> {
  #signals = 0;
  #toldOfVersion = false;

  /**
   * @param whose `bead`, `rig` or `convoy`, for the log.
   * @param apply changes the state.
   * @param countsUnknown whether a signal that no handler takes counts as one.
   */
  constructor(
    private readonly whose: string,
    private readonly apply: (event: E | Malformed) => void,
    private readonly countsUnknown: () => boolean = () => true,
  ) {}

  /** How many signals this run has taken: the server refuses them from 10,000 on, and warns of nothing. */
  get signals(): number {
    return this.#signals;
  }

  /** Whether a worker has told this run that its build is no longer the current one. */
  get toldOfVersion(): boolean {
    return this.#toldOfVersion;
  }

  /**
   * Handlers of signals never throw and never trust their payload: a throw would wedge the workflow.
   * @param reader the value, or what is wrong with it.
   * @param known whether this run knows the signal: an earlier run takes it as one that nobody knows.
   */
  signal<P, T>(
    definition: SignalDefinition<[P]>,
    reader: (payload: unknown) => T | string,
    event: (value: T) => E,
    description: string,
    known: () => boolean = () => true,
  ): void {
    const { name } = definition;
    const take = (payload?: unknown): void => {
      if (!known()) return this.#unknown(name);
      this.#signals += 1;
      const value = reader(payload);
      if (typeof value !== 'string') return this.apply(event(value));
      log.warn('a message that cannot be read was dropped', { name, problem: value });
      this.apply({ type: 'malformed', message: name, problem: value });
    };
    setHandler(definition, take, { description });
    if (isRenamed(name)) setHandler(defineSignal<[P]>(comingSignalNames[name]), take, { description });
  }

  /** To be called after the last `signal`: the word of another version, and whatever nobody knows. */
  others(): void {
    listenForVersion(() => {
      this.#signals += 1;
      this.#toldOfVersion = true;
    });
    setDefaultSignalHandler((name) => this.#unknown(name));
  }

  #unknown(name: string): void {
    if (this.countsUnknown()) this.#signals += 1;
    log.warn(`a signal that no ${this.whose} knows was dropped`, { name });
    this.apply({ type: 'malformed', message: name, problem: 'unknown signal' });
  }

  /**
   * @param problem why the update makes no sense now; what is given to it is unchecked.
   * @param take changes the state, and answers.
   */
  update<P>(
    definition: UpdateDefinition<UpdateAnswer, [P]>,
    description: string,
    problem: (given: P) => string | undefined,
    take: (given: P) => UpdateAnswer | Promise<UpdateAnswer>,
  ): void {
    setHandler(definition, take, {
      description,
      validator: (given) => {
        const refused = problem(given);
        if (refused !== undefined) throw ApplicationFailure.nonRetryable(refused, 'Refused');
      },
    });
  }
}
