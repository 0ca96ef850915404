import type { BeadView } from '../../contract/index.js';
import { AttemptDir } from '../../runner/attempt/attempt-dir.js';
import { endProcesses } from '../../runner/processes/end-processes.js';
import { inspectAttempt } from '../../runner/attempt/inspect-attempt.js';
import { processAlive } from '../../runner/processes/process.js';

/** Who was killed. */
export interface Killed {
  attempt: string;
  runner: number;
  agent: number;
}

/** @returns whether it is the moment: the agent is at work, and some of its work is saved on the origin. */
export function isMoment(view: BeadView): boolean {
  const { current } = view;
  return (
    current !== undefined &&
    view.attemptCount === 1 &&
    current.firstProgressAt !== undefined &&
    current.checkpoint !== undefined
  );
}

/**
 * Kills the runner and the agent of an attempt with SIGKILL, as a power cut would: nobody gets to say a word.
 * @returns undefined while the attempt has no agent.
 */
export async function killAttempt(home: string, bead: string, attempt: string): Promise<Killed | undefined> {
  const record = await AttemptDir.of(home, bead, attempt).readRunner();
  const agent = record?.agent;
  if (
    record === undefined ||
    agent === undefined ||
    !processAlive(record.pid, record.startTime) ||
    !processAlive(agent.pid, agent.startTime)
  )
    return undefined;
  // The runner first: it would record the end of its agent.
  process.kill(record.pid, 'SIGKILL');
  process.kill(agent.pid, 'SIGKILL');
  return { attempt, runner: record.pid, agent: agent.pid };
}

/**
 * Ends whatever is left of the attempts of a state directory: a demo leaves nothing running. @returns how many attempts
 * had something left.
 */
export async function endAttempts(home: string): Promise<number> {
  let ended = 0;
  for (const dir of await AttemptDir.list(home)) {
    const { kind } = await inspectAttempt(dir);
    const record = await dir.readRunner();
    // Also one that waits at the fence, or for a server that takes its result.
    const lives = record !== undefined && processAlive(record.pid, record.startTime);
    if (lives) process.kill(record.pid, 'SIGKILL');
    else if (kind !== 'running' && kind !== 'dead') continue;
    await endProcesses({
      attempt: dir.attempt,
      group: record?.agent,
      graceMs: 500,
    });
    ended += 1;
  }
  return ended;
}
