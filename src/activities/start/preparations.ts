import type { BeatPhase, StartAgentInput } from '../../contract/index.js';
import type { AttemptDir } from '../../runner/index.js';
import type { ActivityDeps } from '../deps.js';
import { removeUnusedWorkspace } from '../workspace.js';
import { EarlyFetch } from './early-fetch.js';
import { prepareWorkspace } from './preparation.js';
import type { Prepared, Progress } from './preparation.js';

/** Why a preparation is broken off, and what stays on disk then. */
type Abandonment =
  /** Nobody needs it any more: nothing stays. */
  | 'unwanted'
  /** Nobody came back for it in time: the folder stays, so that a late adoption can begin anew. */
  | 'forsaken'
  /** The worker stops: all stays as it is; its next one goes on from there. */
  | 'shutdown';

class Abandoned extends Error {
  constructor(readonly how: Abandonment) {
    super(`the preparation was broken off (${how})`);
    this.name = 'Abandoned';
  }
}

/** A call that waits for a preparation. */
export interface Hold {
  /**
   * Resolves when the workspace is ready. @throws what {@link prepareWorkspace} throws; nothing of it is left on disk
   * then.
   */
  readonly ready: Promise<Prepared>;
  /** This call waits no longer, another one may: the work goes on for a while. */
  letGo(): void;
  /** Breaks the work off and resolves when it has stopped and the disk is as `how` says. */
  abandon(how: 'unwanted' | 'shutdown'): Promise<void>;
}

interface Preparation {
  controller: AbortController;
  ready: Promise<Prepared>;
  /** `ready` without its errors. */
  over: Promise<unknown>;
  listener: Progress | undefined;
  last: { phase: BeatPhase; text: string };
  forsakenTimer?: NodeJS.Timeout;
}

/**
 * Preparations belong to the attempt, not to the call that began them: when a long clone's call has lost its lease (a
 * network hiccup, a frozen worker), the adoption that follows joins the clone instead of beginning it again.
 */
export class Preparations {
  readonly #running = new Map<string, Preparation>();
  readonly #early = new Map<string, EarlyFetch>();

  constructor(private readonly deps: ActivityDeps) {}

  /** Fetches what the attempt's preparation will need, for an attempt that is new here. */
  fetchEarly(input: StartAgentInput, dir: AttemptDir): void {
    if (this.#early.has(dir.path) || this.#running.has(dir.path)) return;
    this.#early.set(dir.path, new EarlyFetch(this.deps.host.mirrors, input, this.deps.spareTrees));
  }

  /** No preparation of the attempt comes; one that has begun keeps what was fetched. */
  dropEarly(dir: AttemptDir): void {
    this.#early.get(dir.path)?.controller.abort(new Abandoned('unwanted'));
    this.#early.delete(dir.path);
  }

  /**
   * Breaks the attempt's preparation off, if there is one, and resolves when nothing of it is at work. Only the holder
   * of the attempt's turn may.
   */
  async abandon(dir: AttemptDir): Promise<void> {
    const running = this.#running.get(dir.path);
    running?.controller.abort(new Abandoned('unwanted'));
    await running?.over;
  }

  /** @returns whether the attempt is being prepared; one that is broken off may be, for a moment. */
  isRunning(dir: AttemptDir): boolean {
    return this.#running.has(dir.path);
  }

  /** Joins the attempt's preparation, or begins it. Only the holder of the attempt's turn may. */
  async join(input: StartAgentInput, dir: AttemptDir, listener: Progress): Promise<Hold> {
    let running = this.#running.get(dir.path);
    // One that is being broken off is no use any more.
    while (running?.controller.signal.aborted === true) {
      await running.over;
      running = this.#running.get(dir.path);
    }
    running ??= this.#begin(input, dir);
    return this.#hold(running, listener, input.clocks.adoptWithin);
  }

  #hold(running: Preparation, listener: Progress, adoptWithin: number): Hold {
    clearTimeout(running.forsakenTimer);
    running.listener = listener;
    listener(running.last.phase, running.last.text);
    return {
      ready: running.ready,
      letGo: () => {
        if (running.listener !== listener) return;
        running.listener = undefined;
        // As long as an adoption of the attempt may take to come.
        running.forsakenTimer = setTimeout(() => running.controller.abort(new Abandoned('forsaken')), adoptWithin);
        running.forsakenTimer.unref();
      },
      abandon: async (how) => {
        running.controller.abort(new Abandoned(how));
        await running.over;
      },
    };
  }

  #begin(input: StartAgentInput, dir: AttemptDir): Preparation {
    const early = this.#early.get(dir.path);
    this.#early.delete(dir.path);
    const controller = early?.controller ?? new AbortController();
    const running: Preparation = {
      controller,
      listener: undefined,
      last: { phase: 'accepted', text: 'begins' },
      ready: Promise.resolve({}),
      over: Promise.resolve(),
    };
    const tell: Progress = (phase, text) => {
      running.last = { phase, text };
      running.listener?.(phase, text);
    };
    running.ready = prepareWorkspace(this.deps, input, dir, { signal: controller.signal, progress: tell, early })
      .catch(async (error: unknown) => {
        const how = controller.signal.aborted ? (controller.signal.reason as Abandoned).how : 'unwanted';
        // A leftover is removed by a later sweep; the reason of the failure must not get lost over it.
        await this.#removeRest(input, dir, how).catch((left: unknown) =>
          this.deps.host.logger.warn(
            { err: left, attempt: input.attempt },
            'the rest of a broken-off preparation could not be removed',
          ),
        );
        throw error;
      })
      .finally(() => {
        clearTimeout(running.forsakenTimer);
        this.#running.delete(dir.path);
        // What was fetched early and is not needed after all goes on no longer.
        controller.abort(new Abandoned('unwanted'));
      });
    running.over = running.ready.catch(() => undefined);
    this.#running.set(dir.path, running);
    return running;
  }

  async #removeRest(input: StartAgentInput, dir: AttemptDir, how: Abandonment): Promise<void> {
    switch (how) {
      case 'unwanted':
        return removeUnusedWorkspace(this.deps.host, dir, input.repo);
      case 'forsaken':
        return removeUnusedWorkspace(this.deps.host, dir, input.repo, { keepFolder: true });
      case 'shutdown':
        return;
    }
  }
}
