import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import pRetry from 'p-retry';
import { BeadClient, listBeads, NoWorkerError } from '../../client/index.js';
import { messages } from '../../contract/index.js';
import type { BeadView, BeatDetails, HeartbeatSignal } from '../../contract/index.js';
import { defaultClocks } from '../../domain/index.js';
import { allocatorEnvironment, workerNodeFlags } from '../../worker/memory.js';
import { beadBundleOptions } from '../../worker/bundle.js';
import { killChild } from '../../server/kill-child.js';
import { percentile, round } from './figures.js';
import type { Figure } from './figures.js';
import type { FromParkedWorker, ToParkedWorker } from './parked-worker.js';
import type { collect } from './parked-workflows.js';
import { reads, timedReads } from './reads.js';
import type { Read, ReadTimes } from './reads.js';

const warmUp = 100;
/** So often each of an operator's looks is timed at each size. */
const readRounds = 7;
/** Requests under way at once: more only wait in the server. */
const atOnce = 16;
/** Of the runners' beats: each bead's comes once a round, which is well within the heartbeat timeout. */
const roundMs = defaultClocks.signalEvery / 3;
const sharesOfRound = 40;
/** The start of all of them at once is over when the worker takes less than this share of a core for so long. */
const calm = { share: 0.6, ms: 5_000, looks: 60 };

interface Size {
  beads: number;
  rssMb: number;
  cpu: number;
  signals: number;
  show: number[];
  /** Looks at a bead that had no answer in time; they count with all that time. */
  unanswered: number;
  list: number[];
  reads: ReadTimes;
}

/**
 * Beads whose agents work for hours, on one workflow worker (a process of its own): their runners beat and signal as
 * real ones do, and the worker's memory and CPU, and the latency of an operator's look, are taken at each size.
 */
export async function scale(
  server: { address: string; namespace: string },
  { sizes = [100, 1_000, 5_000], watchMs = 40_000, say = (_: string): void => undefined } = {},
): Promise<Figure[]> {
  const queue = `bench-scale-${process.pid}`;
  const connection = await Connection.connect({ address: server.address });
  const client = new Client({ connection, namespace: server.namespace });
  const beads = new BeadClient({ client });
  const folder = mkdtempSync(join(tmpdir(), 'heartbead-scale-'));
  const worker = fork(
    fileURLToPath(new URL('./parked-worker.js', import.meta.url)),
    [server.address, server.namespace, queue, await bundle(folder)],
    {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: ['--expose-gc', ...workerNodeFlags],
      env: { ...process.env, ...allocatorEnvironment },
    },
  );
  const tokens = new Map<string, { token: Uint8Array; attempt: string }>();
  let answered: (figures: { rssMb: number; cpuMs: number }) => void = () => undefined;
  let ready: () => void = () => undefined;
  const polls = new Promise<void>((resolve, reject) => {
    ready = resolve;
    worker.once('exit', (code) => reject(new Error(`the worker of the scale benchmark ended with ${code}`)));
  });
  worker.on('message', (message: FromParkedWorker) => {
    if (message.type === 'ready') ready();
    else if (message.type === 'taken')
      tokens.set(message.bead, { token: Buffer.from(message.token, 'base64'), attempt: message.attempt });
    else answered(message);
  });
  const measure = (): Promise<{ rssMb: number; cpuMs: number }> =>
    new Promise((resolve) => {
      answered = resolve;
      worker.send({ type: 'measure' } satisfies ToParkedWorker);
    });
  /**
   * Without it the figure would be the garbage's: a heap of hundreds of megabytes is let grow by half before anybody
   * looks.
   */
  const collected = async (): Promise<{ rssMb: number; cpuMs: number }> => {
    for (let times = 0; times < 2; times += 1)
      await client.workflow.execute<typeof collect>('collect', {
        taskQueue: queue,
        workflowId: `collect-${randomUUID()}`,
      });
    await sleep(2_000);
    return measure();
  };
  const signal = (bead: string, kind: HeartbeatSignal['kind']): Promise<void> =>
    client.workflow
      .getHandle(`bead-${bead}`)
      .signal(messages.heartbeat, { attempt: tokens.get(bead)?.attempt ?? '', host: 'bench', kind } as HeartbeatSignal);
  const beat = (bead: string): Promise<void> => {
    const { token, attempt } = tokens.get(bead) ?? { token: new Uint8Array(), attempt: '' };
    const details: BeatDetails = { host: 'bench', attempt, phase: 'running', text: 'running' };
    return client.activity.heartbeat(token, details);
  };

  const names: string[] = [];
  const measured: Size[] = [];
  let stopped = false;
  let sent = 0;
  /**
   * Each bead's runner: a beat every 40 s (the real ones beat more often, which writes no history either), a signal
   * every `signalEvery`.
   */
  const runners = (async () => {
    for (let round = 0; !stopped; round += 1) {
      const began = performance.now();
      const due = [...tokens.keys()];
      // Spread over the whole round, as runners are that began at different times: all at once would be a storm of our
      // own making.
      const share = Math.ceil(due.length / sharesOfRound);
      for (let n = 0; n < sharesOfRound && !stopped; n += 1) {
        // A third of them signals, another third in each round.
        const now = due.slice(n * share, (n + 1) * share);
        const signalling = new Set(now.filter((_, at) => (at + round) % 3 === 0));
        await inParallel(now, async (bead) => {
          if (stopped) return;
          await beat(bead);
          if (!signalling.has(bead)) return;
          await signal(bead, 'output');
          sent += 1;
        });
        await sleep(Math.max(began + ((n + 1) * roundMs) / sharesOfRound - performance.now(), 1));
      }
    }
  })();
  // In the burst a worker may not get to a question within its ten seconds.
  const viewAtLast = (bead: string): Promise<BeadView> =>
    pRetry(() => beads.view(bead), {
      retries: 30,
      factor: 1,
      shouldRetry: ({ error }) => error instanceof NoWorkerError,
    });
  try {
    await polls;
    let empty = { rssMb: 0 };
    // The first ones warm the worker up: compiled code and buffers, which are no bead's.
    for (const size of [0, ...sizes]) {
      say(size === 0 ? `scale: ${warmUp} beads to warm up` : `scale: ${size} beads more than those`);
      const fresh = Array.from({ length: warmUp + size - names.length }, () => `scale-${randomUUID().slice(0, 12)}`);
      await inParallel(fresh, async (bead) => {
        await beads.start({ bead, title: 'bench', repo: '/nowhere', agent: { adapter: 'demo' } }, queue);
      });
      names.push(...fresh);
      while (tokens.size < names.length) await sleep(200);
      await inParallel(fresh, async (bead) => {
        await beat(bead);
        await signal(bead, 'start');
      });
      // The watch is of the everyday, not of the burst in which all of them start.
      for (const bead of fresh.slice(-atOnce)) while ((await viewAtLast(bead)).agent !== 'working') await sleep(200);
      await calmWorker(measure, say);
      const [before, began, sentBefore] = [await measure(), performance.now(), sent];
      const [show, list]: [number[], number[]] = [[], []];
      let unanswered = 0;
      const look = async (bead: string): Promise<void> => {
        try {
          await beads.view(bead);
        } catch (error) {
          if (!(error instanceof NoWorkerError)) throw error;
          unanswered += 1;
        }
      };
      while (performance.now() - began < watchMs) {
        const bead = names[Math.floor(Math.random() * names.length)] ?? '';
        show.push(await milliseconds(() => look(bead)));
        list.push(await milliseconds(() => listBeads({ client }, { limit: 50, taskQueue: queue })));
        await sleep(500);
      }
      if (unanswered > 0) say(`scale: ${unanswered} of ${show.length} looks had no answer`);
      const [after, seconds] = [await measure(), (performance.now() - began) / 1_000];
      // After as long a watch as the others: a worker gives memory back for a while after its start.
      if (size === 0) {
        empty = await collected();
        continue;
      }
      const readTimes = await timedReads({ ...server, taskQueue: queue, home: folder }, readRounds);
      measured.push({
        beads: size,
        rssMb: (await collected()).rssMb - empty.rssMb,
        cpu: (after.cpuMs - before.cpuMs) / 1_000 / seconds,
        signals: (sent - sentBefore) / seconds,
        show,
        unanswered,
        list,
        reads: readTimes,
      });
    }
    return figuresOf(measured);
  } finally {
    stopped = true;
    await runners;
    await inParallel(names, async (bead) => {
      await client.workflow.getHandle(`bead-${bead}`).terminate('measured');
    }).catch(() => undefined);
    worker.removeAllListeners('exit');
    await killChild(worker);
    rmSync(folder, { recursive: true, force: true });
    await connection.close();
  }
}

const worst = (size: Size, read: Read): number => percentile(size.reads[read], 99);

const limitsOfReads: Record<Read, string> = {
  ls: 'the newest 100, and what the server knows of each of their agents',
  problems: 'the newest 500 and 500 that ask for a person are asked themselves, 8 at a time',
  top: 'the newest 100 are asked themselves',
};

function figuresOf(measured: readonly Size[]): Figure[] {
  const first = measured[0];
  const last = measured.at(-1);
  if (first === undefined || last === undefined) return [];
  const perBead = ({ rssMb, beads }: Size): number => (rssMb * 1_024) / beads;
  const missed = ({ unanswered, show }: Size): string =>
    unanswered === 0 ? '' : `, ${unanswered} of ${show.length} without an answer in 10 s`;
  const at = (size: Size): string =>
    `${size.beads} beads: ${round(perBead(size))} kB each, ${round(size.signals)} signals/s, ` +
    `${round(size.cpu)} of a core, show ${round(percentile(size.show, 50))} ms (p99 ` +
    `${round(percentile(size.show, 99))}${missed(size)}), ls ${round(percentile(size.list, 50))} ms (p99 ` +
    `${round(percentile(size.list, 99))})`;
  const how =
    'one workflow worker (a process of its own), agents that work, their runners beating and signalling as real ' +
    `ones; memory (resident, after a collection of garbage) beyond that of the worker with its first ${warmUp}. ` +
    measured.map(at).join('; ');
  return [
    {
      name: 'kb_per_parked_bead',
      value: perBead(last),
      unit: 'kB',
      against: { what: `at ${first.beads} beads`, value: perBead(first) },
      ratio: perBead(last) / perBead(first),
      how,
      report: 'value',
    },
    {
      name: `kb_per_parked_bead_at_${first.beads}`,
      value: perBead(first),
      unit: 'kB',
      how: 'the same at the smallest size: what every worker has anyway is shared by few',
    },
    {
      name: 'show_at_scale',
      value: percentile(last.show, 50),
      unit: 'ms',
      against: { what: `at ${first.beads} beads`, value: percentile(first.show, 50) },
      ratio: percentile(last.show, 50) / percentile(first.show, 50),
      how: `a bead's whole state by its query, with ${last.beads} beads on the worker`,
    },
    {
      name: 'list_at_scale',
      value: percentile(last.list, 50),
      unit: 'ms',
      against: { what: `at ${first.beads} beads`, value: percentile(first.list, 50) },
      ratio: percentile(last.list, 50) / percentile(first.list, 50),
      how: `the newest 50 of ${last.beads} beads, as \`heartbead ls\` and \`problems\` read them`,
    },
    ...reads.map((read): Figure => {
      const middle = (size: Size): number => percentile(size.reads[read], 50);
      return {
        name: `${read}_at_scale`,
        value: middle(last),
        unit: 'ms',
        against: { what: `at ${first.beads} beads`, value: middle(first) },
        ratio: middle(last) / middle(first),
        how:
          `all that \`heartbead ${read}\` asks, with its own limits (${limitsOfReads[read]}): ` +
          measured
            .map((size) => `${size.beads} beads ${round(middle(size))} ms (p99 ${round(worst(size, read))})`)
            .join(', '),
      };
    }),
  ];
}

/** The beads as they ship and `collect`, bundled here: the bundler's own memory would be counted in the worker's. */
async function bundle(folder: string): Promise<string> {
  const moduleOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  const beads = beadBundleOptions((name) => moduleOf(`../../workflows/${name}.js`));
  const workflowsPath = moduleOf('./parked-workflows.js');
  const { code } = await bundleWorkflowCode({
    ...beads,
    workflowsPath,
    preloadModules: [...(beads.preloadModules ?? []), workflowsPath],
    logger: new DefaultLogger('ERROR'),
  });
  const path = join(folder, 'workflow-bundle.js');
  writeFileSync(path, code);
  return path;
}

/** Waits until the start of many is over; the watch is of the everyday. */
async function calmWorker(measure: () => Promise<{ cpuMs: number }>, say: (text: string) => void): Promise<void> {
  for (let looks = 0; looks < calm.looks; looks += 1) {
    const before = await measure();
    await sleep(calm.ms);
    const share = ((await measure()).cpuMs - before.cpuMs) / calm.ms;
    if (share < calm.share) return say(`scale: calm after ${looks + 1} looks, ${round(share)} of a core`);
  }
  say('scale: the worker does not come to rest; it is watched as it is');
}

async function inParallel(items: readonly string[], run: (item: string) => Promise<void>): Promise<void> {
  const waiting = [...items];
  await Promise.all(
    Array.from({ length: Math.min(atOnce, waiting.length) }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await run(next);
    }),
  );
}

async function milliseconds(run: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await run();
  return performance.now() - began;
}
