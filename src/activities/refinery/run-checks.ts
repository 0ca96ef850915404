import type { Check } from '../../contract/index.js';
import type { FailedCheck } from '../../git/merge/index.js';
import type { CheckLog } from './check-log.js';
import { LogTail } from './log-tail.js';
import { runCheck } from './run-check.js';

export interface ChecksOptions {
  checks: readonly Check[];
  tree: string;
  env: NodeJS.ProcessEnv;
  names?: readonly string[];
  /** The state directory, whose settings say what checks run in. */
  home: string;
  rig: string;
  log: CheckLog;
  /** Called when a check begins. */
  onCheck: (check: Check) => void;
  signal: AbortSignal;
}

/**
 * Runs checks one after the other; the first that fails ends it. @returns the failure, with what a person or an agent
 * needs in order to mend it.
 */
export async function runChecks({
  checks,
  tree,
  env,
  names,
  home,
  rig,
  log,
  onCheck,
  signal,
}: ChecksOptions): Promise<FailedCheck | undefined> {
  for (const check of checks) {
    onCheck(check);
    log.say(`check ${check.name}: ${check.command}`);
    const tail = new LogTail();
    const { ok, timedOut, how } = await runCheck({
      check,
      tree,
      env,
      names,
      home,
      rig,
      signal,
      onLines: (lines) => {
        tail.push(lines);
        return log.write(lines);
      },
      drained: (then) => log.drained(then),
    });
    log.say(`check ${check.name} ${how}`);
    if (ok) continue;
    tail.push([`[check ${check.name} ${how}]`]);
    return { check: check.name, logTail: tail.text(), timedOut };
  }
  return undefined;
}
