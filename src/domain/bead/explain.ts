import { isFinal } from '../../contract/index.js';
import type { AttemptRecord, BeadState, CurrentAttempt } from '../../contract/index.js';
import { nextBeadDeadline, pauseUnheard, waitingFor } from './deadline.js';
import { usageText } from './usage.js';
import { counted, durationText, shortSha } from '../words.js';

/** @returns `in 4 min` or `4 min ago`. */
const relative = (at: number, now: number): string =>
  at >= now ? `in ${durationText(at - now)}` : `${durationText(now - at)} ago`;

/** @returns an ended attempt in one sentence. */
export function attemptSentence(attempt: AttemptRecord): string {
  const ran = attempt.endedAt === undefined ? '' : ` after ${durationText(attempt.endedAt - attempt.startedAt)}`;
  const account =
    attempt.countedAs === 'agent'
      ? "counted as the agent's failure"
      : attempt.countedAs === 'infra'
        ? 'counted as infrastructure'
        : 'counted as nothing';
  return (
    `attempt ${attempt.number} (${attempt.id}${attempt.host === undefined ? '' : ` on ${attempt.host}`}) ended ` +
    `${attempt.outcome ?? 'unknown'}${ran}: ${attempt.reason ?? 'no reason'}; ${account}`
  );
}

/** The verdict on a bead in a few words. */
export function verdict(state: BeadState): string {
  if (isFinal(state.status)) return state.status;
  if (state.status === 'blocked') return 'blocked: a person is needed';
  if (state.status === 'in_review') return 'in review';
  if (state.paused && state.current === undefined) return 'paused';
  switch (state.agent) {
    case 'none':
      return state.current
        ? 'open: waits for a place on a host'
        : state.wait?.for === 'backoff'
          ? 'open: backs off'
          : 'open';
    case 'starting':
      return 'starting: the workspace is being prepared (a slow start is no death)';
    case 'working':
      return 'working';
    case 'stalled':
      return 'stalled: alive, but without progress';
    case 'suspect':
      return 'suspect: out of sight, not given up';
    case 'paused':
      return pauseUnheard(state) ? 'to be paused: its host has not answered, and its agent may work on' : 'paused';
    case 'stopping':
      return 'stopping: waits until the agent is gone';
  }
}

function progressText({ lastProgressAt, spawnedAt, activity }: CurrentAttempt, now: number): string {
  const doing = activity === undefined ? '' : ` (${activity})`;
  if (lastProgressAt !== undefined) return `last progress ${relative(lastProgressAt, now)}${doing}`;
  return `${spawnedAt === undefined ? 'has not begun (no agent yet)' : 'no sign of the agent yet'}${doing}`;
}

/**
 * Why a bead is in its state, what it waits for, and what happens next, in plain words.
 * @param now milliseconds, of whoever asks.
 * @returns lines for a terminal, without colours.
 */
export function explain(state: BeadState, now: number): string[] {
  const lines = [`${state.bead}: ${verdict(state)}`, `why: ${state.reason}`];
  const waits = waitingFor(state);
  if (waits !== undefined) lines.push(`waits for: ${waits}`);
  const deadline = nextBeadDeadline(state);
  if (deadline) lines.push(`next: ${relative(deadline.at, now)}, ${deadline.text}`);
  else if (!isFinal(state.status)) lines.push('next: nothing happens by itself until then');
  const attempt = state.current;
  if (attempt) {
    const up = attempt.spawnedAt === undefined ? '' : `, agent up ${relative(attempt.spawnedAt, now)}`;
    lines.push(
      `attempt ${attempt.number} (${attempt.id}) on ${attempt.host ?? 'no host yet'}, ` +
        `dispatched ${relative(attempt.startedAt, now)}${up}`,
    );
    const silence =
      attempt.suspectSince === undefined
        ? `in order (silence is noticed within ${durationText(state.clocks.heartbeatTimeout)})`
        : `silent since ${relative(attempt.suspectSince, now)}`;
    lines.push(
      `process clock: ${silence}; ${attempt.heartbeats} heartbeat signals, ${attempt.adoptions} adoptions`,
      `progress clock: ${progressText(attempt, now)}`,
    );
    if (attempt.pausedAt !== undefined) lines.push(`the clocks stand still since ${relative(attempt.pausedAt, now)}`);
  }
  lines.push(
    `used up: ${state.used.agentFailures} of ${state.budgets.agentFailures} agent failures, ` +
      `${state.used.infraLosses} of ${state.budgets.infraLosses} losses in a row without saved work`,
  );
  if (state.usage) lines.push(`usage of its ended attempts: ${usageText(state.usage)}`);
  for (const ended of state.attempts) lines.push(attemptSentence(ended));
  if (state.checkpoint) lines.push(`checkpoint: ${shortSha(state.checkpoint.sha)} at ${state.checkpoint.ref}`);
  if (state.messages.length > 0)
    lines.push(`${counted(state.messages.length, 'message')} not yet acknowledged by the agent`);
  if (state.strays > 0 || state.malformed > 0)
    lines.push(`dropped: ${state.strays} stray and ${state.malformed} unreadable messages`);
  return lines;
}
