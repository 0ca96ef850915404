import type { ActivitySlotInfo, CustomSlotSupplier } from '@temporalio/worker';
import type { AgentPlaces, PollPermit } from '../host/agent-places.js';

/**
 * Lets the agents worker poll only while this host has a free place for an agent. `startAgent` gives its slot back when
 * it completes asynchronously and its agent runs on: so it is not the SDK's slots that are counted, but the living
 * runners and the starts on their way.
 */
export function agentSlotSupplier(places: AgentPlaces): CustomSlotSupplier<ActivitySlotInfo> {
  return {
    type: 'custom',
    reserveSlot: (_context, abortSignal) => places.reserve(abortSignal),
    tryReserveSlot: () => places.tryReserve() ?? null,
    // A permit counts from its reservation on; the start that comes with it enters by itself.
    markSlotUsed: () => undefined,
    releaseSlot: ({ permit }) => places.release(permit as PollPermit),
  };
}
