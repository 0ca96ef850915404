import type { ActivitySlotInfo, CustomSlotSupplier } from '@temporalio/worker';
import type { AgentPermit, AgentSlots } from '../host/agent-slots.js';

/**
 * Lets the agents worker poll only while this host has a free place for an agent. `startAgent` gives its slot back when it completes
 * asynchronously and its agent runs on: so it is not the slots that are counted, but the living runners and the starts on their way.
 */
export function agentSlotSupplier(slots: AgentSlots): CustomSlotSupplier<ActivitySlotInfo> {
  return {
    type: 'custom',
    reserveSlot: (_context, abortSignal) => slots.acquire(abortSignal),
    tryReserveSlot: () => slots.tryAcquire() ?? null,
    // A permit counts from its reservation on: whether its task has come in makes no difference.
    markSlotUsed: () => undefined,
    releaseSlot: ({ permit }) => slots.release(permit as AgentPermit),
  };
}
