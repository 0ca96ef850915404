import { isFinal } from '../../contract/index.js';
import type { BeadState, CurrentAttempt, Deadline } from '../../contract/index.js';
import { needsKey } from '../approval/needs-key.js';

/**
 * Since when the agent has shown no progress: its last sign, or its spawn; pauses are taken out. Undefined before the
 * spawn.
 */
export function quietSince(attempt: CurrentAttempt): number | undefined {
  return attempt.lastProgressAt ?? attempt.spawnedAt;
}

/**
 * When silence on the process clock is believed to be death: counted from the last renewal of the lease that is known,
 * or from the order to stop.
 */
export function giveUpAt(state: BeadState, attempt: CurrentAttempt): number {
  // Nobody's lease is at stake before the spawn: the host's word that it goes on with the start does not move this.
  if (attempt.fencedOutSince !== undefined && attempt.stopping === undefined)
    return attempt.fencedOutSince + state.clocks.giveUpAfter;
  return Math.max(attempt.lastSignAt, attempt.stopping?.at ?? 0) + state.clocks.giveUpAfter;
}

/** @returns whether the clocks of this attempt stand still. */
export const isPaused = (attempt: CurrentAttempt): boolean => attempt.pausedAt !== undefined;

/** @returns whether an operator's pause has not reached the host: the agent may work on. */
export const pauseUnheard = ({ paused, current }: BeadState): boolean =>
  paused && current?.spawnedAt !== undefined && !current.pauseTold && !current.pausedByActivity;

/** When silence becomes `stalled`. Before the first sign the agent has `firstProgressWithin`. */
export function stalledDeadline(state: BeadState, attempt: CurrentAttempt): number | undefined {
  const since = quietSince(attempt);
  if (since === undefined) return undefined;
  return (
    since +
    (attempt.firstProgressAt === undefined
      ? Math.max(state.clocks.firstProgressWithin, state.clocks.stalledAfter)
      : state.clocks.stalledAfter)
  );
}

/** When silence ends the attempt. */
export function stopSilentDeadline(state: BeadState, attempt: CurrentAttempt): number | undefined {
  const since = quietSince(attempt);
  return since === undefined ? undefined : since + state.clocks.stopSilentAfter;
}

/** When the attempt has run long enough; pauses do not count. */
export function maxRuntimeDeadline(state: BeadState, attempt: CurrentAttempt): number | undefined {
  return attempt.spawnedAt === undefined ? undefined : attempt.spawnedAt + attempt.pausedMs + state.clocks.maxRuntime;
}

/**
 * What happens next by itself, and when. Undefined when the bead has ended, or waits for something that is no instant
 * (`waitingFor` says for what). The one lazy timer of the workflow sleeps until this; a heartbeat moves it later, never
 * earlier, so it need not be armed anew with each.
 */
export function nextBeadDeadline(state: BeadState): Deadline | undefined {
  if (isFinal(state.status)) return undefined;
  const attempt = state.current;
  if (attempt === undefined) {
    return state.wait?.for === 'backoff' && !state.paused && !state.cancelling
      ? {
          at: state.wait.until,
          what: 'backoff',
          text:
            state.unpushed === undefined
              ? `the next attempt starts: ${state.wait.text}`
              : `host ${state.unpushed.host} offers the finished commits again: ${state.wait.text}`,
        }
      : undefined;
  }
  if (attempt.suspectSince !== undefined || attempt.stopping !== undefined || attempt.fencedOutSince !== undefined) {
    return {
      at: giveUpAt(state, attempt),
      what: 'give-up',
      text: attempt.stopping
        ? 'the host has not confirmed the stop by then: the attempt is given up (its lease has frozen the agent)'
        : 'the host has not answered by then: the attempt is given up and the next one starts elsewhere',
    };
  }
  if (isPaused(attempt)) return undefined;
  const candidates: Deadline[] = [];
  const stalled = stalledDeadline(state, attempt);
  if (stalled !== undefined && attempt.stalledAt === undefined)
    candidates.push({
      at: stalled,
      what: 'stalled',
      text: 'without progress until then the agent counts as stalled and is nudged',
    });
  const lost = stopSilentDeadline(state, attempt);
  if (lost !== undefined)
    candidates.push({
      at: lost,
      what: 'lost',
      text: 'without progress until then the attempt is stopped, its work saved, and the next one starts',
    });
  const runtime = maxRuntimeDeadline(state, attempt);
  if (runtime !== undefined)
    candidates.push({
      at: runtime,
      what: 'max-runtime',
      text: 'the attempt has run as long as it may and is stopped, its work saved',
    });
  return candidates.reduce<Deadline | undefined>(
    (first, next) => (first === undefined || next.at < first.at ? next : first),
    undefined,
  );
}

/**
 * @returns whether the timer that was armed for a deadline fires in vain: the last sign of the agent has moved the
 * deadline, and the next one would come too late to spare the timer. Of the state alone: the time of the look must not
 * count, since a look leaves no trace (a refused update) and a replay does not repeat it.
 */
export function firesInVain(state: BeadState, armed: Deadline): boolean {
  const since = state.current === undefined ? undefined : quietSince(state.current);
  const rest = armed.at - (since ?? -Infinity);
  return rest > 0 && rest < state.clocks.signalEvery && (nextBeadDeadline(state)?.at ?? Infinity) > armed.at;
}

/** @returns whether something is due earlier than what the timer is armed for. */
export const comesSooner = (state: BeadState, armed: Deadline | undefined): boolean =>
  (nextBeadDeadline(state)?.at ?? Infinity) < (armed?.at ?? Infinity);

/**
 * @returns for how long nobody could be heard, when the timer fired so late that heartbeats would have been lost too:
 * an agent that seemed silent may only have had nobody to report to.
 */
export function outageShown(state: BeadState, armed: Deadline, now: number): number | undefined {
  const late = now - armed.at;
  return late > state.clocks.heartbeatTimeout ? late : undefined;
}

/**
 * Whom or what a bead waits for when no instant ends its state. With `nextBeadDeadline` this covers every state that is
 * not final: none is without a next deadline or a stated wait.
 * @returns undefined only when the bead has ended.
 */
export const waitingFor = (state: BeadState): string | undefined =>
  isFinal(state.status) ? undefined : wantedBy(state);

/** Returns a string in every case: a new kind of wait does not compile before it has its words here. */
function wantedBy(state: BeadState): string {
  const attempt = state.current;
  if (attempt !== undefined) {
    if (attempt.stopping !== undefined) return 'the host, to confirm that no process of the attempt is left';
    if (attempt.suspectSince !== undefined) return `the host ${attempt.host ?? '(unknown)'}, to answer for its attempt`;
    if (isPaused(attempt))
      return attempt.pausedByActivity
        ? 'an unpause of the activity in the Web UI (or temporal activity unpause)'
        : 'heartbead resume';
    if (attempt.acceptedAt === undefined) return 'a free place on any host';
    if (attempt.spawnedAt === undefined)
      return `the workspace on host ${attempt.host ?? '(unknown)'}, which reports progress by activity heartbeats`;
    return 'the agent';
  }
  if (state.paused) return 'heartbead resume';
  if (state.wait === undefined && state.unpushed !== undefined)
    return `the host ${state.unpushed.host}, to push the finished commits that it keeps`;
  switch (state.wait?.for) {
    case 'person':
      return `a person: ${state.wait.fix}`;
    case 'verification':
      return 'the verification of the work on the remote';
    case 'backoff':
      return `the back-off: ${state.wait.text}`;
    case 'grant':
      return `rig ${state.rig ?? ''}, to grant an agent`;
    case 'approval':
      return needsKey(state)
        ? 'an approver with a key: heartbead approve --key FILE, or heartbead request-changes'
        : 'a person: heartbead approve, or heartbead request-changes';
    case 'merge':
      return state.cancelling
        ? 'the refinery, to say whether it had merged already'
        : `the refinery of rig ${state.rig ?? ''}`;
    case 'place':
    case undefined:
      return 'its dispatch, which follows at once';
  }
}
