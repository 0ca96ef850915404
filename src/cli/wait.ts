import { setTimeout as sleep } from 'node:timers/promises';
import { createLogUpdate } from 'log-update';
import type { BeadClient } from '../client/beads.js';
import { endedAs } from '../client/beads.js';
import type { BeadDescription } from '../client/describe.js';
import { NoServerError, NoWorkerError } from '../client/errors.js';
import { isFinal } from '../contract/index.js';
import type { BeadStatus, BeadView } from '../contract/index.js';
import type { Io } from './io.js';
import { progressLine } from './render/progress.js';
import { timeOfDay } from './render/format.js';

/** How a wait for a bead ended. `view` is its own last account, if a worker could give it. */
export interface WaitEnd {
  status: BeadStatus | 'terminated';
  reason: string;
  /** With `blocked`: what a person can do. */
  fix?: string;
  view?: BeadView;
}

export interface WaitOptions {
  /** Called with each account of the bead, and what the server knows of it; undefined while there is no answer. */
  onLook?: (view: BeadView | undefined, description: BeadDescription | undefined) => void;
  /** A bead that waits for a person ends the wait; default true. */
  untilBlocked?: boolean;
  /** Milliseconds between two looks; default 500. */
  every?: number;
}

/**
 * Waits until a bead has ended, or waits for a person. A wait without a worker, or through an outage of the server,
 * goes on: the bead is safe, and they may come back.
 * @throws BeadNotFoundError
 */
export async function waitForBead(
  beads: BeadClient,
  bead: string,
  { onLook, untilBlocked = true, every = 500 }: WaitOptions = {},
): Promise<WaitEnd> {
  // Whether there is such a bead and such a server is settled at once, not waited for.
  await beads.describe(bead);
  for (;;) {
    const [view, description] = await Promise.all([whenAnswered(beads.view(bead)), whenAnswered(beads.describe(bead))]);
    onLook?.(view, description);
    if (view !== undefined && isFinal(view.status)) return { status: view.status, reason: view.reason, view };
    if (untilBlocked && view?.status === 'blocked') {
      return {
        status: view.status,
        reason: view.reason,
        fix: view.wait?.for === 'person' ? view.wait.fix : undefined,
        view,
      };
    }
    // A bead whose workflow was ended from outside still says `in_progress`, and without a worker only the server knows
    // of an end.
    if (description !== undefined && description.execution !== 'RUNNING') {
      const reason = description.ending?.reason ?? view?.reason ?? 'the bead has ended';
      return { status: endedAs(description), reason, view };
    }
    await sleep(every);
  }
}

async function whenAnswered<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof NoWorkerError || error instanceof NoServerError) return undefined;
    throw error;
  }
}

const noWorker = 'no worker answers; the bead is safe and waits (start a worker with `heartbead up`)';

/** Shows a wait on stderr: a line that is redrawn on a terminal, a line per change elsewhere. */
export class WaitProgress {
  readonly #redraw: ReturnType<typeof createLogUpdate> | undefined;
  #last = '';

  constructor(
    private readonly bead: string,
    private readonly io: Io,
  ) {
    this.#redraw = io.errTty ? createLogUpdate(process.stderr) : undefined;
  }

  readonly show = (view: BeadView | undefined, description: BeadDescription | undefined): void => {
    const line =
      view !== undefined
        ? progressLine(view, description)
        : description !== undefined
          ? noWorker
          : 'the server does not answer; waiting for it';
    if (this.#redraw !== undefined)
      this.#redraw(`${this.io.errColors.dim(timeOfDay(Date.now()))}  ${this.bead}  ${line}`);
    else if (line !== this.#last) this.io.err(`${timeOfDay(Date.now())}  ${this.bead}  ${line}`);
    this.#last = line;
  };

  /** Leaves what is on the terminal there. */
  done(): void {
    this.#redraw?.done();
  }
}
