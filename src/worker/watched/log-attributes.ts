import type { ActivityInterceptorsFactory } from '@temporalio/worker';

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value.slice(0, 200) : undefined;

/**
 * Whoever reads the log of a worker looks for a bead: each line of an activity names it, and its attempt, as the
 * activity was asked about them. A merge's bead is its item.
 */
export const beadInLogs: ActivityInterceptorsFactory = () => {
  let bead: string | undefined;
  let attempt: string | undefined;
  return {
    inbound: {
      execute(input, next) {
        const [asked] = input.args as [{ bead?: unknown; attempt?: unknown; request?: { item?: unknown } } | undefined];
        bead = text(asked?.bead) ?? text(asked?.request?.item);
        attempt = text(asked?.attempt);
        return next(input);
      },
    },
    outbound: {
      getLogAttributes: (input, next) => ({ ...next(input), bead, attempt }),
    },
  };
};
