import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '../../client/connect.js';
import type { TownConnection } from '../../client/connect.js';
import { within } from '../../client/deadline.js';
import { asClientError } from '../../client/as-client-error.js';
import { closeToOthers } from '../../host/state-directory.js';
import { withFileLock } from '../../server/file-lock.mjs';
import { registerSearchAttributes } from '../../server/index.js';
import { ensureBoard } from './board.js';
import type { TownBoard } from './board.js';
import { ensureServer } from './server.js';
import type { ServerOptions, TownServer } from './server.js';
import { ensureWorker } from './worker.js';
import type { TownWorker, WorkerFlags } from './worker.js';

export interface UpOptions extends ServerOptions {
  /** Absent: no worker is started. */
  worker?: WorkerFlags;
  /** Whether a board is started too. */
  board?: boolean;
}

/** A town that is up. Close `town` when done with it: the processes go on. */
export interface TownUp {
  server: TownServer;
  worker?: TownWorker;
  board?: TownBoard;
  /** Names that were registered by this call. */
  registered: string[];
  town: TownConnection;
}

/** Registering waits until all parts of the server know the attributes, which takes up to 10 s on a real one. */
const registerWithin = 60_000;

/**
 * Brings a state directory's town up: server, search attributes, worker. What is up already stays as it is; two calls
 * at once do it once.
 */
export async function bringUp(options: UpOptions): Promise<TownUp> {
  const { home, env, log } = options;
  await mkdir(home, { recursive: true, mode: 0o700 });
  await closeToOthers(home);
  const onWait = ({ pid }: { pid: number }): void => log(`waiting for another \`heartbead up\` (pid ${pid})`);
  return withFileLock(
    join(home, 'up.lock'),
    async () => {
      const server = await ensureServer(options);
      const town = await connect({
        env: { ...env, HEARTBEAD_TASK_QUEUE: server.record?.taskQueue ?? options.taskQueue },
        home,
      });
      try {
        const registered = await within(town.connection, registerWithin, () =>
          registerSearchAttributes(town.connection, town.namespace),
        ).catch((error: unknown) => {
          throw asClientError(error);
        });
        const worker =
          options.worker === undefined ? undefined : await ensureWorker(town, { home, env, log, ...options.worker });
        const board =
          options.board === true ? await ensureBoard({ home, env, taskQueue: town.taskQueue, log }) : undefined;
        return { server, registered, town, worker, board };
      } catch (error) {
        await town.close();
        throw error;
      }
    },
    { onWait },
  );
}
