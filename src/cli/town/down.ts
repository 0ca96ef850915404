import { readRecord, removeRecord } from '../../client/records.js';
import { AttemptDir } from '../../runner/attempt/attempt-dir.js';
import { inspectAttempt } from '../../runner/attempt/inspect-attempt.js';
import { endRecorded } from './processes.js';

/** What `bringDown` found and did. */
export interface TownDown {
  worker: 'stopped' | 'not running';
  server: 'stopped' | 'not running';
  board: 'stopped' | 'not running';
  /** Attempts whose runner and agent live on. */
  agentsAlive: { bead: string; attempt: string }[];
}

/** The worker gives its tasks back and lets its runners be; well within this. */
const workerGrace = 30_000;
/** The server saves at every step. */
const serverGrace = 10_000;
/** It ends the looks that are under way. */
const boardGrace = 10_000;

/**
 * Stops the board, the worker, then the server, of a state directory (or only some of them). Agents live on: they freeze after
 * `orphanGrace`, and go on after the next `up`.
 */
export async function bringDown(
  home: string,
  only: { worker?: boolean; server?: boolean; board?: boolean } = {},
): Promise<TownDown> {
  // Its record stays too: the next one takes its port again, so that links to its pages stay good.
  const board = only.board === false ? undefined : await readRecord(home, 'board');
  const boardStopped = board !== undefined && (await endRecorded(board, boardGrace));
  const worker = only.worker === false ? undefined : await readRecord(home, 'worker');
  const workerStopped = worker !== undefined && (await endRecorded(worker, workerGrace));
  if (worker !== undefined) await removeRecord(home, 'worker');
  // The server's record stays: the next `up` starts it at the same address, where the agents that live on look for it.
  const server = only.server === false ? undefined : await readRecord(home, 'server');
  const serverStopped = server !== undefined && (await endRecorded(server, serverGrace));
  return {
    worker: workerStopped ? 'stopped' : 'not running',
    server: serverStopped ? 'stopped' : 'not running',
    board: boardStopped ? 'stopped' : 'not running',
    agentsAlive: await agentsAlive(home),
  };
}

/** @returns the attempts of a state directory whose runner is alive. */
export async function agentsAlive(home: string): Promise<{ bead: string; attempt: string }[]> {
  const found = await Promise.all(
    (await AttemptDir.list(home)).map(async (dir) => ({ dir, kind: (await inspectAttempt(dir)).kind })),
  );
  return found.filter(({ kind }) => kind === 'running').map(({ dir }) => ({ bead: dir.bead, attempt: dir.attempt }));
}
