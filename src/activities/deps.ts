import type { Client } from '@temporalio/client';
import type { Host } from '../host/index.js';
import type { RunnerConnection, SpareRunner } from '../runner/index.js';
import type { SpareTrees } from './start/spare-trees.js';

/** What the activities of a host need; made once per worker. */
export interface ActivityDeps {
  host: Host;
  /** For explicit beats, signals and queries. An ordinary connection: its errors tell a refusal from an outage. */
  client: Client;
  /**
   * How the runners of this host reach the server, as it is now. Goes into each attempt's folder, never into argv or an
   * agent's environment.
   */
  connection: () => RunnerConnection;
  /** The queue whose worker polls only while there is a free place. */
  agentsQueue: string;
  /** Has a runner's process waiting; absent: each start loads its own. */
  spare?: Pick<SpareRunner, 'boot'> | undefined;
  /** Has trees that are checked out; absent: each start checks its own out. */
  spareTrees?: Pick<SpareTrees, 'lookOver' | 'take' | 'dropSoon' | 'stockSoon'> | undefined;
  /** Variables by which adapters look for their programs; `process.env` when absent. */
  env?: NodeJS.ProcessEnv;
}
