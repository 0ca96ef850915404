import { attemptIdProblem, shaProblem } from './problems.js';
import { attemptCells, heartbeatKinds } from './types.js';
import type { AcceptedSignal, Checkpoint, Decided, HeartbeatKind, HeartbeatSignal, NoteSignal } from './types.js';
import { clip } from './limits.js';

const record = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;

const accountPattern = /^[a-z][\w-]{0,39}$/;
const hostPattern = /^[\w.-]{1,100}$/;

/** 32 bytes in base64url. */
export const vouchKeyPattern = /^[\w-]{43}$/;

const readCheckpoint = (value: unknown): Checkpoint | undefined => {
  const c = record(value);
  if (
    c === undefined ||
    shaProblem(c['sha']) !== undefined ||
    typeof c['ref'] !== 'string' ||
    !/^refs\/[\w./-]{1,300}$/.test(c['ref'])
  )
    return undefined;
  return {
    sha: c['sha'] as string,
    ref: c['ref'],
    wip: c['wip'] === true,
    gained: c['gained'] === true ? true : undefined,
  };
};

/**
 * Reads a `heartbeat` signal's payload without trusting it and without ever throwing: a throw in a signal handler
 * wedges the workflow. Only `attempt` is required; unreadable optional fields are dropped.
 * @returns the heartbeat, or what is wrong with it as text.
 */
export function readHeartbeat(payload: unknown): Decided<HeartbeatSignal> | string {
  const p = record(payload);
  if (p === undefined) return 'not an object';
  const problem = attemptIdProblem(p['attempt']);
  if (problem !== undefined) return problem;
  if (p['kind'] !== undefined && !heartbeatKinds.includes(p['kind'] as HeartbeatKind)) return 'unknown kind';
  const checkpoint = readCheckpoint(p['checkpoint']);
  const acknowledged = p['acknowledged'];
  return {
    attempt: p['attempt'] as string,
    kind: (p['kind'] as HeartbeatKind | undefined) ?? 'output',
    host: typeof p['host'] === 'string' && hostPattern.test(p['host']) ? p['host'] : undefined,
    activity: typeof p['activity'] === 'string' ? clip(p['activity'], 200) : undefined,
    checkpoint,
    acknowledged: Array.isArray(acknowledged)
      ? acknowledged.filter((id): id is string => typeof id === 'string').slice(0, 100)
      : undefined,
    saveProblem: typeof p['saveProblem'] === 'string' ? clip(p['saveProblem'], 300) : undefined,
    cell: attemptCells.find((known) => known === p['cell']),
    account: typeof p['account'] === 'string' && accountPattern.test(p['account']) ? p['account'] : undefined,
    vouchKey: typeof p['vouchKey'] === 'string' && vouchKeyPattern.test(p['vouchKey']) ? p['vouchKey'] : undefined,
  };
}

/** Reads an `accepted` signal's payload, likewise. @returns the signal, or what is wrong with it as text. */
export function readAccepted(payload: unknown): Decided<AcceptedSignal> | string {
  const p = record(payload);
  if (p === undefined) return 'not an object';
  const problem = attemptIdProblem(p['attempt']);
  if (problem !== undefined) return problem;
  if (typeof p['host'] !== 'string' || !hostPattern.test(p['host'])) return 'not a host id';
  return { attempt: p['attempt'] as string, host: p['host'] };
}

/** Reads a `note` signal's payload, likewise. @returns the note, or what is wrong with it as text. */
export function readNote(payload: unknown): Decided<NoteSignal> | string {
  const p = record(payload);
  if (p === undefined) return 'not an object';
  const problem = attemptIdProblem(p['attempt']);
  if (problem !== undefined) return problem;
  if (typeof p['text'] !== 'string' || p['text'] === '') return 'a note needs a text';
  return {
    attempt: p['attempt'] as string,
    text: clip(p['text']),
    kind: p['kind'] === 'escalation' ? 'escalation' : 'note',
  };
}
