import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readRecord } from '../../client/records.js';
import type { BoardRecord } from '../../client/records.js';
import { durationText } from '../../domain/words.js';
import { compiledFile } from '../../package/compiled.js';
import { failure } from '../exit.js';
import { isAlive, logTail, spawnDetached } from './processes.js';

export interface TownBoard {
  state: 'running' | 'started';
  record: BoardRecord;
}

/** It listens half a second after its start; a busy machine of two cores may take many times that. */
const readyWithin = 60_000;
const lookEvery = 50;

/**
 * The board of a state directory: the one that runs, or a new one, which outlives this process. Resolves when it
 * listens.
 * @throws CliError when it ends at once (with the end of its log) or does not listen in time.
 */
export async function ensureBoard(options: {
  home: string;
  env: NodeJS.ProcessEnv;
  taskQueue: string;
  log: (line: string) => void;
}): Promise<TownBoard> {
  const { home, env, taskQueue, log } = options;
  const before = await readRecord(home, 'board');
  if (before !== undefined && isAlive(before)) return { state: 'running', record: before };
  const logFile = join(home, 'logs', 'board.log');
  const started = Date.now();
  const child = await spawnDetached([compiledFile('programs/board'), '--home', home], {
    log: logFile,
    env: { ...env, HEARTBEAD_HOME: home, HEARTBEAD_TASK_QUEUE: taskQueue },
  });
  log(`starting the board (pid ${child.pid}, log ${logFile})`);
  for (;;) {
    const record = await readRecord(home, 'board');
    if (record?.pid === child.pid) return { state: 'started', record };
    if (!isAlive(child)) {
      const said = (await logTail(logFile, 5)).findLast((line) => line.trim() !== '');
      throw failure(`the board ended at once${said === undefined ? '' : `: ${said}`}`, `read its log: ${logFile}`);
    }
    if (Date.now() - started > readyWithin)
      throw failure(
        `the board (pid ${child.pid}) does not listen after ${durationText(readyWithin)}`,
        `read its log: ${logFile}`,
      );
    await sleep(lookEvery);
  }
}
