import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';
import { searchAttributes } from '../contract/index.js';
import type { BeadState } from '../contract/index.js';
import { details } from '../domain/index.js';

const keys = {
  beadStatus: defineSearchAttributeKey(searchAttributes.beadStatus, 'KEYWORD'),
  agentStatus: defineSearchAttributeKey(searchAttributes.agentStatus, 'KEYWORD'),
  attention: defineSearchAttributeKey(searchAttributes.attention, 'KEYWORD'),
};

/**
 * Mirrors the state to where operators look: search attributes (an event each, so on change only) and current details
 * (free).
 */
export class Publisher {
  #last = '';

  publish(state: BeadState): void {
    const now = JSON.stringify([state.status, state.agent, state.attention ?? null]);
    if (now !== this.#last) {
      this.#last = now;
      upsertSearchAttributes([
        { key: keys.beadStatus, value: state.status },
        { key: keys.agentStatus, value: state.agent },
        { key: keys.attention, value: state.attention ?? null },
      ]);
    }
    setCurrentDetails(details(state));
  }
}
