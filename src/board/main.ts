/**
 * The board as a process of its own, as `heartbead up` starts it. It ends at a SIGTERM, and when its state directory
 * does not know it any more.
 * @module
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { untilInterrupted } from '../operator/interrupt.js';
import { untilLost } from './place.js';
import { runBoard } from './run.js';

const { home } = parseArgs({ options: { home: { type: 'string' } } }).values;
if (home === undefined) throw new Error('the board needs --home');

const stop = untilInterrupted();
await mkdir(home, { recursive: true, mode: 0o700 });
const log = (line: string): void => console.error(`${new Date().toISOString()} ${line}`);
const board = await runBoard({ home, env: process.env, logFile: join(home, 'logs', 'board.log'), log });
log(`the board listens at ${board.url}`);
const lost = await untilLost(home, board.record, stop);
if (lost !== undefined) log(`the board ends: ${lost}`);
await board.close();
