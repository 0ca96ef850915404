import type { WorkflowHandle } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { messages } from '../contract/index.js';
import type { Duration } from './duration.js';
import type { RunHistory } from './run-history.js';
import type { Town } from './town.js';

/** A workflow of a town: a bead, a rig or a convoy. `View` is the answer of its `state` query. */
export class TownWorkflow<View> {
  protected readonly handle: WorkflowHandle;

  constructor(
    protected readonly town: Town,
    readonly workflowId: string,
  ) {
    this.handle = town.world.client.workflow.getHandle(workflowId);
  }

  /** The answer of its `state` query. */
  state(): Promise<View> {
    return this.handle.query<View>(messages.state);
  }

  /** All its runs; more than one after it has continued as new. */
  get runs(): readonly RunHistory[] {
    return this.town.world.watch.runs(this.workflowId);
  }

  get ended(): boolean {
    const last = this.runs.at(-1);
    return last?.ended !== undefined && last.ended !== 'continued';
  }

  /** Lets time pass until its state is as wanted. */
  async until(what: string, holds: (state: View) => boolean, within: Duration = '1h'): Promise<View> {
    let state = await this.state();
    await this.town.clock.until(`${this.workflowId}: ${what}`, async () => holds((state = await this.state())), within);
    return state;
  }

  /** Lets time pass until its workflow has ended. */
  async untilEnded(within: Duration = '1h'): Promise<View> {
    await this.town.clock.until(`${this.workflowId} ends`, () => this.ended, within);
    return this.state();
  }

  /** Temporal's own cancel. Wait for the end with `untilEnded`. */
  async cancel(): Promise<void> {
    await this.handle.cancel();
    await this.town.settle();
  }

  /** Sends a signal. */
  async signal(name: string, payload: unknown): Promise<void> {
    await this.town.signalWorkflow(this.workflowId, name, payload);
    await this.town.settle();
  }

  /** Ends it without asking anybody; for the end of a test. */
  async terminate(): Promise<void> {
    try {
      await this.handle.terminate('the test is over');
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }

  /** Sends an update, and lets time pass until it is answered. @throws when it is refused. */
  async update(name: string, argument: unknown = {}): Promise<string> {
    let answer: { text: string } | undefined;
    let refused: unknown;
    const asked = this.handle.executeUpdate<{ text: string }, [unknown]>(name, { args: [argument] }).then(
      (given) => (answer = given),
      (error: unknown) => (refused = error),
    );
    const over = (): boolean => answer !== undefined || refused !== undefined;
    while (!over()) {
      // Most updates answer without a virtual second passing, though not at once on a busy machine.
      for (let looks = 0; looks < 10 && !over(); looks += 1) {
        await this.town.settle();
        await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, 20))]);
      }
      if (!over()) await this.town.clock.until(`the answer to ${name}`, over, '1m');
    }
    await asked;
    if (refused !== undefined) throw refused;
    await this.town.settle();
    return answer?.text ?? '';
  }
}
