import { AttemptReader } from '../../client/attempt-reader.js';
import { AttemptUnreadableError } from '../../client/errors.js';
import type { BeadView } from '../../contract/index.js';
import { errorMessage } from '../../edge/errors.js';
import { homes, known } from '../attempt-place.js';
import type { Context } from '../context.js';
import { oneLine } from '../render/format.js';

/** Of so many attempts, the newest, the hosts are asked: each question is a little workflow. */
const mostAsked = 3;

/**
 * @returns a sentence for each ended attempt after which a step of its rig's teardown failed: its host is asked where
 * that is another one, and one that does not answer is named.
 */
export async function failedTeardowns(context: Context, view: BeadView): Promise<string[]> {
  if ((view.workspace?.teardown?.length ?? 0) === 0) return [];
  const ended = view.attempts.filter(({ spawnedAt, host }) => spawnedAt !== undefined && host !== undefined);
  const told = await Promise.all(
    ended.slice(-mostAsked).map(async ({ id, host = '' }) => {
      try {
        const dir = await known(homes(context), view.bead, id);
        const failed = dir === undefined ? await askHost(context, view.bead, id, host) : await dir.failedTeardown();
        if (failed === undefined || failed === '') return [];
        return [
          `what attempt ${id} had others start on host ${host} may still run: its rig's teardown failed: ` +
            oneLine(failed, 1_000),
        ];
      } catch (error) {
        // Its folder is gone, a month after its end.
        if (error instanceof AttemptUnreadableError) return [];
        const why = errorMessage(error);
        return [`nobody could look whether the teardown after attempt ${id} went well: ${why}`];
      }
    }),
  );
  return told.flat();
}

async function askHost(context: Context, bead: string, attempt: string, host: string): Promise<string> {
  const reader = new AttemptReader(await context.town(), { bead, attempt, host, part: 'teardown' });
  return (await reader.next()).bytes.toString('utf8');
}
