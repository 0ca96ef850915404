import { setTimeout as sleep } from 'node:timers/promises';
import { AttemptReader } from '../client/attempt-reader.js';
import { HostAwayError, NoServerError, NoWorkerError } from '../client/errors.js';
import type { AttemptSource } from '../client/attempt-reader.js';
import type { Context } from './context.js';

/** How long a host holds a question back while nothing is new. */
const waitMs = 20_000;
/** A log that grows all the time is fetched in handfuls, not line by line: each question costs a little workflow. */
const breathe = 1_000;
/** A host that is away may come back. */
const againAfter = 5_000;

export interface RemoteLogOptions {
  context: Context;
  source: AttemptSource;
  follow: boolean;
  stop: AbortSignal;
  print: (lines: string[]) => void;
}

/**
 * Prints what an attempt on another host has written; with `follow` until the attempt has ended. A host that goes away
 * meanwhile is asked again until it answers, and the log goes on where it broke off.
 */
export async function printRemoteLog({ context, source, follow, stop, print }: RemoteLogOptions): Promise<void> {
  const reader = new AttemptReader(await context.town(), source);
  const decoder = new TextDecoder();
  let rest = '';
  let away = false;
  for (let begun = false; !stop.aborted;) {
    let piece;
    try {
      piece = await reader.next(begun && follow ? waitMs : 0);
    } catch (error) {
      if (!isAway(error) || !follow || !begun) throw error;
      if (!away) context.note(`${error.message}; asking again until it does`);
      away = true;
      await pause(againAfter, stop);
      continue;
    }
    if (away) context.note(`host ${source.host} answers again`);
    away = false;
    begun = true;
    if (piece.restarted) context.note('a part of the log was rotated away before it was read');
    const lines = (rest + decoder.decode(piece.bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    print(lines);
    if (piece.more) continue;
    if (!follow || piece.ended) break;
    await pause(breathe, stop);
  }
  if (rest !== '') print([rest]);
}

/** The host's worker, every worker, or the server: each may come back. */
const isAway = (error: unknown): error is Error =>
  error instanceof HostAwayError || error instanceof NoWorkerError || error instanceof NoServerError;

async function pause(ms: number, stop: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: stop }).catch((error: unknown) => {
    if (!stop.aborted) throw error;
  });
}
