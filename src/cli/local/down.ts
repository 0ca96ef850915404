import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readRecord, removeRecord } from '../../client/records.js';
import { AttemptDir } from '../../runner/attempt/attempt-dir.js';
import { inspectAttempt } from '../../runner/attempt/inspect-attempt.js';
import { withFileLock } from '../../server/file-lock.mjs';
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

/** What is stopped. Absent: all. */
interface Only {
  worker?: boolean;
  server?: boolean;
  board?: boolean;
}

/**
 * Stops the board, the worker, then the server, of a state directory (or only some of them). Agents live on: they
 * freeze after `leaseFor`, and go on after the next `up`. An `up` that is under way is waited for: what it was about
 * to start would outlive this otherwise.
 */
export async function bringDown(
  home: string,
  only: Only = {},
  onWait?: (holder: { pid: number }) => void,
): Promise<TownDown> {
  // Nothing has ever been up here, and nothing is made to find that out.
  const stopped = existsSync(home)
    ? await withFileLock(join(home, 'up.lock'), () => stopRecorded(home, only), { onWait })
    : { worker: false, server: false, board: false };
  const said = (was: boolean): 'stopped' | 'not running' => (was ? 'stopped' : 'not running');
  return {
    worker: said(stopped.worker),
    server: said(stopped.server),
    board: said(stopped.board),
    agentsAlive: await agentsAlive(home),
  };
}

/** @returns what was running, and is not any more. */
async function stopRecorded(home: string, only: Only): Promise<Required<Only>> {
  // Its record stays: the next one takes its port again, so that links to its pages stay good.
  const boardRecord = only.board === false ? undefined : await readRecord(home, 'board');
  const board = boardRecord !== undefined && (await endRecorded(boardRecord, boardGrace));
  const workerRecord = only.worker === false ? undefined : await readRecord(home, 'worker');
  const worker = workerRecord !== undefined && (await endRecorded(workerRecord, workerGrace));
  if (workerRecord !== undefined) await removeRecord(home, 'worker');
  // The server's record stays: the next `up` starts it at the same address, where the agents that live on look for it.
  const serverRecord = only.server === false ? undefined : await readRecord(home, 'server');
  const server = serverRecord !== undefined && (await endRecorded(serverRecord, serverGrace));
  return { worker, server, board };
}

/** @returns the attempts of a state directory whose runner is alive. */
export async function agentsAlive(home: string): Promise<{ bead: string; attempt: string }[]> {
  const found = await Promise.all(
    (await AttemptDir.list(home)).map(async (dir) => ({ dir, kind: (await inspectAttempt(dir)).kind })),
  );
  return found.filter(({ kind }) => kind === 'running').map(({ dir }) => ({ bead: dir.bead, attempt: dir.attempt }));
}
