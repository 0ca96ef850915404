import type { Check } from '../../contract/index.js';
import type { FailedCheck } from '../../git/merge/index.js';
import type { CheckLog } from './check-log.js';
import { LogTail } from './log-tail.js';
import { runCheck } from './run-check.js';
import type { CheckEnd, CheckOptions } from './run-check.js';

/** What is the same for all of them. */
type Shared = Pick<CheckOptions, 'tree' | 'borrowed' | 'env' | 'names' | 'ports' | 'home' | 'rig' | 'signal'>;

export interface ChecksOptions extends Shared {
  checks: readonly Check[];
  log: CheckLog;
  /** Called when a check begins. */
  onCheck: (check: Check) => void;
  /** Called when one has ended by itself or was ended for its time. */
  onChecked: (check: Check, result: 'passed' | 'failed' | 'timed_out', ms: number) => void;
}

/**
 * Runs checks one after the other; the first that fails ends it. One that was killed, by nobody here, is run once more:
 * that is seldom the work's fault.
 * @returns the failure, with what a person or an agent needs in order to mend it.
 */
export async function runChecks({
  checks,
  log,
  onCheck,
  onChecked,
  ...shared
}: ChecksOptions): Promise<FailedCheck | undefined> {
  for (const check of checks) {
    onCheck(check);
    log.say(`check ${check.name}: ${check.command}`);
    const tail = new LogTail();
    const began = performance.now();
    const run = (): Promise<CheckEnd> =>
      runCheck({
        ...shared,
        check,
        onLines: (lines) => {
          tail.push(lines);
          return log.write(lines);
        },
        drained: (then) => log.drained(then),
      });
    let end = await run();
    if (end.killed) {
      const again = `check ${check.name} ${end.how}: it runs once more, for this host may have been out of memory`;
      log.say(again);
      tail.push([`[${again}]`]);
      end = await run();
    }
    const { ok, timedOut, how } = end;
    log.say(`check ${check.name} ${how}`);
    onChecked(check, ok ? 'passed' : timedOut ? 'timed_out' : 'failed', performance.now() - began);
    if (ok) continue;
    tail.push([`[check ${check.name} ${how}]`]);
    return { check: check.name, logTail: tail.text(), timedOut };
  }
  return undefined;
}
