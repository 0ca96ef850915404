/**
 * A time-skipping server, its virtual clock, and the towns that live by it. Time belongs to the server: one world per
 * test file, one advance at a time.
 * @module
 */
import { fileURLToPath } from 'node:url';
import { existsSync } from 'node:fs';
import { Client } from '@temporalio/client';
import type { Connection } from '@temporalio/client';
import type { PayloadCodec } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import type { WorkerOptions } from '@temporalio/worker';
import { startTimeSkipping } from '../server/time-skipping.js';
import { beadBundleOptions } from '../worker/bundle.js';
import { ActivityDesk } from './activity-desk.js';
import { Town } from './town.js';
import type { TownOptions } from './town.js';
import { VirtualClock } from './virtual-clock.js';
import { WorkflowWatch } from './workflow-watch.js';
import { WorkflowWorker } from './workflow-worker.js';

export interface WorldOptions {
  /** The time-skipping server's program. Default: as `findTestServer` finds or gets it. */
  serverPath?: string;
  /** Default: the bundle beside the compiled files, or made anew from the sources (1.5 s). */
  workflowBundle?: NonNullable<WorkerOptions['workflowBundle']>;
  /** For clients, workers and the desk of fake hosts: the codecs of your payloads. Default: none. */
  payloadCodecs?: PayloadCodec[];
}

export class World {
  #towns: Town[] = [];
  #count = 0;
  #shared: Promise<WorkflowWorker> | undefined;

  private constructor(
    readonly environment: TestWorkflowEnvironment,
    readonly client: Client,
    readonly clock: VirtualClock,
    readonly watch: WorkflowWatch,
    readonly desk: ActivityDesk,
    readonly workflowBundle: NonNullable<WorkerOptions['workflowBundle']>,
  ) {}

  /**
   * Starts a time-skipping server (about a second) and makes it ready for beads. Close it in the end.
   * @throws {ServerNotFound} when there is no such server and none can be got.
   */
  static async open(options: WorldOptions = {}): Promise<World> {
    const environment = await startTimeSkipping(
      options.serverPath === undefined ? {} : { program: options.serverPath },
    );
    const connection: Connection = environment.connection;
    // Not the environment's own client: that one lets time jump while it waits for a result.
    const client = new Client({
      connection,
      namespace: environment.namespace,
      dataConverter: { payloadCodecs: options.payloadCodecs ?? [] },
    });
    const desk = new ActivityDesk(client);
    const watch = new WorkflowWatch(client, desk);
    const { testService } = connection;
    if (testService === undefined) throw new Error('this connection has no test service: it is none of a test server');
    const clock = new VirtualClock(testService, watch);
    desk.clock = clock;
    await clock.synchronise();
    return new World(environment, client, clock, watch, desk, options.workflowBundle ?? (await defaultBundle()));
  }

  /** A town with its own task queues, hosts and beads. */
  async town(options: TownOptions = {}): Promise<Town> {
    const town = await Town.found(this, `town-${++this.#count}`, options);
    this.#towns.push(town);
    return town;
  }

  /** The worker of all towns that have none of their own. */
  sharedWorker(): Promise<WorkflowWorker> {
    this.#shared ??= WorkflowWorker.start(this, 'towns');
    return this.#shared;
  }

  /**
   * Ends all towns, so that their beads do not go on living in the next test's hours.
   * @throws {Error} when time has come to a standstill: then this world is of no use any more, and only to be closed.
   */
  async closeTowns(): Promise<void> {
    const { broken } = this.clock;
    if (broken) this.clock.close();
    for (const town of this.#towns.splice(0)) await town.close();
    if (broken) throw broken;
  }

  /** Ends the towns, and the server with all that it knows. */
  async close(): Promise<void> {
    try {
      await this.closeTowns();
    } finally {
      await (await this.#shared)?.stop();
      await this.environment.teardown();
    }
  }
}

/** A town in one line: with a world of its own, which ends with it. */
export async function openTown(options: TownOptions & WorldOptions = {}): Promise<Town> {
  const world = await World.open(options);
  try {
    const town = await world.town(options);
    town.onClose = () => world.environment.teardown();
    return town;
  } catch (error) {
    await world.close();
    throw error;
  }
}

async function defaultBundle(): Promise<NonNullable<WorkerOptions['workflowBundle']>> {
  const beside = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));
  if (existsSync(beside)) return { codePath: beside };
  const workflows = (name: string): string =>
    fileURLToPath(new URL(`../workflows/${name}.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url));
  const { code } = await bundleWorkflowCode({ ...beadBundleOptions(workflows), logger: new DefaultLogger('ERROR') });
  return { code };
}
