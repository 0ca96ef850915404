/**
 * Watches all workflows of a world: when they have settled, which activities wait for a worker, and when the server
 * will act by itself.
 * @module
 */
import type { Client } from '@temporalio/client';
import type { ActivityDesk } from './activity-desk.js';
import { RunHistory } from './run-history.js';
import type { OpenActivity, ServerEvent } from './run-history.js';
import type { ClockContext } from './virtual-clock.js';

/**
 * Workflows that have not settled after so many real milliseconds never will: a worker is missing, or a workflow spins.
 */
const settlesWithin = 60_000;
/**
 * The effect of an instant shows within real milliseconds; one that does not show was none (its activity had moved on).
 */
const showsWithin = 500;

export class WorkflowWatch implements ClockContext {
  readonly #runs = new Map<string, RunHistory[]>();
  readonly #stale = new Set<string>();
  /** Instants that passed without effect. */
  readonly #spent = new Set<string>();

  constructor(
    private readonly client: Client,
    private readonly desk: ActivityDesk,
  ) {
    desk.onTouch = (workflowId) => this.touch(workflowId);
  }

  /** From now on time stops at this workflow's instants, over all its runs. */
  watch(workflowId: string, runId: string): void {
    this.#runs.set(workflowId, [...this.runs(workflowId), new RunHistory(workflowId, runId)]);
    this.touch(workflowId);
  }

  /** Something may have changed: its history is read again before time passes. */
  touch(workflowId?: string): void {
    for (const id of workflowId === undefined ? this.#runs.keys() : [workflowId])
      if (this.#runs.has(id)) this.#stale.add(id);
  }

  /** All runs of a workflow, oldest first. */
  runs(workflowId: string): readonly RunHistory[] {
    return this.#runs.get(workflowId) ?? [];
  }

  locks(): number {
    let locks = 0;
    for (const runs of this.#runs.values()) for (const run of runs) locks += run.locks;
    return locks;
  }

  takeForgottenLocks(): number {
    let forgotten = 0;
    for (const runs of this.#runs.values()) for (const run of runs) forgotten += run.takeForgottenLocks();
    return forgotten;
  }

  nextServerEvent(): ServerEvent | undefined {
    let first: ServerEvent | undefined;
    for (const run of this.#current()) {
      for (const event of run.due())
        if ((first === undefined || event.at < first.at) && !this.#spent.has(event.key)) first = event;
    }
    return first;
  }

  nextActivityEnd(): number {
    let first = Infinity;
    for (const run of this.#current()) {
      for (const event of run.due())
        if (event.activity !== undefined && event.at < first && !this.#spent.has(event.key)) first = event.at;
    }
    return first;
  }

  async passed(event: ServerEvent): Promise<void> {
    const { activity } = event;
    if (activity?.backoffUntil !== undefined && event.at === activity.backoffUntil) {
      // The server has put the next try into the queue.
      activity.scheduledAt = activity.backoffUntil;
      delete activity.backoffUntil;
      this.touch(activity.workflowId);
      return;
    }
    const [runId = ''] = event.key.split('/');
    const workflowId = activity?.workflowId ?? [...this.#current()].find((run) => run.runId === runId)?.workflowId;
    const shown = (): boolean =>
      ![...this.#current()].some((run) => [...run.due()].some((one) => one.key === event.key));
    const started = performance.now();
    while (!shown() && performance.now() - started < showsWithin) {
      this.touch(workflowId);
      await this.#refresh();
      if (!shown()) await milliseconds(1);
    }
    this.touch(workflowId);
    if (shown()) return;
    // A time-out of an activity that is tried again writes no event. One that nobody has taken is not tried again.
    if (activity?.startedAt !== undefined && this.desk.retriesAfterTimeout(activity)) this.desk.backOff(activity);
    else this.#spent.add(event.key);
  }

  async settle(touched?: 'touched'): Promise<void> {
    if (touched === undefined) this.touch();
    else if (this.#stale.size === 0) return;
    const started = performance.now();
    let looks = 0;
    for (;;) {
      await this.#refresh();
      const runs = [...this.#current()];
      for (const run of runs) {
        if (run.taskFailures.length > 0 && run.ended === undefined)
          throw new Error(`a workflow task of ${run.workflowId} failed: ${run.taskFailures.join('; ')}`);
      }
      const open = runs.filter((run) => run.busy);
      const taken = await this.desk.takeUp([...this.pending()], (id, isIt) => this.#lookAgain(id, isIt));
      if (open.length === 0 && taken === 0 && this.#stale.size === 0) return;
      for (const run of open) this.touch(run.workflowId);
      if (performance.now() - started > settlesWithin) {
        throw new Error(
          `not settled after ${settlesWithin} ms: ` +
            (open.map((run) => `${run.workflowId} has an open workflow task or a signal under way`).join(', ') ||
              'activities keep coming'),
        );
      }
      // A workflow task takes ten or so: each look reads a whole history.
      if (open.length > 0) await milliseconds(Math.min(++looks * 2, 8));
    }
  }

  /** Activities that wait or run, of all workflows. */
  *pending(): Generator<OpenActivity> {
    for (const run of this.#current()) if (run.ended === undefined) yield* run.activities.values();
  }

  *#current(): Generator<RunHistory> {
    for (const runs of this.#runs.values()) {
      const last = runs.at(-1);
      if (last) yield last;
    }
  }

  async #refresh(): Promise<void> {
    const stale = [...this.#stale];
    this.#stale.clear();
    await Promise.all(stale.map((workflowId) => this.#read(workflowId)));
  }

  async #lookAgain(workflowId: string, isIt: (activity: OpenActivity) => boolean): Promise<OpenActivity | undefined> {
    this.touch(workflowId);
    await this.#read(workflowId);
    const found = [...this.pending()].find(isIt);
    // It may be of a run that has begun since.
    if (found !== undefined || this.runs(workflowId).at(-1)?.events !== 0) return found;
    await this.#read(workflowId);
    return [...this.pending()].find(isIt);
  }

  async #read(workflowId: string): Promise<void> {
    const run = this.runs(workflowId).at(-1);
    if (run === undefined || (run.ended !== undefined && run.ended !== 'continued')) return;
    const { history } = await this.client.workflowService.getWorkflowExecutionHistory({
      namespace: this.client.options.namespace,
      execution: { workflowId, runId: run.runId },
    });
    run.read(history?.events ?? []);
    for (const told of run.takeSignalled()) this.touch(told);
    if (run.continuedTo !== undefined) this.watch(workflowId, run.continuedTo);
  }
}

const milliseconds = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
