import type { WorkerTuner } from '@temporalio/worker';

/** What counts on this host, where the SDK's own slots do not count the right things. */
export interface PermitSource<Permit extends object> {
  reserve(signal: AbortSignal): Promise<Permit>;
  tryReserve(): Permit | undefined;
  release(permit: Permit): void;
}

/**
 * Lets a worker of activities poll only while there is a place. `startAgent` gives its slot back when it completes
 * asynchronously and its agent runs on, and a merge that waits for another takes no place: so it is not the SDK's slots
 * that are counted, but the permits.
 */
export const placeTuner = <Permit extends object>(places: PermitSource<Permit>): WorkerTuner => ({
  workflowTaskSlotSupplier: { type: 'fixed-size', numSlots: 2 },
  activityTaskSlotSupplier: {
    type: 'custom',
    reserveSlot: (_context, abortSignal) => places.reserve(abortSignal),
    tryReserveSlot: () => places.tryReserve() ?? null,
    // A permit counts from its reservation on; what comes with it enters by itself.
    markSlotUsed: () => undefined,
    releaseSlot: ({ permit }) => places.release(permit as Permit),
  },
  localActivityTaskSlotSupplier: { type: 'fixed-size', numSlots: 1 },
  nexusTaskSlotSupplier: { type: 'fixed-size', numSlots: 1 },
});
