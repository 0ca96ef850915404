import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';

/** What the activities of convoys and rigs need; made once per worker. */
export interface FleetDeps {
  /** A client of the worker's own connection and namespace. */
  client: Client;
  /** The town's main task queue, on which beads are started. */
  taskQueue: string;
  /** The folder of the mirrors: `mirrors/` in the host's state directory. */
  mirrors: string;
  /** Titles stand in no memo and no summary. */
  privateNames?: boolean;
  logger: Logger;
}
