import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../operator/free-port.js';
import { readRecord, writeRecord } from '../client/records.js';
import type { BoardRecord } from '../client/records.js';
import { packageRoot } from '../package/compiled.js';
import { processStartTime } from '../runner/processes/process.js';
import { serveBoard } from './serve.js';
import type { ServedBoard } from './serve.js';

export interface RunOptions {
  home: string;
  env: NodeJS.ProcessEnv;
  /** By default the one it had before, else the usual one if it is free. */
  port?: number;
  host?: string;
  readOnly?: boolean;
  trustProxy?: boolean;
  /** Where its output goes, for its record. */
  logFile: string;
  log: (line: string) => void;
}

/** Beside Temporal's own page, which is at 8233. */
const usualPort = 8234;

/**
 * Serves the board of a state directory and keeps its record there: `up` and `down` find it by that, and its links
 * stay good over a restart since it takes its port again. The record outlives
 * the board for that.
 */
export async function runBoard(options: RunOptions): Promise<ServedBoard & { record: BoardRecord }> {
  const { home, env, host = '127.0.0.1', readOnly = false, trustProxy = false, logFile, log } = options;
  const before = await readRecord(home, 'board');
  const port = options.port ?? (await freePort(preferred(portOf(before?.url))));
  const { version } = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
  const board = await serveBoard({ home, env, port, host, readOnly, trustProxy, version, log });
  const record: BoardRecord = {
    pid: process.pid,
    startTime: processStartTime(process.pid) ?? '',
    log: logFile,
    url: board.url,
    token: board.token,
    readOnly,
  };
  await writeRecord(home, 'board', record);
  return { ...board, record };
}

function portOf(url: string | undefined): number | undefined {
  const port = Number(url === undefined ? undefined : new URL(url).port);
  return Number.isInteger(port) && port > 0 ? port : undefined;
}

function* preferred(before: number | undefined): Generator<number> {
  if (before !== undefined) yield before;
  for (let port = usualPort; port < usualPort + 50; port += 1) yield port;
}
