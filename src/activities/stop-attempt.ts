import type { Activities, StopAttemptResult } from '../contract/index.js';
import {
  endLeftovers,
  endMute,
  inspectAttempt,
  mayHaveAgent,
  runnerAnswers,
  RunnerControl,
  RunnerGoneError,
} from '../runner/index.js';
import { withBeats } from './beats.js';
import type { ActivityDeps } from './deps.js';
import { readInput } from './input.js';
import type { Preparations } from './start/preparations.js';
import { removeUnusedWorkspace } from './workspace.js';

/** A runner that has gone between look and call is looked at again; more often than that, something is wrong. */
const tries = 5;

/**
 * `stopAttempt`: ends an attempt on this host, wherever it stands, and answers `confirmed` only when no process of it
 * is left. Idempotent. A preparation is broken off; a living agent is stopped by its runner, which saves the work; a
 * dead runner is reaped.
 */
export function makeStopAttempt(
  { host }: Pick<ActivityDeps, 'host'>,
  preparations: Preparations,
): Activities['stopAttempt'] {
  return async (given) => {
    const input = readInput('stopAttempt', given);
    const dir = host.attemptDir(input);
    return withBeats(`stops attempt ${input.attempt}`, async (): Promise<StopAttemptResult> => {
      const turn = await host.turns.take(dir, {
        giveWay: { why: 'stopped', outcome: input.outcome, reason: input.reason },
      });
      try {
        await preparations.abandon(dir);
        for (let nth = 0; nth < tries; nth++) {
          const found = await inspectAttempt(dir);
          switch (found.kind) {
            case 'missing':
              return { confirmed: true };
            case 'ended':
              return { confirmed: true, result: found.result };
            case 'unstarted':
              await removeUnusedWorkspace(host, dir, input.repo);
              return { confirmed: true };
            case 'dead':
              return {
                confirmed: true,
                result: await host.reap(dir, 'its runner had died before the attempt was stopped'),
              };
            case 'running':
              // One that answers nobody, and has no agent, is not waited for: nothing is lost with it.
              if (
                !mayHaveAgent(found.record.state) &&
                !(await runnerAnswers(dir, found.record)) &&
                (await endMute(dir, found.record)) !== 'past'
              )
                break;
              try {
                return {
                  confirmed: true,
                  result: await new RunnerControl(dir).stop({ outcome: input.outcome, reason: input.reason }),
                };
              } catch (error) {
                if (!(error instanceof RunnerGoneError)) throw error;
              }
              break;
            case 'elsewhere':
              // Nothing of it can be ended from here; its runner hears of the stop from the bead, or its lease ends it.
              return { confirmed: false };
            case 'damaged':
              if (found.mayLive) return { confirmed: false };
              await endLeftovers(dir);
              host.free(dir);
              return { confirmed: true };
            default:
              found satisfies never;
          }
        }
        return { confirmed: false };
      } finally {
        turn.end();
      }
    });
  };
}
