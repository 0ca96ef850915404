import { setTimeout as sleep } from 'node:timers/promises';
import type { Clocks } from '../../contract/index.js';
import { durationText } from '../../domain/words.js';
import { endMute, mutePatience, questionWithin, RunnerControl, runnerAnswers, touchedAt } from '../../runner/index.js';
import type {
  AttemptDir,
  BeginOutcome,
  BootedRunner,
  MuteEnd,
  ProcessIdentity,
  SpawnOutcome,
} from '../../runner/index.js';
import { StartInterrupted } from './start-lease.js';
import type { Interruption } from './start-lease.js';

export interface BeginOptions {
  clocks: Pick<Clocks, 'heartbeatTimeout'>;
  /** Aborted with a {@link StartInterrupted} when its call may not go on. */
  signal: AbortSignal;
  warn(what: string, details: Record<string, unknown>): void;
}

/**
 * Tells a runner to begin, and waits for what it says of its fence: for as long as it answers at its socket (it may
 * wait for the end of a pause), but not for one that answers nobody. Its process may stand still, or wait for a lock of
 * its own for ever; without an agent it is ended.
 *
 * A worker that shuts down waits no longer, and an order to stop is handed on at once, or ends a runner that is mute.
 */
export async function beginRunner(
  runner: BootedRunner,
  dir: AttemptDir,
  { clocks, signal, warn }: BeginOptions,
): Promise<BeginOutcome> {
  const begun = runner.begin();
  // Nobody may wait for it any more when it fails.
  begun.catch(() => undefined);
  const patience = mutePatience(clocks);
  let interrupted = false;
  for (let until = performance.now() + patience; ;) {
    const outcome = await spoken(begun, until - performance.now(), interrupted ? undefined : signal);
    if (outcome !== undefined) return outcome;
    const cause: Interruption | undefined = interrupted ? undefined : interruptionOf(signal);
    interrupted ||= cause !== undefined;
    const { process } = runner;
    if (process === undefined) return begun;
    if (cause?.why === 'shutdown') return letGo(runner, process);
    // A newer call, and a token that is void, reach the runner by its own beats: they are no reason for any hurry.
    if ((cause?.why === 'superseded' || cause?.why === 'gone') && performance.now() < until) continue;
    if (await runnerAnswers(dir, process, cause === undefined ? questionWithin(clocks) : undefined)) {
      if (cause?.why === 'stopped') orderStop(dir, cause, warn);
      until = performance.now() + patience;
      continue;
    }
    switch (await endedIfMute(dir, process, warn)) {
      case 'ended':
        return {
          fenced: false,
          because: 'mute',
          refused: `a runner had not said a word of its fence in ${durationText(patience)}, and answered nobody`,
        };
      case 'past':
        warn('a runner answers nobody, and may have an agent: it is let alone', { pid: process.pid });
        return letGo(runner, process);
      case 'gone':
        return begun;
    }
  }
}

function letGo(runner: BootedRunner, { pid }: ProcessIdentity): BeginOutcome {
  runner.letGo();
  return { fenced: 'unknown', pid };
}

/** It answers when it has ended the attempt; what comes of that its call hears by the fence. */
function orderStop(
  dir: AttemptDir,
  { outcome, reason }: Extract<Interruption, { why: 'stopped' }>,
  warn: BeginOptions['warn'],
): void {
  new RunnerControl(dir)
    .stop({ outcome, reason })
    .catch((error: unknown) => warn('a runner at its fence did not take the order to stop', { err: error }));
}

/** @returns why its call may not go on; undefined when it may. */
function interruptionOf(signal: AbortSignal): Interruption | undefined {
  if (!signal.aborted) return undefined;
  if (signal.reason instanceof StartInterrupted) return signal.reason.interruption;
  throw signal.reason as Error;
}

/** @returns what a runner has said, or undefined when the time is over or the signal is given before. */
async function spoken(
  begun: Promise<SpawnOutcome>,
  ms: number,
  signal: AbortSignal | undefined,
): Promise<SpawnOutcome | undefined> {
  const over = new AbortController();
  const enough = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]);
  const silence = sleep(Math.max(ms, 0), undefined, { signal: enough }).catch(() => undefined);
  try {
    return await Promise.race([begun, silence]);
  } finally {
    over.abort();
  }
}

/** What a call finds that meets a runner which has no agent yet. */
export type Met =
  /** It answers, or may have an agent: it is spoken to like any other. */
  | 'living'
  /** There is none any more: the attempt has to be looked at again. */
  | 'none';

const askAgainAfter = 500;

/**
 * Meets a runner at its fence that another call, or the worker before, has told to begin: one that answers nobody for
 * as long as its own call would have waited is ended, unless it has an agent.
 * @throws StartInterrupted
 */
export async function meetAtFence(
  dir: AttemptDir,
  runner: ProcessIdentity,
  { clocks, signal, warn }: BeginOptions,
): Promise<Met> {
  const patience = mutePatience(clocks);
  const met = performance.now();
  for (;;) {
    signal.throwIfAborted();
    if (await runnerAnswers(dir, runner, questionWithin(clocks))) return 'living';
    // It has its lock since then: it is touched when a lease is renewed, and before its agent a runner has none.
    const locked = await touchedAt(dir.lock);
    if (locked === undefined) return 'none';
    // Whatever the clock of this machine does meanwhile.
    if (Math.max(performance.now() - met, Date.now() - locked) >= patience) break;
    await sleep(askAgainAfter, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  return (await endedIfMute(dir, runner, warn)) === 'past' ? 'living' : 'none';
}

/** Ends a runner that answers nobody, unless it may have an agent, and tells of it. */
async function endedIfMute(dir: AttemptDir, runner: ProcessIdentity, warn: BeginOptions['warn']): Promise<MuteEnd> {
  const end = await endMute(dir, runner);
  if (end === 'ended') warn('a runner that answered nobody was ended before it had an agent', { pid: runner.pid });
  return end;
}
