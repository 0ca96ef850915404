import { Worker } from '@temporalio/worker';
import type {
  NativeConnection,
  WorkerDeploymentOptions,
  WorkflowBundleOption,
  WorkerOptions,
} from '@temporalio/worker';
import type { DataConverter } from '@temporalio/common';
import { deploymentOf, taskQueues } from '../contract/index.js';
import { placeTuner } from '../activities/place-tuner.js';
import type { RefineryWorkerOptions } from '../activities/refinery/index.js';
import type { Activities, FleetActivities, HostAnswers } from '../contract/index.js';
import type { Host } from '../host/index.js';
import { activitySpans } from '../traces/activity-spans.js';
import type { Tracer } from '../traces/tracer.js';
import { activationLimit } from './activation-limit.js';
import { beadInLogs } from './watched/log-attributes.js';

export interface CreateWorkersOptions {
  /** As it is now: what is made later than the others takes a later one. */
  connection: () => NativeConnection;
  namespace: string;
  /** The town's main task queue; the others are derived from it. */
  taskQueue: string;
  host: Host;
  activities: Activities & HostAnswers;
  /** What convoys and rigs ask for, on the main queue. */
  fleet: FleetActivities;
  refinery: RefineryWorkerOptions;
  workflowBundle: WorkflowBundleOption;
  /** The build of the workflows; absent: their worker takes no part in the town's versions. */
  build?: string;
  identity: string;
  dataConverter: DataConverter;
  /** Present where spans are exported. */
  tracer?: Tracer | undefined;
}

export interface Workers {
  all: Worker[];
  /** Makes one more worker, for the workflows of an earlier build. The caller runs it. */
  ofEarlierBuild: (build: string, workflowBundle: WorkflowBundleOption) => Promise<Worker>;
}

/**
 * Reads of remotes at once: each is a git process or two, and more of them than that would only wait for the same line.
 */
const remoteReadsAtOnce = 10;

/**
 * The workers of a process, one per kind of work, so that none waits behind another: workflows and short activities,
 * starts of agents (as many as there are free places), what only this host can do, and merges.
 */
export async function createWorkers({
  connection,
  namespace,
  taskQueue,
  host,
  activities,
  fleet,
  refinery,
  workflowBundle,
  build,
  identity,
  dataConverter,
  tracer,
}: CreateWorkersOptions): Promise<Workers> {
  const { startAgent, verifyWork, stopAttempt, pauseAttempt, deliverMessage, offerWork, readAttempt } = activities;
  const common: WorkerOptions = {
    connection: connection(),
    namespace,
    identity,
    taskQueue,
    dataConverter,
    interceptors: { activity: [beadInLogs, ...(tracer === undefined ? [] : [activitySpans(tracer)])] },
    // A cancel, a pause and the news that a token is void reach an activity only with the answer to a beat; the default
    // would hold beats back for up to 60 s. Two seconds are what a stop may take to be heard, and a beat costs no
    // history.
    maxHeartbeatThrottleInterval: '2 s',
    // Eager dispatch hands a task to whoever completes the workflow task: past the queue, its priorities, and the
    // host's places.
    maxEagerActivityReservationsPerWorkflowTask: 0,
    // Short activities may finish; a start in mid-clone is told after that, and leaves its work for the next worker.
    shutdownGraceTime: '2 s',
    // Well within the 30 s that service managers grant: what does not end by then (a push to a remote that hangs) is
    // left to its retry.
    shutdownForceTime: '20 s',
  };
  // Only this one has versions: what hosts and the refinery do is the same for workflows of every build, and must be
  // there for those of the last one too.
  const main = (bundle: WorkflowBundleOption, of: string | undefined): Promise<Worker> =>
    Worker.create({
      ...common,
      ...activationLimit,
      connection: connection(),
      taskQueue: taskQueues.main(taskQueue),
      workflowBundle: bundle,
      activities: { verifyWork, ...fleet },
      maxConcurrentActivityTaskExecutions: remoteReadsAtOnce,
      // What this queue's workflows ask of it has no priorities and no places: its evidence is read without the way
      // through the queue, while one of those reads is free. (3 is the SDK's own number.)
      maxEagerActivityReservationsPerWorkflowTask: 3,
      workerDeploymentOptions: of === undefined ? undefined : versionOf(taskQueue, of),
    });
  const all = await Promise.all([
    main(workflowBundle, build),
    Worker.create({
      ...common,
      taskQueue: taskQueues.agents(taskQueue),
      activities: { startAgent },
      // One start after the other: a poll that waits holds a permit, and starts come in by the minute, not by the
      // second. (`maxConcurrentActivityTaskPolls` is ignored by SDK 1.24.)
      activityTaskPollerBehavior: { type: 'simple-maximum', maximum: 1 },
      tuner: placeTuner(host.places),
    }),
    Worker.create({
      ...common,
      taskQueue: taskQueues.host(host.hostId, taskQueue),
      activities: { startAgent, stopAttempt, pauseAttempt, deliverMessage, offerWork, readAttempt },
    }),
    Worker.create({ ...common, ...refinery }),
  ]);
  return { all, ofEarlierBuild: (of, bundle) => main(bundle, of) };
}

const versionOf = (town: string, buildId: string): WorkerDeploymentOptions => ({
  useWorkerVersioning: true,
  version: { deploymentName: deploymentOf(town), buildId },
  // A run ends on the build that began it, and is told when it may go on with another.
  defaultVersioningBehavior: 'PINNED',
});
