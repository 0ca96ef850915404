import { CancelledFailure, CompleteAsyncError } from '@temporalio/activity';
import { within } from '../client/deadline.js';
import { failureTypes } from '../contract/index.js';
import type { Activities, AttemptResult, StartAgentInput } from '../contract/index.js';
import { inspectAttempt } from '../runner/index.js';
import type { ActivityDeps } from './deps.js';
import { failure, setupFailure } from './failures.js';
import { readInput } from './input.js';
import { announceAttempt } from './start/announce-attempt.js';
import { Preparations } from './start/preparations.js';
import { Start } from './start/start.js';
import { StartInterrupted, StartLease } from './start/start-lease.js';
import { removeUnusedWorkspace } from './workspace.js';

/**
 * `startAgent`: makes an attempt run on this host, or finds that it does, or finds how it ended. Idempotent by attempt:
 * every doubt about an attempt is answered by scheduling it again. When a runner has the attempt, the activity goes on
 * without the worker (asynchronous completion).
 *
 * Fails by `ApplicationFailure` of the contract's types; each says what a person or the bead can do about it.
 */
export function makeStartAgent(
  deps: ActivityDeps,
  preparations: Preparations = new Preparations(deps),
): Activities['startAgent'] {
  return async (given) => {
    const input = readInput('startAgent', given);
    const { host } = deps;
    const lease = new StartLease(deps.client, {
      host: host.hostId,
      attempt: input.attempt,
      beatEvery: input.clocks.beatEvery,
    });
    try {
      const { heard } = await announceKnown(deps, preparations, input, lease);
      return await new Start(deps, preparations, input, lease, heard).run();
    } catch (error) {
      if (error instanceof CompleteAsyncError) throw error;
      if (!(error instanceof StartInterrupted)) throw setupFailure(error);
      return await interrupted(error, lease);
    } finally {
      lease.end();
      preparations.dropEarly(host.attemptDir(input));
    }

    /** What an interrupted call says at its end. No agent was ever spawned by it. */
    async function interrupted({ interruption }: StartInterrupted, held: StartLease): Promise<AttemptResult> {
      const result = (outcome: AttemptResult['outcome'], reason: string): AttemptResult => ({
        attempt: input.attempt,
        host: host.hostId,
        outcome,
        reason,
      });
      const refused = (why: string): Error =>
        failure(failureTypes.runnerRefused, `attempt ${input.attempt} was not started by this call: ${why}`);
      switch (interruption.why) {
        case 'stopped':
          return result(interruption.outcome, interruption.reason);
        case 'cancelled': {
          const stopped = result('stopped', 'stopped while it was being prepared; no agent had been spawned');
          if (held.toldToCancel) throw new CancelledFailure(stopped.reason, [stopped]);
          // Known only from the answer to a beat: the SDK would make a failure of it.
          await within(deps.client, 10_000, () => deps.client.activity.reportCancellation(held.token, stopped));
          throw new CompleteAsyncError();
        }
        case 'superseded':
          throw refused('a newer one goes on with the attempt');
        case 'gone':
          throw refused('the server no longer counts on it');
        case 'shutdown':
          throw refused('the worker is shutting down; the attempt goes on with its next one');
      }
    }
  };
}

/**
 * Tells the bead that this host has the attempt. The attempt is on the disk before that: an adoption that comes while
 * this call stands still (a laptop that sleeps, a worker that is stopped) finds it here and goes on with it, instead of
 * hearing that this host knows nothing of it.
 * @returns what the bead has to say, which a new attempt's preparation need not wait for.
 * @throws what {@link announceAttempt} throws, where the attempt is not new here, or may have to wait for a place.
 */
async function announceKnown(
  deps: ActivityDeps,
  preparations: Preparations,
  input: StartAgentInput,
  lease: StartLease,
): Promise<{ heard: Promise<void> }> {
  const { host, agentsQueue } = deps;
  if (input.mode !== 'start') return { heard: Promise.resolve() };
  const dir = host.attemptDir(input);
  const isNew = (await inspectAttempt(dir)).kind === 'missing';
  if (isNew) {
    preparations.fetchEarly(input, dir);
    await dir.create();
    await dir.writeInputAhead(input);
  }
  const heard = announce();
  // Where a place may have to be waited for, the bead's word comes first.
  if (!isNew || lease.taskQueue !== agentsQueue) await heard;
  // Nobody may wait for it yet.
  heard.catch(() => undefined);
  return { heard };

  async function announce(): Promise<void> {
    try {
      await announceAttempt(deps, input, lease);
    } catch (error) {
      preparations.dropEarly(dir);
      // Whoever works on it meanwhile keeps it.
      const turn = isNew && !(error instanceof StartInterrupted) ? host.turns.tryTake(dir) : undefined;
      try {
        if (turn !== undefined && (await inspectAttempt(dir)).kind === 'unstarted')
          await removeUnusedWorkspace(host, dir, input.repo);
      } finally {
        turn?.end();
      }
      throw error;
    }
  }
}
