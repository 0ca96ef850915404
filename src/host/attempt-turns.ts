import type { Outcome } from '../contract/index.js';
import type { AttemptDir } from '../runner/index.js';
import { orAborted } from './or-aborted.js';

/** Why the holder of a turn is asked to give way. */
export type GiveWay =
  /** A newer call, whose task token is known to be valid, goes on with the same attempt. */
  | { why: 'superseded' }
  /** The attempt is to end: nothing may be started any more. */
  | { why: 'stopped'; outcome: Outcome; reason: string };

/** The right to act on one attempt on this host. */
export interface AttemptTurn {
  /** Aborted (with a {@link GiveWay} as its reason) when somebody who outranks the holder wants the turn. */
  readonly giveWay: AbortSignal;
  end(): void;
}

/** An attempt is known by its folder on this host. */
type Folder = Pick<AttemptDir, 'path'>;

interface Holder {
  controller: AbortController;
  ended: Promise<void>;
}

/**
 * One actor at a time per attempt and host: start, adoption, stop, reaping and cleaning up never overlap, though the
 * server may send them at once (a thawed worker, a Reset in the Web UI, a stop in the middle of a clone).
 */
export class AttemptTurns {
  readonly #holders = new Map<string, Holder>();

  /** @returns whether somebody acts on the attempt now. */
  busy({ path }: Folder): boolean {
    return this.#holders.has(path);
  }

  /** @returns the turn when it is free at this moment. */
  tryTake({ path }: Folder): AttemptTurn | undefined {
    if (this.#holders.has(path)) return undefined;
    const controller = new AbortController();
    let resolve: () => void = () => undefined;
    const holder: Holder = { controller, ended: new Promise((done) => (resolve = done)) };
    this.#holders.set(path, holder);
    return {
      giveWay: controller.signal,
      end: () => {
        if (this.#holders.get(path) !== holder) return;
        this.#holders.delete(path);
        resolve();
      },
    };
  }

  /**
   * Waits for the turn.
   * @param giveWay told to whoever has it.
   * @param signal ends the waiting; the promise then rejects with its reason.
   */
  async take(dir: Folder, options: { giveWay?: GiveWay; signal?: AbortSignal } = {}): Promise<AttemptTurn> {
    for (;;) {
      options.signal?.throwIfAborted();
      const turn = this.tryTake(dir);
      if (turn !== undefined) return turn;
      const holder = this.#holders.get(dir.path);
      if (holder === undefined) continue;
      if (options.giveWay !== undefined) holder.controller.abort(options.giveWay);
      await orAborted(holder.ended, options.signal);
    }
  }
}
