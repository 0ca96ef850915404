import { agentEnvironment, clip } from '../contract/index.js';
import { errorMessage } from '../edge/errors.js';
import type { AttemptDir } from '../runner/index.js';
import type { ActivityDeps } from './deps.js';
import { CheckLog } from './refinery/check-log.js';
import { runCheck } from './refinery/run-check.js';
import { borrowedBy, exists } from '../git/index.js';

/**
 * Runs what a rig wants done after each attempt, once: what another daemon has started for it (a container, a unit of
 * systemd) is no process of the attempt, and only its rig knows how to find it. A step that fails is told in the log of
 * the worker, in `show` and `problems`, and in the attempt's `teardown.log`; it keeps nothing from going on.
 */
export async function tearDown({ host, env = process.env }: ActivityDeps, dir: AttemptDir): Promise<void> {
  const input = await dir.readInput();
  const steps = input?.workspace?.teardown ?? [];
  if (input === undefined || steps.length === 0 || (await dir.tornDown())) return;
  // Its tree is the place where the steps run; whoever removes it does that later than this.
  if (!(await exists(dir.worktree))) return dir.markTornDown('its worktree was gone');
  const about = { bead: dir.bead, attempt: dir.attempt };
  const log = await CheckLog.open(dir.teardownLog, (error) =>
    host.logger.warn({ err: error, ...about }, 'the log of the teardown cannot be written'),
  );
  const failed: string[] = [];
  const borrowed = await borrowedBy(dir.worktree).catch((error: unknown): string[] => {
    host.logger.warn({ err: error, ...about }, 'the steps after the attempt run without the objects it borrowed');
    return [];
  });
  try {
    for (const step of steps) {
      log.say(step.command);
      const how = await runCheck({
        check: { name: 'teardown', ...step },
        tree: dir.worktree,
        borrowed,
        env,
        home: dir.home,
        rig: input.rig,
        cell: input.agent.cell,
        names: input.agent.env,
        mark: { variable: agentEnvironment.attempt, value: dir.attempt },
        signal: AbortSignal.timeout(2 * step.timeout),
        onLines: (lines) => log.write(lines),
        drained: (then) => log.drained(then),
      }).then(
        (end) => (end.ok ? undefined : end.how),
        (error: unknown) => `could not be run: ${errorMessage(error)}`,
      );
      log.say(how ?? 'ended well');
      if (how !== undefined) failed.push(`\`${clip(step.command, 200)}\` ${how}`);
    }
  } finally {
    await log.close();
  }
  if (failed.length > 0) await dir.markTeardownFailed(failed.join('; '));
  await dir.markTornDown(failed.length === 0 ? 'all steps ended well' : failed.join('; '));
  if (failed.length > 0)
    host.logger.warn(
      { ...about, failed, log: dir.teardownLog },
      'what the rig wants done after an attempt failed; look at what it was to end, and do it by hand',
    );
}
