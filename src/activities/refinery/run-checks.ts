import type { Check } from '../../contract/index.js';
import type { FailedCheck } from '../../git/merge/index.js';
import type { PortBlock } from '../../runner/index.js';
import type { CheckLog } from './check-log.js';
import { LogTail } from './log-tail.js';
import { runCheck } from './run-check.js';
import type { CheckEnd } from './run-check.js';

export interface ChecksOptions {
  checks: readonly Check[];
  tree: string;
  /** What its repository borrows, as it was known before the first check. */
  borrowed: readonly string[];
  env: NodeJS.ProcessEnv;
  names?: readonly string[];
  ports?: PortBlock | undefined;
  /** The state directory, whose settings say what checks run in. */
  home: string;
  rig: string;
  log: CheckLog;
  /** Called when a check begins. */
  onCheck: (check: Check) => void;
  /** Called when one has ended by itself or was ended for its time. */
  onChecked: (check: Check, result: 'passed' | 'failed' | 'timed_out', ms: number) => void;
  signal: AbortSignal;
}

/**
 * Runs checks one after the other; the first that fails ends it. One that was killed, by nobody here, is run once more:
 * that is seldom the work's fault. @returns the failure, with what a person or an agent
 * needs in order to mend it.
 */
export async function runChecks({
  checks,
  tree,
  borrowed,
  env,
  names,
  ports,
  home,
  rig,
  log,
  onCheck,
  onChecked,
  signal,
}: ChecksOptions): Promise<FailedCheck | undefined> {
  for (const check of checks) {
    onCheck(check);
    log.say(`check ${check.name}: ${check.command}`);
    const tail = new LogTail();
    const began = performance.now();
    const run = (): Promise<CheckEnd> =>
      runCheck({
        check,
        tree,
        borrowed,
        env,
        names,
        ports,
        home,
        rig,
        signal,
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
