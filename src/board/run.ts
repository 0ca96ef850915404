import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../operator/free-port.js';
import { readRecord, writeRecord } from '../client/records.js';
import type { BoardRecord } from '../client/records.js';
import type { HttpServer } from '../edge/serve-http.js';
import { packageRoot } from '../package/compiled.js';
import { processStartTime } from '../runner/processes/process.js';
import { PayloadSeal, Keys, codecOrigins, codecToken, keySource } from '../codec/index.js';
import { serveCodec } from '../codec/serve.js';
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
  /** Opens encrypted payloads for the Web UI and the `temporal` CLI on the loopback interface; 0 takes a free port. */
  codecPort?: number;
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
export async function runBoard(
  options: RunOptions,
): Promise<ServedBoard & { record: BoardRecord; codecPort: number | undefined }> {
  const { home, env, host = '127.0.0.1', readOnly = false, trustProxy = false, codecPort, logFile, log } = options;
  const before = await readRecord(home, 'board');
  const port = options.port ?? (await freePort(preferred(portOf(before?.url))));
  const { version } = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
  const codec = codecPort === undefined ? undefined : await serveTownCodec(codecPort, { home, env });
  const board = await serveBoard({ home, env, port, host, readOnly, trustProxy, version, log }).catch(
    async (error: unknown) => {
      await codec?.close();
      throw error;
    },
  );
  const record: BoardRecord = {
    pid: process.pid,
    startTime: processStartTime(process.pid) ?? '',
    log: logFile,
    url: board.url,
    token: board.token,
    readOnly,
  };
  const close = async (): Promise<void> => {
    await codec?.close();
    await board.close();
  };
  // Without its record nobody would find it, and its open port would keep the process.
  await writeRecord(home, 'board', record).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return { ...board, record, codecPort: codec?.port, close };
}

/** The board may run where no worker does: beside the Web UI of a server elsewhere, say. */
async function serveTownCodec(port: number, { home, env }: Pick<RunOptions, 'home' | 'env'>): Promise<HttpServer> {
  const source = keySource(env, home);
  const server = await readRecord(home, 'server');
  return serveCodec(port, {
    codec: new PayloadSeal(source === undefined ? undefined : new Keys(source)),
    token: await codecToken(home),
    origins: codecOrigins(env, server?.uiAddress),
  });
}

function portOf(url: string | undefined): number | undefined {
  const port = Number(url === undefined ? undefined : new URL(url).port);
  return Number.isInteger(port) && port > 0 ? port : undefined;
}

function* preferred(before: number | undefined): Generator<number> {
  if (before !== undefined) yield before;
  for (let port = usualPort; port < usualPort + 50; port += 1) yield port;
}
