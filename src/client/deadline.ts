/**
 * Deadline of one request to the server when nothing else is said: a healthy one answers within milliseconds, so ten
 * seconds are an answer too.
 */
export const defaultDeadline = 10_000;

/** What of a connection or client this needs; both have it. */
interface Deadlined {
  withDeadline<R>(deadline: number | Date, fn: () => Promise<R>): Promise<R>;
}

/**
 * Runs requests that must all have ended `ms` from now. The SDK sets no deadline by itself: without one, a command
 * hangs for as long as a server does.
 */
export function within<R>(target: Deadlined, ms: number, fn: () => Promise<R>): Promise<R> {
  // A number would be taken for an instant, not for a duration.
  return target.withDeadline(new Date(Date.now() + ms), fn);
}
