import { setTimeout as sleep } from 'node:timers/promises';
import type { Clocks } from '../../contract/index.js';
import { DamagedFileError } from '../attempt/attempt-dir.js';
import type { AttemptDir } from '../attempt/attempt-dir.js';
import { lookAtLock } from '../attempt/attempt-lock.js';
import { mayHaveAgent } from '../attempt/inspect-attempt.js';
import { fencePatience } from '../lease/fence.js';
import { endProcesses, signalProcess } from '../processes/end-processes.js';
import { processAlive, processStopped, standsStill } from '../processes/process.js';
import { RunnerControl, RunnerRefusedError } from '../sockets/runner-control.js';
import type { ProcessIdentity } from '../types.js';

/** A slow machine needs a while to load the program: tiny clocks of tests must not take it for mute. */
const leastPatienceMs = 5_000;

/**
 * How long a host waits for the word of a runner that it has told to begin, in milliseconds, before it asks at its
 * socket whether it lives: a runner that reaches nobody gives up by then, and most of the host's last beat is used up.
 */
export const mutePatience = (clocks: Pick<Clocks, 'heartbeatTimeout'>): number =>
  Math.max(fencePatience(clocks), leastPatienceMs);

/**
 * How long a runner has for the question whether it lives, in milliseconds: it answers from memory. When nobody has, as
 * much of the host's last beat must be left as the next runner needs.
 */
export const questionWithin = (clocks: Pick<Clocks, 'heartbeatTimeout'>): number =>
  Math.min(5_000, clocks.heartbeatTimeout / 6);

/** The same where the attempt is to end: one that is only slow loses nothing by its end either. */
const hurriedQuestion = 2_000;

/**
 * @param withinMs from {@link questionWithin}; shorter when the attempt is to end.
 * @returns whether a runner answers at its attempt's control socket: it lives, and waits for its fence to open.
 */
export async function runnerAnswers(
  dir: AttemptDir,
  { pid }: ProcessIdentity,
  withinMs = hurriedQuestion,
): Promise<boolean> {
  try {
    return (await new RunnerControl(dir).status(withinMs)).pid === pid;
  } catch (error) {
    // Whatever else goes wrong with the question, nobody has answered it.
    return error instanceof RunnerRefusedError;
  }
}

/** What became of a runner that answers nobody. */
export type MuteEnd =
  /** It had no agent, and is gone now, with all that it had started. */
  | 'ended'
  /** It may have an agent: it is left alone, as any runner past its fence whose beats fail to come. */
  | 'past'
  /** There was no such process any more. */
  | 'gone';

/** What SIGSTOP needs to reach all threads; those that the disk holds up run no instruction of ours before its end. */
const stillWithinMs = 2_000;
const lookEveryMs = 5;

/**
 * No process carries it: a runner has nothing of its attempt before its agent, and what carries the attempt's mark is
 * not ended with it.
 */
const noAttempt = '(none: a runner before its agent)';

/**
 * Ends a runner that answers nobody, provided that it has not got so far as to spawn its agent: it is stopped first, so
 * that it cannot do that between the look and its end. The caller holds the attempt's turn.
 * @throws Error when its processes cannot be ended.
 */
export async function endMute(dir: AttemptDir, runner: ProcessIdentity): Promise<MuteEnd> {
  const { pid, startTime } = runner;
  if (!processAlive(pid, startTime)) return 'gone';
  const stoodStill = processStopped(pid, startTime);
  signalProcess(runner, 'SIGSTOP');
  for (const until = performance.now() + stillWithinMs; !standsStill(pid) && performance.now() < until;)
    await sleep(lookEveryMs);
  if (await isPast(dir, runner)) {
    // Whoever else has stopped it lets it go on.
    if (!stoodStill) signalProcess(runner, 'SIGCONT');
    return 'past';
  }
  await endProcesses({ attempt: noAttempt, graceMs: 0, group: { pid, startTime, pgid: pid } });
  // A write that was on its way to the disk may have come there: then it is settled like any dead runner.
  return (await isPast(dir, runner)) ? 'past' : 'ended';
}

/** @returns whether a runner may have an agent: by its record, which is written before the spawn. */
async function isPast(dir: AttemptDir, { pid, startTime }: ProcessIdentity): Promise<boolean> {
  try {
    const record = await dir.readRunner();
    return record?.pid === pid && record.startTime === startTime && mayHaveAgent(record.state);
  } catch (error) {
    if (!(error instanceof DamagedFileError)) throw error;
    // Without its record only its lock tells: no agent without it.
    const lock = await lookAtLock(dir.lock);
    return lock.state !== 'free' && lock.by.pid === pid && lock.by.startTime === startTime;
  }
}
