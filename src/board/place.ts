import { setTimeout as sleep } from 'node:timers/promises';
import { readRecord } from '../client/records.js';
import type { BoardRecord } from '../client/records.js';

/** One small file of this machine is read so often; nobody is asked over a network. */
const lookEvery = 2_000;

/**
 * Waits until nobody can find a board any more: `up`, `down` and `board` know it by the record in its state directory
 * alone, and a board without one would outlive its town for good.
 * @returns why it cannot be found, or undefined when `stop` came first.
 */
export async function untilLost(
  home: string,
  { pid, startTime }: Pick<BoardRecord, 'pid' | 'startTime'>,
  stop: AbortSignal,
  every = lookEvery,
): Promise<string | undefined> {
  while (!stop.aborted) {
    const record = await readRecord(home, 'board');
    if (record === undefined) return `its record (board.json) or all of ${home} is gone`;
    if (record.pid !== pid || record.startTime !== startTime)
      return `another board (pid ${record.pid}) has taken its place in ${home}`;
    await sleep(every, undefined, { signal: stop }).catch((error: unknown) => {
      if (!stop.aborted) throw error;
    });
  }
  return undefined;
}
