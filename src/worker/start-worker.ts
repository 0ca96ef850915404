import { Client, Connection } from '@temporalio/client';
import { GracefulShutdownPeriodExpiredError, NativeConnection } from '@temporalio/worker';
import type { Worker } from '@temporalio/worker';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { createFleetActivities } from '../activities/fleet/index.js';
import { createHostActivities, SpareTrees } from '../activities/index.js';
import { prepareRefinery, refineryWorkerOptions } from '../activities/refinery/index.js';
import { describeCell } from '../cell/index.js';
import type { ConnectionSettings } from '../client/connect.js';
import { LivingConnection } from '../client/living-connection.js';
import { checkSeal } from '../client/seal-guard.js';
import { Keys, PayloadSeal, codecToken, sealingConverter } from '../codec/index.js';
import type { KeySource } from '../codec/index.js';
import { serveCodec } from '../codec/serve.js';
import { NoServerError } from '../client/errors.js';
import { DEFAULT_TASK_QUEUE, taskQueues, workerIdentity } from '../contract/index.js';
import { onMirrorNews } from '../git/index.js';
import { acquireWorkerLock, defaultDiskFloor, Host, HostWatch, openStateDirectory } from '../host/index.js';
import { Notifier } from '../notify/index.js';
import { isWanted } from '../edge/auto-or-none.js';
import { connectionRecord, SpareRunner } from '../runner/index.js';
import type { RunnerConnection } from '../runner/index.js';
import { TownDeployment, versionsSupported } from '../client/deployment.js';
import { clientSpans } from '../traces/client-spans.js';
import { Tracer } from '../traces/tracer.js';
import { keepBuild } from './builds.js';
import { builtWorkflowBundle } from './bundle.js';
import { ConnectionWatch } from './connection-watch.js';
import { serveHealth } from './health-server.js';
import { workerMetrics } from './watched/metrics.js';
import { serveMetrics } from './watched/metrics-server.js';
import type { MetricsPlace } from './watched/metrics-server.js';
import { WorkerStateFile } from './state-file.js';
import { NativeWays } from './native-ways.js';
import { versioningOf } from './version-plan.js';
import type { Versioning } from './version-plan.js';
import { VersionWatch } from './version-watch.js';
import { createWorkers } from './workers.js';

export interface StartWorkerOptions {
  /** As `connectionSettings` (`src/client`) finds it: address, TLS, API key, metadata. */
  connection: ConnectionSettings['options'];
  /**
   * Reads `connection` anew, since certificates and keys are replaced from time to time; what it finds is taken by the
   * living worker and its runners. Absent: they never change.
   */
  readConnection?: () => Promise<ConnectionSettings['options']>;
  /** Where the keys of the town's payloads come from; undefined where they are not encrypted. */
  keySource?: KeySource | undefined;
  /** Titles stand in no memo and no summary. */
  privateNames?: boolean;
  /** Default `default`. */
  namespace?: string;
  /** The town's main task queue; default `heartbead`. */
  taskQueue?: string;
  /** The state directory. One worker process per directory. */
  home: string;
  /** At most so many agents at once on this host; default 4. */
  maxAgents?: number;
  /** Bytes that must be free before anything new is started; default 512 MiB. */
  diskFloor?: number;
  /** So many paid starts of beads without a rig within an hour may lead to nothing; default 120. */
  startLimit?: number;
  /** Serves `GET /` for probes on the loopback interface; 0 takes a free port. No probe when absent. */
  healthPort?: number;
  /** Serves metrics, Core's from its own port among them; the runtime was installed with that. None when absent. */
  metrics?: MetricsPlace;
  /** Opens payloads for pages of these origins on the loopback interface; port 0 takes a free one. */
  codec?: { port: number; origins: readonly string[] };
  /** Default: the one that the build has made. */
  workflowBundle?: { codePath: string };
  /** Default: as the town does. */
  versioning?: Versioning;
  /** Whether a runner's process that has loaded waits for the next start; default: as the variables say. */
  spareRunner?: boolean;
  /** Whether trees are checked out before the next start needs them; default: as the variables say. */
  spareTrees?: boolean;
  logger: Logger;
}

/** A worker of this process. Its agents are no part of it: they live on when it ends. */
export interface RunningWorker {
  hostId: string;
  /** Present with `healthPort`. */
  healthPort?: number;
  /** Present with `metrics`. */
  metricsPort?: number;
  /** Present with `codec`. */
  codecPort?: number;
  /** Stops polling and ends; runners and agents live on. Resolves when everything is closed. Idempotent. */
  stop(): Promise<void>;
  /** Resolves when the worker has stopped; rejects when it failed by itself. */
  done: Promise<void>;
}

/** Enough for the agents of one person's machine; each takes a few hundred megabytes. */
export const defaultMaxAgents = 4;
const connectWithin = 10_000;

/**
 * Starts a worker: takes the state directory, looks who lives there, and polls the town's queues. Resolves when it
 * polls.
 * @throws WorkerLockHeldError when another worker has the directory; NoServerError when the server does not answer.
 * Nothing is left open then.
 */
export async function startWorker(options: StartWorkerOptions): Promise<RunningWorker> {
  const {
    namespace = 'default',
    taskQueue = DEFAULT_TASK_QUEUE,
    maxAgents = defaultMaxAgents,
    diskFloor = defaultDiskFloor,
    logger,
    healthPort,
  } = options;
  const closers: (() => Promise<void>)[] = [];
  /** Last opened, first closed; one that fails must not keep the others open. */
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) {
      await closer().catch((error: unknown) => logger.warn({ err: error }, 'a part of the worker could not be closed'));
    }
  };
  try {
    const { home, hostId, mended } = await openStateDirectory(options.home);
    if (mended !== undefined) logger.warn(mended);
    let stop: (why: string) => void = () => undefined;
    const lock = await acquireWorkerLock(home, { onLost: (why) => stop(why) });
    closers.push(() => lock.release());
    const stateFile = new WorkerStateFile(home, { hostId, taskQueue, maxAgents, address: options.connection.address });
    await stateFile.write('starting');
    closers.push(() => stateFile.write('stopped'));

    const { address } = options.connection;
    const line = new LivingConnection(
      await reach(address, Connection.connect({ ...credentials(options.connection), connectTimeout: connectWithin })),
      (error) => logger.warn({ err: error }, 'a former connection could not be closed'),
    );
    closers.push(() => line.close());
    const { connection } = line;
    const ways = new NativeWays(
      await reach(address, NativeConnection.connect(credentials(options.connection))),
      logger,
    );
    closers.push(() => ways.close());

    const { keySource } = options;
    const keys =
      keySource === undefined
        ? undefined
        : new Keys(keySource, { onTrouble: (error) => logger.warn(`the last good keys go on: ${error.message}`) });
    await keys?.ring();
    await checkSeal({ connection, namespace, taskQueue, keys, starting: true });
    const dataConverter = sealingConverter(keys, { unreadable: 'keep' });
    const identity = workerIdentity({ hostId, pid: process.pid, keyed: keys !== undefined });
    const tracer = Tracer.from(process.env, 'heartbead-worker', (what) => logger.warn(what));
    if (tracer !== undefined) closers.push(() => tracer.flush());
    const client = new Client({
      connection,
      namespace,
      identity,
      dataConverter,
      interceptors: { workflow: tracer === undefined ? [] : [clientSpans(tracer, namespace)] },
    });
    const unhear = onMirrorNews(({ mirror, what }) => logger.warn({ mirror }, what));
    closers.push(() => Promise.resolve(unhear()));
    const host = new Host({ home, hostId, maxAgents, diskFloor, startLimit: options.startLimit, logger });
    const recordOf = (from: ConnectionSettings['options']): RunnerConnection =>
      connectionRecord({ ...credentials(from), namespace, keySource });
    const first = recordOf(options.connection);
    let connectionWatch: ConnectionWatch<ConnectionSettings['options']> | undefined;
    const { spareRunner = isWanted(process.env, 'HEARTBEAD_SPARE_RUNNER') } = options;
    const connectionNow = (): RunnerConnection => connectionWatch?.record ?? first;
    const spare = spareRunner ? new SpareRunner(home, host.logger, connectionNow) : undefined;
    closers.push(() => Promise.resolve(spare?.close()));
    const trees = new SpareTrees(host);
    host.spares = trees;
    closers.push(() => trees.close());
    const { activities, sweep, tidy } = createHostActivities({
      host,
      client,
      connection: connectionNow,
      agentsQueue: taskQueues.agents(taskQueue),
      spare,
      spareTrees: (options.spareTrees ?? isWanted(process.env, 'HEARTBEAD_SPARE_TREE')) ? trees : undefined,
    });
    const cell = describeCell(home, process.env);
    const say = { sandbox: cell.agents, next: cell.next };
    if (cell.next === undefined) logger.info(say, cell.text);
    else logger.warn(say, cell.text);
    const watch = new HostWatch(host, { client, sweep, tidy });
    await watch.start();
    closers.push(() => watch.stop());

    await prepareRefinery({ home });
    const fleet = createFleetActivities({
      client,
      taskQueue,
      mirrors: join(home, 'mirrors'),
      privateNames: options.privateNames,
      logger,
    });
    const refinery = refineryWorkerOptions({ home, hostId, town: taskQueue, tracer });
    const workflowBundle = options.workflowBundle ?? builtWorkflowBundle();
    const town = { connection, client, namespace, taskQueue };
    const versions = await new TownDeployment(town).describe();
    let versioning = versioningOf(options.versioning, versions);
    const unable = versioning === 'off' ? undefined : await versionsSupported(connection);
    if (unable !== undefined) {
      logger.warn(`the workflows get no versions: ${unable}`);
      versioning = 'off';
    }
    const build = versioning === 'off' ? undefined : await keepBuild(home, workflowBundle.codePath);
    // Before anything polls: a port that is taken ends a worker that nobody has seen at work.
    const metrics =
      options.metrics === undefined
        ? undefined
        : await serveMetrics({ place: options.metrics, registry: workerMetrics({ town, host, maxAgents }) });
    if (metrics !== undefined) closers.push(() => metrics.close());
    const codec =
      options.codec === undefined
        ? undefined
        : await serveCodec(options.codec.port, {
            codec: new PayloadSeal(keys),
            token: await codecToken(home),
            origins: options.codec.origins,
          });
    if (codec !== undefined) closers.push(() => codec.close());
    const { all: workers, ofEarlierBuild } = await createWorkers({
      connection: () => ways.inForce,
      namespace,
      taskQueue,
      host,
      activities,
      fleet,
      refinery,
      identity,
      workflowBundle,
      build: build?.id,
      dataConverter,
      tracer,
    });
    const running = run(workers, logger);
    closers.push(running.stop);
    const versionWatch =
      build === undefined
        ? undefined
        : new VersionWatch({
            town,
            home,
            own: build,
            versioning,
            createWorker: ({ id, codePath }) => ofEarlierBuild(id, { codePath }),
            logger,
          });
    if (versionWatch !== undefined) {
      closers.push(() => versionWatch.stop());
      await versionWatch.start(versions);
    }
    const { readConnection } = options;
    if (readConnection !== undefined) {
      connectionWatch = new ConnectionWatch({
        first,
        read: async () => {
          const read = await readConnection();
          return { record: recordOf(read), options: read };
        },
        take: async (read) => {
          const to = { ...credentials(read), address };
          const next = await Connection.connect({ ...to, connectTimeout: connectWithin });
          try {
            ways.use(await NativeConnection.connect(to));
          } catch (error) {
            await next.close();
            throw error;
          }
          line.use(next);
        },
        settle: async () => {
          for (const worker of [...workers, ...(versionWatch?.workers() ?? [])])
            if (worker.getState() === 'RUNNING' && worker.connection !== ways.inForce) worker.connection = ways.inForce;
          await ways.leave();
        },
        runners: host.runners,
        logger,
      });
      connectionWatch.start();
      const watched = connectionWatch;
      closers.push(() => watched.stop());
    }
    const notifier = new Notifier({ town: { client, namespace, taskQueue }, home, logger });
    notifier.start();
    closers.push(() => notifier.stop());
    let probe: number | undefined;
    if (healthPort !== undefined) {
      const health = await serveHealth(healthPort, () => {
        const states = [...workers.map((worker) => worker.getState()), ...(versionWatch?.states() ?? [])];
        const { obstacle } = host.places;
        return {
          healthy: states.every((state) => state === 'RUNNING'),
          state: running.state(),
          hostId,
          workers: states,
          agents: { living: host.runners.count, max: maxAgents },
          obstacle,
        };
      });
      closers.push(() => health.close());
      probe = health.port;
    }
    spare?.stock();
    trees.begin();
    await stateFile.write('running', { metricsPort: metrics?.port, codecPort: codec?.port });
    logger.info(
      {
        hostId,
        home,
        address,
        namespace,
        taskQueue,
        maxAgents,
        living: host.runners.count,
        healthPort: probe,
        metricsPort: metrics?.port,
        codecPort: codec?.port,
        encrypted: keys !== undefined,
        build: build?.id,
      },
      'the worker polls',
    );

    stop = (why) => {
      logger.warn({ why }, 'the worker stops');
      void running.stop();
    };
    const done = running.done.finally(close);
    // Whoever awaits neither of the two must not be ended by it; the log has told it.
    done.catch((error: unknown) => logger.error({ err: error }, 'the worker failed'));
    return {
      hostId,
      healthPort: probe,
      metricsPort: metrics?.port,
      codecPort: codec?.port,
      done,
      stop: async () => {
        await running.stop();
        await done;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What both kinds of connections of the SDK know. */
const credentials = ({ address, tls, apiKey, metadata }: ConnectionSettings['options']) => ({
  address,
  tls,
  apiKey,
  metadata,
});

/** The SDK's own error does not say which server it means. */
async function reach<C>(address: string, connecting: Promise<C>): Promise<C> {
  try {
    return await connecting;
  } catch (error) {
    throw new NoServerError(
      `the Temporal server at ${address} cannot be reached (${(error as Error).message})`,
      'check TEMPORAL_ADDRESS and that the server is up, or start one with `heartbead up`',
      { cause: error },
    );
  }
}

interface Running {
  state(): string;
  stop: () => Promise<void>;
  done: Promise<void>;
}

/** Runs all of them until one is asked to stop or one fails: half a worker would be worse than none. */
function run(workers: Worker[], logger: Logger): Running {
  let stopping = false;
  const shutDown = (): void => {
    stopping = true;
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  const runs = workers.map((worker) =>
    worker.run().catch((error: unknown) => {
      shutDown();
      // What did not end in time is left to its retry, or to the adoption.
      if (error instanceof GracefulShutdownPeriodExpiredError)
        logger.warn({ err: error }, 'not everything ended in time');
      else throw error;
    }),
  );
  const all = Promise.allSettled(runs);
  const done = all.then((results) => {
    for (const result of results) if (result.status === 'rejected') throw result.reason as Error;
  });
  return {
    state: () => (stopping ? 'stopping' : 'running'),
    done,
    stop: async () => {
      shutDown();
      await all;
    },
  };
}
