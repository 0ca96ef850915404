import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import { createHash } from 'node:crypto';
import { SearchAttributeType, defineSearchAttributeKey } from '@temporalio/common';
import { beadWorkflowId, defaultPriority, messages, searchAttributes, workflowTypes } from '../contract/index.js';
import type { BeadChange, BeadInput, BeadStatus, BeadView } from '../contract/index.js';
import { namesOfChange } from '../domain/bead/orders.js';
import { carriedBead } from '../domain/bead/state.js';
import type { TownConnection } from './connect.js';
import { defaultDeadline, within } from './deadline.js';
import { describeBead } from './describe.js';
import type { BeadDescription } from './describe.js';
import {
  BeadEndedError,
  BeadExistsError,
  BeadNotFoundError,
  BeadRefusedError,
  ChangeIgnoredError,
  NoWorkerError,
} from './errors.js';
import { noWorkerAnswered, asClientError, unlessOvertaken } from './as-client-error.js';

const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);
const keys = {
  beadStatus: keyword(searchAttributes.beadStatus),
  agentStatus: keyword(searchAttributes.agentStatus),
  rig: keyword(searchAttributes.rig),
  convoy: keyword(searchAttributes.convoy),
};

/** A pause is answered when the host has heard of it, for which the bead waits 20 s. */
const settleWithin = 30_000;

/** What the requests to a bead have in common. */
export interface BeadClientOptions {
  /** Milliseconds within which every request must have been answered; default 10 s. */
  deadline?: number;
}

/**
 * Typed requests to beads. Every request has a deadline; every expected failure is a `ClientError` with its next step.
 */
export class BeadClient {
  readonly #deadline: number;

  constructor(
    private readonly town: Pick<TownConnection, 'client'> & Partial<Pick<TownConnection, 'privateNames'>>,
    options: BeadClientOptions = {},
  ) {
    this.#deadline = options.deadline ?? defaultDeadline;
  }

  /**
   * Starts a bead. The id of a bead that is open, or has finished its work, is refused and nothing is changed;
   * that of a cancelled or terminated one may be used again (its attempts have other ids, so its refs stay apart).
   * @param again also the id of one that has finished.
   * @throws BeadExistsError
   */
  async start(
    input: BeadInput,
    taskQueue: string,
    { again = false }: { again?: boolean } = {},
  ): Promise<{ runId: string }> {
    try {
      const handle = await this.#limited(() =>
        this.town.client.workflow.start(workflowTypes.bead, {
          workflowId: beadWorkflowId(input.bead),
          taskQueue,
          args: [input],
          workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
          workflowIdReusePolicy: again
            ? WorkflowIdReusePolicy.ALLOW_DUPLICATE
            : WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
          // Codecs cover all of these; whoever wants no title there although nothing is encrypted has none.
          ...(this.town.privateNames === true
            ? { memo: { agent: input.agent.adapter } }
            : {
                staticSummary: input.title,
                staticDetails: staticDetails(input),
                // The list of beads shows titles without asking each bead; a summary is not part of what visibility
                // returns.
                memo: { title: input.title, repo: input.repo, agent: input.agent.adapter },
              }),
          priority: { priorityKey: input.priority ?? defaultPriority, fairnessKey: fairnessKey(input) },
          typedSearchAttributes: [
            { key: keys.beadStatus, value: 'open' },
            { key: keys.agentStatus, value: 'none' },
            ...(input.rig === undefined ? [] : [{ key: keys.rig, value: input.rig }]),
            ...(input.convoy === undefined ? [] : [{ key: keys.convoy, value: input.convoy }]),
          ],
        }),
      );
      return { runId: handle.firstExecutionRunId };
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError)
        throw new BeadExistsError(input.bead, await this.#statusWord(input.bead));
      throw asClientError(error);
    }
  }

  /**
   * The bead's own account of itself. It needs a worker; `describe` does not.
   * @throws BeadNotFoundError, NoWorkerError
   */
  async view(bead: string, deadline = this.#deadline): Promise<BeadView> {
    try {
      const view = await this.#limited(() => this.#handle(bead).query<BeadView>(messages.state), deadline);
      // A worker of an earlier build answers by former names.
      return { ...view, ...carriedBead(view) };
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) throw new BeadNotFoundError(bead);
      if (noWorkerAnswered(error)) throw new NoWorkerError(`bead ${bead}`, { cause: error });
      throw asClientError(error);
    }
  }

  /**
   * What the server knows of a bead without its worker.
   * @throws BeadNotFoundError
   */
  async describe(bead: string): Promise<BeadDescription> {
    try {
      return await this.#limited(() => describeBead(this.town.client, bead));
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) throw new BeadNotFoundError(bead);
      throw asClientError(error);
    }
  }

  /** Gives the agent a message. @returns the bead's sentence. */
  nudge(bead: string, text: string): Promise<string> {
    return this.#update(bead, messages.nudge, { text });
  }

  /**
   * Starts a blocked bead again, ends a back-off, or (`now`) gives an unreachable attempt up at once; with another
   * agent or base from the next attempt on, where these are given. @returns the bead's sentence.
   * @throws ChangeIgnoredError
   */
  async retry(bead: string, { now, agent, base }: { now?: boolean } & BeadChange = {}): Promise<string> {
    const wanted = namesOfChange({ agent, base });
    const answer = await this.#ask(bead, messages.retry, { now: now === true ? true : undefined, agent, base });
    const ignored = wanted.filter((name) => answer.changed?.includes(name) !== true);
    if (ignored.length > 0) throw new ChangeIgnoredError(bead, ignored);
    return answer.text;
  }

  pause(bead: string): Promise<string> {
    return this.#update(bead, messages.pause, {});
  }

  resume(bead: string): Promise<string> {
    return this.#update(bead, messages.resume, {});
  }

  /**
   * Lets the verified work be merged.
   * @param signature by an approver's key, over `beadApprovalText`; needed where the rig has approvers.
   * @returns the bead's sentence.
   */
  approve(bead: string, by?: string, signature?: string): Promise<string> {
    return this.#update(bead, messages.approve, { by, signature });
  }

  /** Sends the work back with advice. @param by who asks. @returns the bead's sentence. */
  requestChanges(bead: string, feedback: string, by?: string): Promise<string> {
    return this.#update(bead, messages.requestChanges, by === undefined ? { feedback } : { feedback, by });
  }

  /**
   * Asks for cancellation; the bead is `cancelled` only when no process of its attempt is left. Asking twice is
   * harmless.
   * @throws BeadNotFoundError, BeadEndedError
   */
  async cancel(bead: string): Promise<void> {
    const before = await this.describe(bead);
    if (before.execution !== 'RUNNING') throw new BeadEndedError(bead, endedAs(before));
    try {
      await this.#limited(() => this.#handle(bead).cancel());
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) throw await this.#goneOrEnded(bead);
      throw asClientError(error);
    }
  }

  async #update(bead: string, name: string, payload: object): Promise<string> {
    return (await this.#ask(bead, name, payload)).text;
  }

  async #ask(bead: string, name: string, payload: object): Promise<{ text: string; changed?: string[] }> {
    let taken = false;
    try {
      return await unlessOvertaken(async () => {
        taken = false;
        const update = await this.#limited(() =>
          this.#handle(bead).startUpdate<{ text: string; changed?: string[] }, [object]>(name, {
            args: [payload],
            waitForStage: 'ACCEPTED',
          }),
        );
        taken = true;
        return this.#limited(() => update.result(), Math.max(this.#deadline, settleWithin));
      });
    } catch (error) {
      if (error instanceof WorkflowUpdateFailedError)
        throw new BeadRefusedError(bead, error.cause?.message ?? error.message, { cause: error });
      if (error instanceof WorkflowNotFoundError) throw await this.#goneOrEnded(bead);
      if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || noWorkerAnswered(error)) {
        // A bead that ended long ago answers no update even with a worker up; say that rather than "no worker".
        const description = await this.describe(bead);
        if (description.execution !== 'RUNNING') throw new BeadEndedError(bead, endedAs(description));
        throw new NoWorkerError(
          taken
            ? `bead ${bead} any more; the bead has taken the request, but has not said what came of it`
            : `bead ${bead}; whether the request will be carried out when one comes is not certain`,
          { cause: error },
        );
      }
      throw asClientError(error);
    }
  }

  async #goneOrEnded(bead: string): Promise<BeadNotFoundError | BeadEndedError> {
    try {
      return new BeadEndedError(bead, endedAs(await this.describe(bead)));
    } catch (error) {
      if (error instanceof BeadNotFoundError) return error;
      throw error;
    }
  }

  async #statusWord(bead: string): Promise<string> {
    const description = await this.describe(bead);
    return description.execution === 'RUNNING' ? (description.status ?? 'open') : endedAs(description);
  }

  #handle(bead: string): WorkflowHandle {
    return this.town.client.workflow.getHandle(beadWorkflowId(bead));
  }

  #limited<R>(fn: () => Promise<R>, deadline = this.#deadline): Promise<R> {
    return within(this.town.client, deadline, fn);
  }
}

/** @returns how a bead ended, in the bead's words; `terminated` when somebody ended its workflow from outside. */
export function endedAs(description: BeadDescription): BeadStatus | 'terminated' {
  switch (description.execution) {
    case 'CANCELLED':
      return 'cancelled';
    case 'TERMINATED':
    case 'TIMED_OUT':
      return 'terminated';
    case 'FAILED':
      return 'failed';
    default:
      return description.status ?? 'closed';
  }
}

/**
 * Beads of one rig (or, without one, of one repository) share the places of hosts fairly. At most 64 bytes by the
 * server's rule.
 */
function fairnessKey(input: BeadInput): string {
  return input.rig !== undefined && Buffer.byteLength(input.rig) <= 64
    ? input.rig
    : createHash('sha256')
        .update(input.rig ?? input.repo)
        .digest('hex')
        .slice(0, 16);
}

/** Markdown for the Web UI. Backticks keep what a person typed from being read as markup. */
function staticDetails(input: BeadInput): string {
  const code = (text: string): string => `\`${text.replaceAll('`', "'")}\``;
  return [
    `- repository: ${code(input.repo)}`,
    `- base: ${input.base === undefined ? "the remote's default branch" : code(input.base)}`,
    `- agent: ${code(input.agent.adapter)}`,
    ...(input.rig === undefined ? [] : [`- rig: ${code(input.rig)}`]),
    '',
    `\`heartbead explain ${input.bead}\` tells what it is doing and what comes next.`,
  ].join('\n');
}
