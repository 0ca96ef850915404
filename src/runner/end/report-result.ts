import type { AttemptResult, Clocks } from '../../contract/index.js';
import type { BeadLink, ReportAnswer } from '../lease/bead-link.js';
import { elapsed } from '../instant.js';
import { sleep } from '../time.js';
import type { Time } from '../time.js';

export interface ReportOptions {
  link: BeadLink;
  time: Time;
  clocks: Clocks;
  result: AttemptResult;
  /** The token in use. */
  token(): Uint8Array;
  /** The activity was cancelled: the server wants the confirmation of that instead of a completion. */
  cancelled(): boolean;
  /** Somebody else has the result by now, or nobody wants it any more. */
  settled(): boolean;
  /** The token was refused: from now on the bead is asked for adoption, which finds the recorded result. */
  onRefused(): void;
}

/**
 * Reports the recorded result until it is taken, or settled otherwise, or `leaseFor` is over: the result is on
 * disk, and the next adoption, or the host's worker, reports it from there.
 * @returns whether the server has taken it from us.
 */
export async function reportResult({
  link,
  time,
  clocks,
  result,
  token,
  cancelled,
  settled,
  onRefused,
}: ReportOptions): Promise<boolean> {
  const begun = time.now();
  let pauseMs = 250;
  let refused: Uint8Array | undefined;
  while (!settled() && elapsed(begun, time.now()) < clocks.leaseFor) {
    const used = token();
    if (used !== refused) {
      const answer: ReportAnswer = await (cancelled()
        ? link.reportCancellation(used, result)
        : link.complete(used, result));
      if (answer === 'reported') return true;
      if (answer === 'refused') {
        refused = used;
        onRefused();
      }
    }
    await sleep(time, pauseMs);
    pauseMs = Math.min(pauseMs * 2, 2_000);
  }
  return false;
}
