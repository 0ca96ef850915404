import { ApplicationFailure } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../../client/deadline.js';
import { beadWorkflowId, failureTypes, isFinal, messages } from '../../contract/index.js';
import type { AcceptedSignal, BeadView, StartAgentInput } from '../../contract/index.js';
import { durationText } from '../../domain/words.js';
import type { ActivityDeps } from '../deps.js';
import { failure } from '../failures.js';
import { StartInterrupted } from './start-lease.js';
import type { StartLease } from './start-lease.js';

const requestWithin = 10_000;
const askAgainAfter = 1_000;
/**
 * The bead's own workers are away for so long: the host goes free again, and the bead tries later. Longer than a
 * deployment takes.
 */
const askFor = 5 * 60_000;

/** @returns the bead's state, or undefined when the workflow is over or unknown. @throws what the server answers. */
export async function askBead({ client }: Pick<ActivityDeps, 'client'>, bead: string): Promise<BeadView | undefined> {
  const handle: WorkflowHandle = client.workflow.getHandle(beadWorkflowId(bead));
  try {
    const view = await within(client, requestWithin, () => handle.query<BeadView>(messages.state));
    if (isFinal(view.status)) return view;
    // A terminated workflow still answers, with the state of its last moment.
    const { status } = await within(client, requestWithin, () => handle.describe());
    return status.name === 'RUNNING' || status.name === 'PAUSED' ? view : undefined;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/**
 * @returns whether the server knows nothing at all of a bead, neither of its work nor of its end.
 * @throws what the server answers.
 */
export async function isUnknown({ client }: Pick<ActivityDeps, 'client'>, bead: string): Promise<boolean> {
  try {
    await within(client, requestWithin, () => client.workflow.getHandle(beadWorkflowId(bead)).describe());
    return false;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return true;
    throw error;
  }
}

/**
 * Tells the bead that this host has taken the attempt, then asks it whether that is right. An operator's Reset of the
 * activity in the Web UI may send an attempt to a second host, and an old task may come up late: both end here, before
 * anything is prepared.
 * @throws ApplicationFailure `RunnerRefused` when the attempt is not current, `HeldElsewhere` when another host has
 * claimed it, `SetupUnreachable` when the bead does not answer for minutes. StartInterrupted.
 */
export async function announceAttempt(deps: ActivityDeps, input: StartAgentInput, lease: StartLease): Promise<void> {
  const { client, host } = deps;
  const refused = (why: string): Error =>
    failure(failureTypes.runnerRefused, `attempt ${input.attempt} was not started: ${why}`);
  let accepted = false;
  const until = performance.now() + askFor;
  for (;;) {
    lease.signal.throwIfAborted();
    try {
      if (!accepted) {
        const signal: AcceptedSignal = { attempt: input.attempt, host: host.hostId };
        await within(client, requestWithin, () =>
          client.workflow.getHandle(beadWorkflowId(input.bead)).signal(messages.accepted, signal),
        );
        accepted = true;
      }
      const bead = await askBead(deps, input.bead);
      if (bead === undefined) throw refused('its bead has ended');
      if (bead.current?.id !== input.attempt || isFinal(bead.status)) throw refused('the bead has moved on');
      const { host: claimedBy, spawnedAt } = bead.current;
      if (spawnedAt !== undefined && claimedBy !== undefined && claimedBy !== host.hostId) {
        throw failure(failureTypes.heldElsewhere, `attempt ${input.attempt} runs on ${claimedBy}`, { host: claimedBy });
      }
      return;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) throw refused('its bead has ended');
      if (!isOutage(error)) throw error;
      if (performance.now() > until)
        throw failure(
          failureTypes.setupUnreachable,
          `the bead has not answered for ${durationText(askFor)}: is a worker running for its workflows?`,
        );
      lease.say('accepted', 'waits for the bead to answer');
      await sleep(askAgainAfter, undefined, { signal: lease.signal }).catch(() => lease.signal.throwIfAborted());
    }
  }
}

/** Everything that is not our own verdict: no worker for the query, a deadline, a connection. */
const isOutage = (error: unknown): boolean =>
  !(error instanceof ApplicationFailure) && !(error instanceof StartInterrupted);
