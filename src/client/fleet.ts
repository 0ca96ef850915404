import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import {
  convoyMessages,
  convoyWorkflowId,
  limits,
  rigMessages,
  rigWorkflowId,
  searchAttributes,
} from '../contract/index.js';
import type {
  AddBead,
  ConfigureRig,
  ConvoySpec,
  ConvoyView,
  RemoveBead,
  RemoveRig,
  RigSettings,
  RigView,
} from '../contract/index.js';
import { markingSealed } from '../codec/index.js';
import { convoyIdProblem } from '../domain/convoy/graph.js';
import { rigNameProblem } from '../domain/rig/settings.js';
import type { TownConnection } from './connect.js';
import { pendingActivities } from './describe.js';
import { defaultDeadline, within } from './deadline.js';
import { FleetEndedError, FleetExistsError, FleetNotFoundError, FleetRefusedError, NoWorkerError } from './errors.js';
import type { FleetKind } from './errors.js';
import { queryText } from './list.js';
import { noWorkerAnswered, asClientError, unlessOvertaken } from './as-client-error.js';

const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);
const rigKey = keyword(searchAttributes.rig);
const convoyKey = keyword(searchAttributes.convoy);

const idProblems = { rig: rigNameProblem, convoy: convoyIdProblem } as const;
const workflowIds: Record<FleetKind, (id: string) => string> = { rig: rigWorkflowId, convoy: convoyWorkflowId };

/** One row of a list of rigs or convoys. */
export interface FleetItem {
  id: string;
  /** In Temporal's words: RUNNING, COMPLETED … */
  execution: string;
  startedAt: number;
  title?: string;
}

/** A merge under way, as its refinery tells the server: known also when nobody could be asked. */
export interface MergeAtWork {
  item: string;
  /** The host that has it, or had it last. */
  host: string;
  /** What it does or did last: `check test: running 40s`. */
  text: string;
  /** Where the whole output of its checks is, on that host. */
  log?: string;
  /** From 1. What may pass (a remote out of reach) is tried again by the server; the item keeps its place. */
  tries: number;
  /** Why the last try led to nothing. */
  lastFailure?: string;
  /** Between two tries: nobody is at it now. */
  resting: boolean;
}

/**
 * Typed requests to rigs and convoys. Every request has a deadline; every expected failure is a `ClientError` with its
 * next step.
 */
export class FleetClient {
  constructor(
    private readonly town: Pick<TownConnection, 'client'> & Partial<Pick<TownConnection, 'privateNames'>>,
    private readonly deadline = defaultDeadline,
  ) {}

  /** @throws FleetExistsError when there is a rig of that name. */
  addRig(rig: string, settings: RigSettings, taskQueue: string): Promise<void> {
    return this.#start('rig', rig, taskQueue, { rig, settings }, `rig ${rig}`, [{ key: rigKey, value: rig }], {
      title: settings.repo,
    });
  }

  /** @throws FleetExistsError when there is a convoy of that name, or was one that has landed. */
  createConvoy(spec: ConvoySpec, taskQueue: string): Promise<void> {
    return this.#start(
      'convoy',
      spec.convoy,
      taskQueue,
      { spec },
      spec.title,
      [
        { key: rigKey, value: spec.rig },
        { key: convoyKey, value: spec.convoy },
      ],
      { title: spec.title },
    );
  }

  /** @throws FleetNotFoundError, FleetEndedError when there is no such rig, or no more. Needs no worker. */
  needsRig = (rig: string): Promise<void> => this.#running('rig', rig);

  rig = (rig: string): Promise<RigView> => this.#query('rig', rig, rigMessages.state);
  convoy = (convoy: string): Promise<ConvoyView> => this.#query('convoy', convoy, convoyMessages.state);

  /** What the refinery is doing for a rig right now, in its own words. Needs no worker. */
  async merges(rig: string): Promise<MergeAtWork[]> {
    const found = await this.#answered('rig', rig, () => this.#handle('rig', rig).describe());
    return pendingActivities<{ item: string; host: string; text: string; log?: string }>(found).flatMap(
      ({ type, details, attempt, state, lastFailure }) =>
        // Without a heartbeat nobody has ever had it: it waits for a refinery, and the rig's own state tells of it.
        type !== 'merge' || details === undefined
          ? []
          : [
              {
                ...details,
                tries: attempt,
                resting: state === 'scheduled',
                lastFailure,
              },
            ],
    );
  }

  configureRig = (rig: string, change: ConfigureRig): Promise<string> =>
    this.#update('rig', rig, rigMessages.configure, change);
  pauseRig = (rig: string): Promise<string> => this.#update('rig', rig, rigMessages.pause, {});
  resumeRig = (rig: string): Promise<string> => this.#update('rig', rig, rigMessages.resume, {});
  removeRig = (rig: string, options: RemoveRig): Promise<string> =>
    this.#update('rig', rig, rigMessages.remove, options);

  startConvoy = (convoy: string): Promise<string> => this.#update('convoy', convoy, convoyMessages.start, {});
  pauseConvoy = (convoy: string): Promise<string> => this.#update('convoy', convoy, convoyMessages.pause, {});
  resumeConvoy = (convoy: string): Promise<string> => this.#update('convoy', convoy, convoyMessages.resume, {});
  addBead = (convoy: string, bead: AddBead): Promise<string> =>
    this.#update('convoy', convoy, convoyMessages.addBead, bead);
  removeBead = (convoy: string, bead: RemoveBead): Promise<string> =>
    this.#update('convoy', convoy, convoyMessages.removeBead, bead);
  retryBead = (convoy: string, id: string): Promise<string> =>
    this.#update('convoy', convoy, convoyMessages.retryBead, { id });

  /** Asks for cancellation: the convoy is cancelled when its beads are. */
  async cancelConvoy(convoy: string): Promise<void> {
    await this.#running('convoy', convoy);
    await this.#answered('convoy', convoy, () => this.#handle('convoy', convoy).cancel());
  }

  /** From the visibility store, newest first, which is a moment late. */
  async list(
    kind: FleetKind,
    { all, limit, taskQueue }: { all: boolean; limit: number; taskQueue?: string },
  ): Promise<FleetItem[]> {
    const found: FleetItem[] = [];
    const query = fleetQuery(kind, all, taskQueue);
    const read = async (): Promise<void> => {
      for await (const execution of this.town.client.workflow.list({ query, pageSize: Math.min(limit, 200) })) {
        const { title } = (execution.memo ?? {}) as { title?: unknown };
        const id = execution.workflowId.slice(kind.length + 1);
        // Whoever can start a workflow chooses its id: one that breaks the rule for names is no rig and no convoy.
        if (idProblems[kind](id) !== undefined) continue;
        found.push({
          id,
          execution: execution.status.name,
          startedAt: execution.startTime.getTime(),
          title: typeof title === 'string' ? title : undefined,
        });
        if (found.length >= limit) break;
      }
    };
    await this.#answered(kind, '', () => markingSealed(read));
    return found;
  }

  /** How many are open, as the visibility store counts them. */
  count(kind: FleetKind, taskQueue: string): Promise<number> {
    return this.#answered(
      kind,
      '',
      async () => (await this.town.client.workflow.count(fleetQuery(kind, false, taskQueue))).count,
    );
  }

  async #start(
    kind: FleetKind,
    id: string,
    taskQueue: string,
    input: object,
    summary: string,
    typedSearchAttributes: { key: typeof rigKey; value: string }[],
    memo: Record<string, unknown>,
  ): Promise<void> {
    try {
      await this.#limited(() =>
        this.town.client.workflow.start(kind, {
          workflowId: workflowIds[kind](id),
          taskQueue,
          args: [input],
          workflowTaskTimeout: limits.workflowTask,
          typedSearchAttributes,
          staticSummary: this.town.privateNames === true ? undefined : summary,
          memo: this.town.privateNames === true ? undefined : memo,
          workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
          // A removed rig may come again under its name; a convoy that has landed is history.
          workflowIdReusePolicy:
            kind === 'rig' ? WorkflowIdReusePolicy.ALLOW_DUPLICATE : WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        }),
      );
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) throw new FleetExistsError(kind, id);
      throw asClientError(error);
    }
  }

  #query<T>(kind: FleetKind, id: string, name: string): Promise<T> {
    return this.#answered(kind, id, () => this.#handle(kind, id).query<T>(name));
  }

  async #update(kind: FleetKind, id: string, name: string, payload: object): Promise<string> {
    await this.#running(kind, id);
    return (
      await this.#answered(kind, id, () =>
        unlessOvertaken(() =>
          this.#handle(kind, id).executeUpdate<{ text: string }, [object]>(name, { args: [payload] }),
        ),
      )
    ).text;
  }

  /** @throws FleetNotFoundError, FleetEndedError */
  async #running(kind: FleetKind, id: string): Promise<void> {
    const { status } = await this.#answered(kind, id, () => this.#handle(kind, id).describe());
    if (status.name !== 'RUNNING') throw new FleetEndedError(kind, id, status.name.toLowerCase());
  }

  async #answered<T>(kind: FleetKind, id: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await this.#limited(ask);
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) throw new FleetNotFoundError(kind, id);
      if (error instanceof WorkflowUpdateFailedError)
        throw new FleetRefusedError(kind, id, error.cause?.message ?? error.message, { cause: error });
      if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || noWorkerAnswered(error))
        throw new NoWorkerError(`${kind} ${id}`, { cause: error });
      throw asClientError(error);
    }
  }

  #handle(kind: FleetKind, id: string): WorkflowHandle {
    return this.town.client.workflow.getHandle(workflowIds[kind](id));
  }

  #limited<R>(fn: () => Promise<R>): Promise<R> {
    return within(this.town.client, this.deadline, fn);
  }
}

const fleetQuery = (kind: FleetKind, all: boolean, taskQueue: string | undefined): string =>
  `WorkflowType = '${kind}'${all ? '' : " AND ExecutionStatus = 'Running'"}` +
  (taskQueue === undefined ? '' : ` AND TaskQueue = ${queryText(taskQueue)}`);
