import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';
import { searchAttributes } from '../contract/index.js';

const keys = {
  status: defineSearchAttributeKey(searchAttributes.beadStatus, 'KEYWORD'),
  rig: defineSearchAttributeKey(searchAttributes.rig, 'KEYWORD'),
  convoy: defineSearchAttributeKey(searchAttributes.convoy, 'KEYWORD'),
  attention: defineSearchAttributeKey(searchAttributes.attention, 'KEYWORD'),
};

/** What operators see of a convoy or a rig in lists. */
export interface Shown {
  /**
   * In the attribute `BeadStatus`, so that the Web UI has one column for the status of everything: the words of
   * `ConvoyStatus` and `RigStatus`. Whoever looks for beads asks for their workflow type as well.
   */
  status: string;
  rig: string;
  convoy?: string;
  attention?: string | undefined;
}

/**
 * Mirrors the state of a convoy or rig to where operators look: search attributes (an event each, so on change only)
 * and current details (free).
 */
export class FleetPublisher {
  #last = '';
  #due: (() => string) | undefined;

  /**
   * @param details is asked once for all that happens in the same moment: a burst of a thousand signals must not build
   * the panel a thousand times, and outlast its workflow task.
   */
  publish(shown: Shown, details: () => string): void {
    const now = JSON.stringify(shown);
    if (now !== this.#last) {
      this.#last = now;
      upsertSearchAttributes([
        { key: keys.status, value: shown.status },
        { key: keys.rig, value: shown.rig },
        ...(shown.convoy === undefined ? [] : [{ key: keys.convoy, value: shown.convoy }]),
        { key: keys.attention, value: shown.attention ?? null },
      ]);
    }
    if (this.#due === undefined) void Promise.resolve().then(() => this.#show());
    this.#due = details;
  }

  #show(): void {
    const details = this.#due;
    this.#due = undefined;
    if (details !== undefined) setCurrentDetails(details());
  }
}
