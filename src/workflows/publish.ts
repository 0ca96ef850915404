import { inWorkflowContext, setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';
import { searchAttributes } from '../contract/index.js';

/** What operators see of a bead, rig or convoy in lists. */
export interface Shown {
  /**
   * In the attribute `BeadStatus`, so that the Web UI has one column for the status of everything: the words of
   * `BeadStatus`, `ConvoyStatus` and `RigStatus`. Whoever looks for beads asks for their workflow type as well.
   */
  beadStatus: string;
  agentStatus?: string;
  /** These two are absent in a bead, which was given them at its start. */
  rig?: string;
  convoy?: string;
  attention: string | undefined;
}

const shown = ['beadStatus', 'agentStatus', 'rig', 'convoy', 'attention'] as const satisfies readonly (keyof Shown)[];
const keys = shown.map((name) => ({ name, key: defineSearchAttributeKey(searchAttributes[name], 'KEYWORD') }));

/**
 * Mirrors the state to where operators look: search attributes (an event each, so on change only) and current details
 * (free).
 */
export class Publisher {
  readonly #run = workflowInfo().runId;
  #last = '';
  #due: (() => string) | undefined;

  /**
   * @param panel is asked once for all that happens in the same moment: a burst of a thousand signals must not build
   * the panel a thousand times, and outlast its workflow task.
   */
  publish(now: Shown, panel: () => string): void {
    const attributes = keys
      .map(({ name, key }) => ({ key, value: now[name] ?? null, shown: name === 'attention' || name in now }))
      .filter((attribute) => attribute.shown)
      .map(({ key, value }) => ({ key, value }));
    const values = JSON.stringify(attributes.map(({ value }) => value));
    if (values !== this.#last) {
      this.#last = values;
      upsertSearchAttributes(attributes);
    }
    if (this.#due === undefined) void Promise.resolve().then(() => this.#show());
    this.#due = panel;
  }

  /**
   * The SDK breaks off an activation that computes for too long (five seconds), and all workflows of a thread share one
   * V8 context: what was still deferred runs after the next call into that context. That is the end of this workflow
   * there, after which there is no workflow (a throw would end the thread), or the activation of another one, which
   * would show this one's panel as its own. Nothing is lost: the workflow is taken from its history again, and
   * publishes anew.
   */
  #show(): void {
    const panel = this.#due;
    this.#due = undefined;
    if (panel !== undefined && inWorkflowContext() && workflowInfo().runId === this.#run) setCurrentDetails(panel());
  }
}
