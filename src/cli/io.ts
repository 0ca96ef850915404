import { once } from 'node:events';
import { createColors } from 'picocolors';
import type { Colors } from 'picocolors/types.js';

/** Where a command prints to. Results go to stdout, everything else (progress, hints, errors) to stderr. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** Colours of stdout and of stderr: none when NO_COLOR is set or it is no terminal. */
  colors: Colors;
  errColors: Colors;
  /** stdout is a terminal. */
  terminal: boolean;
  /** stdout is one that can be redrawn. */
  tty: boolean;
  /** stderr is. */
  errTty: boolean;
  /** Columns of the terminal; 100 when it is none. */
  width: number;
  env: NodeJS.ProcessEnv;
}

/** @returns whether colours are wanted on a stream: NO_COLOR and FORCE_COLOR are the common conventions. */
export function wantsColors(env: NodeJS.ProcessEnv, tty: boolean): boolean {
  if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return false;
  if (env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '0') return true;
  return tty && env['TERM'] !== 'dumb';
}

/** The process's own terminal. */
export function processIo(env: NodeJS.ProcessEnv = process.env): Io {
  const { stdout, stderr } = process;
  return {
    out: (text) => void stdout.write(`${text}\n`),
    err: (text) => void stderr.write(`${text}\n`),
    colors: createColors(wantsColors(env, stdout.isTTY)),
    errColors: createColors(wantsColors(env, stderr.isTTY)),
    terminal: stdout.isTTY,
    tty: stdout.isTTY && env['TERM'] !== 'dumb',
    errTty: stderr.isTTY && env['TERM'] !== 'dumb',
    width: stdout.isTTY ? stdout.columns : 100,
    env,
  };
}

/** Puts bytes on stdout as they are, no faster than they are read there. */
export async function outBytes(bytes: Buffer): Promise<void> {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
}
