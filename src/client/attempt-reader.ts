import { WorkflowFailedError } from '@temporalio/client';
import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/common';
import { randomUUID } from 'node:crypto';
import { hostQuestionId, hostQuestionType } from '../contract/index.js';
import type { AttemptPart, AttemptPiece, HostQuestion } from '../contract/index.js';
import type { TownConnection } from './connect.js';
import { defaultDeadline, within } from './deadline.js';
import { AttemptUnreadableError, HostAwayError, NoWorkerError } from './errors.js';
import { asClientError, isNotFound, noWorkerAnswered } from './as-client-error.js';

/** Whose writing is read, and where it lies. */
export interface AttemptSource {
  bead: string;
  attempt: string;
  host: string;
  part: AttemptPart;
  /** The rig whose refinery ran the checks, for a `check-log`. */
  rig?: string;
  /** The path in the working tree, for a `file`. */
  path?: string;
}

/** From the task's way to a host (which has 10 s to take it) and back. */
const travelMs = 20_000;

/**
 * Reads what an attempt has written, piece by piece, from any machine that reaches Temporal: the attempt's host is
 * asked over its own queue. Remembers where it is; after a failure the next call goes on there.
 */
export class AttemptReader {
  #after: string | undefined;
  /** Questions that could not be deleted yet. */
  readonly #left = new Set<string>();

  constructor(
    private readonly town: Pick<TownConnection, 'client' | 'taskQueue'>,
    readonly source: AttemptSource,
    /** Only the end of a log is read, and what is added to it. */
    private readonly fromEnd = false,
  ) {}

  /**
   * @param waitMs the host may wait so long for something new, 30 s at most.
   * @returns the next piece; empty when there is nothing new.
   * @throws HostAwayError, AttemptUnreadableError, NoWorkerError
   */
  async next(waitMs = 0): Promise<AttemptPiece & { bytes: Buffer }> {
    const { bead, attempt, host, part, rig, path } = this.source;
    const { client, taskQueue } = this.town;
    const workflowId = hostQuestionId(randomUUID());
    const question: HostQuestion = {
      host,
      read: { bead, attempt, part, rig, path, after: this.#after, fromEnd: this.fromEnd, waitMs },
    };
    try {
      const handle = await within(client, defaultDeadline, () =>
        client.workflow.start(hostQuestionType, {
          workflowId,
          taskQueue,
          args: [question],
          workflowExecutionTimeout: waitMs + 2 * travelMs,
          // A person waits for it.
          priority: { priorityKey: 1 },
        }),
      );
      this.#left.add(workflowId);
      const piece = (await within(client, waitMs + travelMs, () => handle.result())) as AttemptPiece;
      await this.#forget();
      // Only now: a piece that nobody gets is asked for again.
      this.#after = piece.next;
      return { ...piece, bytes: Buffer.from(piece.data, 'base64') };
    } catch (error) {
      const problem = this.#problem(error);
      // Why there was no answer says more than why the question could not be deleted; the next call tries that again.
      await this.#forget().catch(() => undefined);
      throw problem;
    }
  }

  /** What an agent printed may be a secret: it is not to stay in a history. */
  async #forget(): Promise<void> {
    const { client } = this.town;
    const { namespace } = client.options;
    for (const workflowId of this.#left) {
      await within(client, defaultDeadline, () =>
        client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId } }),
      ).catch((error: unknown) => {
        // An answer that got lost: it has been deleted.
        if (!isNotFound(error)) throw error;
      });
      this.#left.delete(workflowId);
    }
  }

  #problem(error: unknown): unknown {
    const { host } = this.source;
    if (!(error instanceof WorkflowFailedError)) {
      return noWorkerAnswered(error)
        ? new NoWorkerError(`a question to host ${host}`, { cause: error })
        : asClientError(error);
    }
    const failure = error.cause instanceof ActivityFailure ? error.cause.cause : error.cause;
    if (failure instanceof TimeoutFailure) return new HostAwayError(host, { cause: error });
    if (failure instanceof ApplicationFailure)
      return new AttemptUnreadableError(failure.message, this.source.bead, { cause: error });
    return error;
  }
}
