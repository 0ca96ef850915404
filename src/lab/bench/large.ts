import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, ServiceError } from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Worker } from '@temporalio/worker';
import pRetry from 'p-retry';
import { pino } from 'pino';
import { createFleetActivities } from '../../activities/fleet/index.js';
import { BeadClient, FleetClient } from '../../client/index.js';
import { convoyWorkflowId, maxConvoyBeads, rigMessages, rigWorkflowId, taskQueues } from '../../contract/index.js';
import type {
  ConvoyView,
  GrantRequest,
  MergeOutcome,
  RefineryActivities,
  RigSettings,
  RigView,
} from '../../contract/index.js';
import { eachOf } from '../../operator/asking.js';
import { activationLimit } from '../../worker/activation-limit.js';
import { beadBundleOptions } from '../../worker/bundle.js';
import type { Figure } from './figures.js';
import { noWork } from './orchestration.js';

/** Requests under way at once: more only wait in the server. */
const atOnce = 16;
/** Of the answers of a full rig: fewer than a workflow may have signals. */
const answersOfOne = 500;
/** Each of the three has ended long before, or stands still. */
const patience = 15 * 60_000;
const sha = 'a'.repeat(40);

/**
 * Towns at the edges of what is taken: a convoy of as many beads as may be, hundreds of rigs, and thousands of beads
 * that want the one place of one rig. Real server, real workflows; agents and merges do nothing.
 */
export async function largeFigures(
  server: { address: string; namespace: string },
  { say, beads = maxConvoyBeads, rigs = 200, waiting = 20_000 }: LargeOptions,
): Promise<Figure[]> {
  const connection = await Connection.connect({ address: server.address });
  const native = await NativeConnection.connect({ address: server.address });
  const client = new Client({ connection, namespace: server.namespace });
  const queue = `bench-large-${process.pid}`;
  const common = { connection: native, namespace: server.namespace };
  const merged = ({ request }: { request: { target: string } }): Promise<MergeOutcome> =>
    Promise.resolve({ outcome: 'merged', sha, target: request.target, strategy: 'merge' });
  const refinery: RefineryActivities = {
    merge: merged,
    ensureBranch: ({ branch }) => Promise.resolve({ branch, sha, created: true }),
  };
  const fleetActivities = createFleetActivities({
    client,
    taskQueue: queue,
    mirrors: '/nowhere',
    logger: pino({ level: 'silent' }),
  });
  const workers = await Promise.all([
    Worker.create({
      ...common,
      ...activationLimit,
      taskQueue: queue,
      workflowBundle: await bundle(),
      activities: { ...fleetActivities, ...noWork, lookAtBranch: () => Promise.resolve({ sha, missing: [] }) },
    }),
    Worker.create({ ...common, taskQueue: taskQueues.agents(queue), activities: noWork }),
    Worker.create({ ...common, taskQueue: taskQueues.merge(queue), activities: { ...refinery } }),
  ]);
  const running = workers.map((worker) => worker.run());
  const town: Town = { client, queue, fleet: new FleetClient({ client }, 60_000), say };
  try {
    return [
      ...(await convoyOf(town, beads)),
      ...(await manyRigs(town, rigs, new BeadClient({ client }, { deadline: 60_000 }))),
      ...(await fullRig(town, waiting)),
    ];
  } finally {
    for (const worker of workers) worker.shutdown();
    await Promise.all(running);
    await native.close();
    await connection.close();
  }
}

/** `beads`, `rigs`, `waiting`: sizes; those of the issue when absent. */
export interface LargeOptions {
  say: (text: string) => void;
  beads?: number | undefined;
  rigs?: number | undefined;
  waiting?: number | undefined;
}

interface Town {
  client: Client;
  queue: string;
  fleet: FleetClient;
  say: (text: string) => void;
}

const settings = (maxAgents: number): RigSettings => ({
  repo: '/nowhere',
  base: 'main',
  agent: { adapter: 'demo' },
  maxAgents,
  checks: [],
  strategy: 'merge',
  approval: false,
});

async function convoyOf({ client, queue, fleet, say }: Town, count: number): Promise<Figure[]> {
  say(`large: a convoy of ${count} beads`);
  const [rig, convoy] = [`large-convoy-${process.pid}`, `large-${process.pid}`];
  await fleet.addRig(rig, settings(50), queue);
  const began = performance.now();
  // Every bead but the first fifty needs one, and each tenth two.
  const needs = (n: number): string[] => (n < 50 ? [] : n % 10 === 0 ? [`b${n - 50}`, `b${n - 49}`] : [`b${n - 50}`]);
  await fleet.createConvoy(
    {
      convoy,
      title: 'A large convoy',
      rig,
      policy: 'wait',
      target: 'integration',
      staged: false,
      beads: Array.from({ length: count }, (_, n) => ({
        id: `b${n}`,
        title: `Bead ${n} of a large convoy`,
        body: 'x'.repeat(500),
        needs: needs(n),
      })),
    },
    queue,
  );
  const handle = client.workflow.getHandle(convoyWorkflowId(convoy));
  const { status, merged } = (await inTime(`a convoy of ${count}`, handle.result())) as {
    status: string;
    merged: string[];
  };
  const seconds = (performance.now() - began) / 1_000;
  if (status !== 'landed' || merged.length !== count)
    throw new Error(`the convoy of ${count} beads is ${status}, with ${merged.length} merged`);
  const asked = performance.now();
  const view = await handle.query<ConvoyView>('state');
  const look = performance.now() - asked;
  const last = await historyOf(handle);
  return [
    {
      name: `convoy_of_${count}_s`,
      value: seconds,
      unit: 's',
      how:
        `a convoy of ${count} beads, of which 50 begin at once and all others need one or two, with an integration ` +
        `branch, from its start until it has landed (${Math.round(count / seconds)} beads/s); agents and merges do ` +
        `nothing. ${view.runs + 1} runs of the convoy, ${last.events} events in the last one; its state ` +
        `${kilobytes(view)} kB, asked for in ${Math.round(look)} ms`,
      report: 'value',
    },
  ];
}

async function manyRigs({ client, queue, fleet, say }: Town, count: number, beads: BeadClient): Promise<Figure[]> {
  say(`large: ${count} rigs with a bead each`);
  const names = Array.from({ length: count }, (_, n) => `large-${process.pid}-${n}`);
  const began = performance.now();
  await eachOf(names, atOnce, (rig) => fleet.addRig(rig, settings(1), queue));
  const added = performance.now();
  await eachOf(names, atOnce, (rig) =>
    beads.start({ bead: rig, title: 'bench', repo: '/nowhere', rig, agent: { adapter: 'rig' } }, queue),
  );
  const ends = await inTime(
    `the beads of ${count} rigs`,
    Promise.all(names.map((bead) => client.workflow.getHandle(`bead-${bead}`).result() as Promise<{ status: string }>)),
  );
  const ended = performance.now();
  const closed = ends.filter(({ status }) => status === 'closed').length;
  if (closed !== count) throw new Error(`of ${count} rigs ${closed} have merged their bead`);
  const events = await eachOf(names, atOnce, async (rig) => historyOf(client.workflow.getHandle(rigWorkflowId(rig))));
  await eachOf(names, atOnce, (rig) => client.workflow.getHandle(rigWorkflowId(rig)).terminate('measured'));
  return [
    {
      name: `rigs_${count}_s`,
      value: (ended - began) / 1_000,
      unit: 's',
      how:
        `${count} rigs on one worker: added in ${((added - began) / 1_000).toFixed(1)} s, then a bead each, until ` +
        `all are merged; at most ${Math.max(...events.map((one) => one.events))} events in a rig`,
      report: 'value',
    },
  ];
}

async function fullRig({ client, queue, fleet, say }: Town, count: number): Promise<Figure[]> {
  say(`large: ${count} beads that want a place in one rig`);
  const rig = `large-full-${process.pid}`;
  await fleet.addRig(rig, settings(1), queue);
  await fleet.pauseRig(rig);
  const handle = client.workflow.getHandle(rigWorkflowId(rig));
  const sinks = Array.from({ length: Math.ceil(count / answersOfOne) }, (_, n) => `bead-${rig}-${n}`);
  await eachOf(sinks, atOnce, (workflowId) =>
    client.workflow.start('answered', { workflowId, taskQueue: queue, args: [] }),
  );
  let full = 0;
  const before = process.memoryUsage().rss;
  const began = performance.now();
  await eachOf(
    Array.from({ length: count }, (_, n) => n),
    atOnce,
    (n) =>
      pRetry(
        () =>
          handle.signal(rigMessages.askGrant, {
            bead: `waits-${String(n).padStart(5, '0')}`,
            workflowId: sinks[n % sinks.length] ?? '',
            priority: 3,
            since: n,
            agent: 'rig',
          } satisfies GrantRequest),
        // The server takes 10,000 signals in one run, and the rig goes on in another only when it has read them.
        { retries: 300, factor: 1, minTimeout: 1_000, shouldRetry: ({ error }) => isFullRun(error, () => (full += 1)) },
      ),
  );
  const asked = performance.now();
  const told = async (): Promise<number> =>
    (
      await eachOf(sinks, atOnce, (workflowId) =>
        client.workflow.getHandle(workflowId).query<Record<string, number>>('told'),
      )
    ).reduce((sum, one) => sum + (one[rigMessages.grantRefused] ?? 0), 0);
  const answers: number[] = [];
  let unanswered = 0;
  const look = (): Promise<RigView> =>
    pRetry(
      async () => {
        const answer = await handle.query<RigView>(rigMessages.state);
        answers.push(kilobytes(answer));
        return answer;
      },
      {
        retries: patience / 10_000,
        minTimeout: 500,
        factor: 1,
        // It reads thousands of signals in one go, and the server waits ten seconds for it.
        shouldRetry: ({ error }) => isBusy(error, () => (unanswered += 1)),
      },
    );
  let [view, refused] = [await look(), await told()];
  const until = performance.now() + patience;
  while (view.waiting.length + refused < count) {
    if (performance.now() > until)
      throw new Error(`of ${count} beads ${view.waiting.length} wait and ${refused} were refused`);
    await sleep(500);
    [view, refused] = [await look(), await told()];
  }
  const ended = performance.now();
  const rss = (process.memoryUsage().rss - before) / 2 ** 20;
  const runs = await runsOf(client, handle);
  await eachOf([...sinks, rigWorkflowId(rig)], atOnce, (workflowId) =>
    client.workflow.getHandle(workflowId).terminate('measured'),
  );
  const carried = Math.max(...runs.map((run) => run.carried));
  return [
    {
      name: `rig_carried_kb_of_${count}`,
      value: carried / 1_024,
      unit: 'kB',
      against: { what: 'what the server takes', value: 2_048 },
      ratio: carried / 1_024 / 2_048,
      how:
        `${count} beads ask a paused rig with one place: ${view.waiting.length} wait, ${refused} were refused with a ` +
        `next step, none is without an answer; ${full} times the server took no more signals ` +
        `for a run; asked in ${Math.round((asked - began) / 1_000)} s, all answered after ` +
        `${Math.round((ended - began) / 1_000)} s. ${runs.length} runs, at most ` +
        `${Math.max(...runs.map((run) => run.events))} events and ` +
        `${Math.round(Math.max(...runs.map((run) => run.bytes)) / 1_024)} kB of history in one; the largest payload ` +
        `that a run began with; an answer about the rig has at most ${Math.max(...answers)} kB, and ${unanswered} ` +
        `looks had none within 10 s; the process with the worker and those that asked grew by ${Math.round(rss)} MB`,
      report: 'value',
    },
  ];
}

function isFullRun(error: unknown, count: () => void): boolean {
  const cause = error instanceof ServiceError ? String(error.cause) : '';
  if (!cause.includes('limit for signal events')) return false;
  count();
  return true;
}

function isBusy(error: unknown, count: () => void): boolean {
  const cause = error instanceof ServiceError ? String(error.cause) : '';
  if (!cause.includes('query timed out')) return false;
  count();
  return true;
}

const kilobytes = (value: unknown): number => Math.round(Buffer.byteLength(JSON.stringify(value)) / 1_024);

async function historyOf(handle: WorkflowHandle): Promise<{ events: number; bytes: number }> {
  const { raw, historyLength } = await handle.describe();
  return { events: historyLength, bytes: Number(raw.workflowExecutionInfo?.historySizeBytes ?? 0) };
}

/** @returns of all runs of a workflow: their history, and the payload that they began with, in bytes. */
async function runsOf(
  client: Client,
  handle: WorkflowHandle,
): Promise<{ events: number; bytes: number; carried: number }[]> {
  const runs: { events: number; bytes: number; carried: number }[] = [];
  const { workflowId } = handle;
  for await (const { runId } of client.workflow.list({ query: `WorkflowId = '${workflowId}'` })) {
    const { history } = await client.workflowService.getWorkflowExecutionHistory({
      namespace: client.options.namespace,
      execution: { workflowId, runId },
      maximumPageSize: 1,
    });
    const payloads = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    const carried = payloads.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
    runs.push({ ...(await historyOf(client.workflow.getHandle(workflowId, runId))), carried });
  }
  return runs;
}

async function inTime<T>(what: string, promise: Promise<T>): Promise<T> {
  const late = new AbortController();
  const limit = sleep(patience, undefined, { signal: late.signal }).then(
    () => Promise.reject(new Error(`${what}: not ended within ${patience / 60_000} minutes`)),
    () => new Promise<never>(() => undefined),
  );
  try {
    return await Promise.race([promise, limit]);
  } finally {
    late.abort();
  }
}

function bundle() {
  const moduleOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  const workflowsPath = moduleOf('./large-workflows.js');
  const beads = beadBundleOptions((name) => moduleOf(`../../workflows/${name}.js`));
  return bundleWorkflowCode({
    ...beads,
    workflowsPath,
    preloadModules: [...(beads.preloadModules ?? []), workflowsPath],
    logger: new DefaultLogger('ERROR'),
  });
}
