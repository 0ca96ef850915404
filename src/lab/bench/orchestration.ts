import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Worker } from '@temporalio/worker';
import { attemptRefs, beadWorkflowId, taskQueues } from '../../contract/index.js';
import type { Activities, BeadInput, StartAgentInput } from '../../contract/index.js';
import { median, percentile } from './figures.js';
import type { Figure } from './figures.js';

const sha = 'a'.repeat(40);
/** Activities that do nothing: what is measured is the orchestration alone. */
export const noWork: Pick<Activities, 'startAgent' | 'verifyWork'> & { nothing: () => Promise<void> } = {
  startAgent: ({ attempt, bead }: StartAgentInput) =>
    Promise.resolve({
      attempt,
      outcome: 'done',
      reason: 'did nothing',
      host: 'bench',
      branch: attemptRefs.branch(bead, attempt),
      sha,
    }),
  verifyWork: ({ branch }) => Promise.resolve({ verdict: 'verified', branch, sha, baseSha: 'b'.repeat(40), ahead: 1 }),
  nothing: () => Promise.resolve(),
};

/**
 * Beads a second, and milliseconds from start to end of one, against a workflow with one activity that does nothing; on
 * the same server and worker, the two in turn, so that a drift of the machine hits both.
 */
export async function orchestration(
  server: { address: string; namespace: string },
  { rounds = 5, batch = 40, singles = 25 } = {},
): Promise<Figure[]> {
  const bundle = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('./workflows.js', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  });
  const native = await NativeConnection.connect({ address: server.address });
  const connection = await Connection.connect({ address: server.address });
  const client = new Client({ connection, namespace: server.namespace });
  const town = `bench-${process.pid}`;
  const common = { connection: native, namespace: server.namespace };
  const workers = [
    await Worker.create({ ...common, taskQueue: town, workflowBundle: bundle, activities: noWork }),
    await Worker.create({ ...common, taskQueue: taskQueues.agents(town), activities: noWork }),
  ];
  const running = workers.map((worker) => worker.run());
  let count = 0;
  let last = '';
  const bareOn = (activities: string) => async (): Promise<void> => {
    last = `${town}-bare-${(count += 1)}`;
    await client.workflow.execute('bare', { taskQueue: town, workflowId: last, args: [activities] });
  };
  const [oneBare, oneNear] = [bareOn(taskQueues.agents(town)), bareOn(town)];
  /** Events and bytes of the history of the one that was started last. */
  const history = async (): Promise<{ events: number; bytes: number }> => {
    const { raw, historyLength } = await client.workflow.getHandle(last).describe();
    return { events: historyLength, bytes: Number(raw.workflowExecutionInfo?.historySizeBytes ?? 0) };
  };
  const oneBead = async (): Promise<void> => {
    const bead = `${town}-${(count += 1)}`;
    const input: BeadInput = { bead, title: 'bench', repo: '/nowhere', agent: { adapter: 'demo' } };
    await client.workflow.execute('bead', {
      taskQueue: town,
      workflowId: (last = beadWorkflowId(bead)),
      args: [input],
    });
  };
  const perSecond = async (one: () => Promise<void>): Promise<number> => {
    const begin = performance.now();
    await Promise.all(Array.from({ length: batch }, one));
    return (batch * 1_000) / (performance.now() - begin);
  };
  const milliseconds = async (one: () => Promise<void>): Promise<number> => {
    const begin = performance.now();
    await one();
    return performance.now() - begin;
  };
  try {
    await oneBare();
    const bareHistory = await history();
    await oneBead();
    const beadHistory = await history();
    const [beads, bares, ratios]: [number[], number[], number[]] = [[], [], []];
    for (let round = 0; round < rounds; round += 1) {
      const [bare, bead] = [await perSecond(oneBare), await perSecond(oneBead)];
      bares.push(bare);
      beads.push(bead);
      ratios.push(bead / bare);
    }
    const [slow, fast, latencies]: [number[], number[], number[]] = [[], [], []];
    const [near, nearLatencies]: [number[], number[]] = [[], []];
    for (let single = 0; single < singles; single += 1) {
      const [bare, bead] = [await milliseconds(oneBare), await milliseconds(oneBead)];
      fast.push(bare);
      slow.push(bead);
      latencies.push(bead / bare);
      near.push(await milliseconds(oneNear));
      nearLatencies.push(bead / (near.at(-1) ?? 1));
    }
    return [
      {
        name: 'throughput_ratio_vs_bare',
        value: median(beads),
        unit: 'per second',
        against: { what: 'bare workflow', value: median(bares) },
        ratio: median(ratios),
        how: `${rounds} batches of ${batch} at once, in turn; median of the pairs`,
      },
      {
        name: 'latency_ratio_vs_bare',
        value: median(slow),
        unit: 'ms',
        against: { what: 'bare workflow', value: median(fast) },
        ratio: median(latencies),
        how:
          `${singles} single ones, in turn; median of the pairs. A bead has two activities one after the other ` +
          "where the bare workflow has one, on the hosts' task queue as well. The second is the proof: it reads the " +
          'remote apart from the runner that says it is done. As a local activity it would keep every question and ' +
          'cancel waiting for a remote that is slow, as a part of the first the runner would vouch for itself',
      },
      {
        name: 'latency_ratio_vs_near',
        value: median(slow),
        unit: 'ms',
        against: { what: 'bare workflow, its activity in the same worker', value: median(near) },
        ratio: median(nearLatencies),
        how:
          `the same ${singles}, against an activity that the server hands to the worker which asks for it (eager ` +
          'start): it saves a round trip that no work on another machine can save',
      },
      {
        name: 'latency_p99_ratio_vs_bare',
        value: percentile(slow, 99),
        unit: 'ms',
        against: { what: 'bare workflow', value: percentile(fast, 99) },
        ratio: percentile(slow, 99) / percentile(fast, 99),
        how: `the same ${singles}: the slowest of either`,
      },
      {
        name: 'events_ratio_vs_bare',
        value: beadHistory.events,
        unit: 'events',
        against: { what: 'bare workflow', value: bareHistory.events },
        ratio: beadHistory.events / bareHistory.events,
        how: 'the whole history of one',
      },
      {
        name: 'history_bytes_ratio_vs_bare',
        value: beadHistory.bytes,
        unit: 'bytes',
        against: { what: 'bare workflow', value: bareHistory.bytes },
        ratio: beadHistory.bytes / bareHistory.bytes,
        how: 'likewise: the input, what each attempt was given and answered, search attributes and summaries',
      },
    ];
  } finally {
    for (const worker of workers) worker.shutdown();
    await Promise.all(running);
    await native.close();
    await connection.close();
  }
}
