import { inWorkflowContext, setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
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
  #last = '';
  #due: (() => string) | undefined;

  /**
   * @param panel is asked once for all that happens in the same moment: a burst of a thousand signals must not build the
   * panel a thousand times, and outlast its workflow task.
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

  #show(): void {
    const panel = this.#due;
    this.#due = undefined;
    // After a workflow task that took too long this runs outside of the workflow, where a throw would end the thread.
    if (panel !== undefined && inWorkflowContext()) setCurrentDetails(panel());
  }
}
