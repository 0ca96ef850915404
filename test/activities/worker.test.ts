import { statSync } from 'node:fs';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { taskQueues } from '../../src/contract/index.js';
import type { AttemptResult, StartAgentInput } from '../../src/contract/index.js';
import { WorkerLockHeldError } from '../../src/host/index.js';
import { AttemptDir, inspectAttempt, processAlive } from '../../src/runner/index.js';
import { pollersOf } from './support/pollers.js';
import type { Desk, Running } from './support/host-lab.js';
import { WorkerLab } from './support/worker-lab.js';

const patient = { timeout: 90_000, interval: 100 };
const working = (steps: number, stepMs: number): Partial<StartAgentInput> => ({
  agent: { adapter: 'demo', options: { steps, stepMs, commits: 1, chatter: 1 } },
});

let lab: WorkerLab;
beforeEach(async () => {
  lab = await WorkerLab.open();
});
afterEach(() => lab.close());

async function resultOf(running: Running): Promise<AttemptResult> {
  const ending = await running.ending();
  if (ending.kind !== 'result') throw new Error(`not a result: ${JSON.stringify(ending)}`);
  return ending.result as AttemptResult;
}

/** Attempts of this host whose runner is alive. */
async function living(): Promise<string[]> {
  const found = await Promise.all(
    (await AttemptDir.list(lab.home)).map(async (dir) =>
      (await inspectAttempt(dir)).kind === 'running' ? dir.bead : '',
    ),
  );
  return found.filter((bead) => bead !== '');
}

const runnerOf = async (desk: Desk): Promise<number | undefined> => (await lab.dir(desk).readRunner())?.agent?.pid;

describe('a worker', () => {
  test('is one per state directory; the next one may come when it has gone', async () => {
    await lab.startWorker();
    await expect(lab.startWorker()).rejects.toBeInstanceOf(WorkerLockHeldError);
    await lab.stopWorker();
    await lab.startWorker();
  });

  test('polls its three queues under a name that operators can read, and answers probes', async () => {
    const { hostId, healthPort, stop, done } = await lab.startWorker({ healthPort: 0 });
    const name = `heartbead@${hostId} ${process.pid}`;
    for (const [queue, kind] of [
      [lab.town, 'workflow'],
      [taskQueues.agents(lab.town), 'activity'],
      [taskQueues.host(hostId, lab.town), 'activity'],
    ] as const) {
      await expect.poll(() => pollersOf(lab.client, queue, kind), patient).toContain(name);
    }
    const probe = (): Promise<Response> => fetch(`http://127.0.0.1:${healthPort ?? 0}/`);
    const answer = await probe();
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ healthy: true, hostId, agents: { living: 0, max: 4 } });
    const state = async (): Promise<unknown> =>
      JSON.parse(await readFile(join(lab.home, 'worker-state.json'), 'utf8')) as unknown;
    expect(await state()).toMatchObject({ pid: process.pid, hostId, state: 'running', taskQueue: lab.town });
    await stop();
    await done;
    await expect(probe()).rejects.toThrow();
    expect(await state()).toMatchObject({ state: 'stopped' });
  });

  test('has the tree of the next start ready, and leaves none behind', async () => {
    await lab.startWorker({ spareTrees: true });
    const folder = join(lab.home, 'spare-trees');
    const waiting = (): Promise<string[]> => readdir(folder).catch(() => []);
    const inodes = async (tree: string): Promise<number[]> =>
      (await readdir(tree))
        .filter((name) => name !== '.git')
        .sort()
        .map((name) => statSync(join(tree, name)).ino);
    const first = await lab.desk();
    expect(await resultOf(await first.start(lab.input(first, working(1, 10))))).toMatchObject({ outcome: 'done' });
    await expect.poll(waiting, patient).toHaveLength(1);
    // It is there at once, and complete when its repository has gone.
    const spare = join(folder, (await waiting())[0] ?? '');
    await expect.poll(() => readdir(join(spare, '.git')), patient).toEqual(['index']);
    const ready = await inodes(spare);
    expect(ready.length).toBeGreaterThan(0);
    const second = await lab.desk();
    const running = await second.start(lab.input(second, working(40, 250)));
    await expect.poll(() => runnerOf(second), patient).toBeDefined();
    expect(await inodes(lab.dir(second).worktree)).toEqual(expect.arrayContaining(ready));
    await lab.stopWorker();
    expect(await waiting()).toEqual([]);
    await lab.startWorker();
    expect(await resultOf(running)).toMatchObject({ outcome: 'done' });
  });

  test('that stops leaves its agents at work, and the next one knows them', async () => {
    await lab.startWorker();
    const desk = await lab.desk();
    const running = await desk.start(lab.input(desk, working(40, 250)));
    await expect.poll(() => runnerOf(desk), patient).toBeDefined();
    const agent = await runnerOf(desk);
    await lab.stopWorker();
    expect(processAlive(agent as number)).toBe(true);
    const { healthPort } = await lab.startWorker({ healthPort: 0 });
    const health = (await (await fetch(`http://127.0.0.1:${healthPort ?? 0}/`)).json()) as unknown;
    expect(health).toMatchObject({ agents: { living: 1 } });
    expect(await resultOf(running)).toMatchObject({ outcome: 'done' });
    expect(await runnerOf(desk)).toBe(agent);
  });

  test('that stops in mid-preparation leaves the attempt to the next one', async () => {
    await lab.startWorker();
    const desk = await lab.desk();
    const slow = lab.input(desk, { agent: { adapter: 'demo', options: { steps: 1, commits: 1, prepareMs: 6_000 } } });
    const running = await desk.start(slow);
    await expect.poll(async () => (await desk.pending())[0]?.details?.text ?? '', patient).toMatch(/preparing/);
    await lab.stopWorker();
    expect(await running.ending()).toMatchObject({
      kind: 'failure',
      type: 'RunnerRefused',
      message: expect.stringMatching(/shutting down/) as string,
    });
    await lab.startWorker();
    expect(await resultOf(await desk.adopt(slow))).toMatchObject({ outcome: 'done' });
  });
});

describe('a worker with two places', () => {
  test('never has a third agent, however many attempts wait, and counts those that were here before it', async () => {
    // Agents that work until the test lets them end.
    const held: Partial<StartAgentInput> = {
      agent: {
        adapter: 'shell',
        command:
          `until [ -e ${lab.folder}/go-$HEARTBEAD_BEAD ]; do sleep 0.1; done; echo x > done.txt; git add . && ` +
          'git commit -q -m done && heartbead agent done',
      },
    };
    const letEnd = ({ bead }: Desk): Promise<void> => writeFile(join(lab.folder, `go-${bead}`), '');
    const start = async (desk: Desk): Promise<Running> => desk.start(lab.input(desk, held));

    await lab.startWorker({ maxAgents: 3 });
    const before = await Promise.all([lab.desk(), lab.desk(), lab.desk()]);
    const first = await Promise.all(before.map(start));
    await expect.poll(async () => (await living()).length, patient).toBe(3);
    await lab.stopWorker();

    // Three live here; the new worker may have two.
    await lab.startWorker({ maxAgents: 2 });
    const after = await Promise.all(Array.from({ length: 4 }, () => lab.desk()));
    const second = await Promise.all(after.map(start));
    const old = new Set(before.map(({ bead }) => bead));
    const count = async (): Promise<{ old: number; young: string[] }> => {
      const now = await living();
      return { old: now.filter((bead) => old.has(bead)).length, young: now.filter((bead) => !old.has(bead)) };
    };
    let watching = true;
    const watch = (async () => {
      while (watching) {
        const now = await count();
        // As long as the old ones fill the places no new one comes.
        if (now.young.length > Math.max(0, 2 - now.old)) throw new Error(`too many agents: ${JSON.stringify(now)}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const steps = (async () => {
      await letEnd(before[0] as Desk);
      await expect.poll(count, patient).toMatchObject({ old: 2, young: [] });
      await letEnd(before[1] as Desk);
      await expect.poll(async () => (await count()).young.length, patient).toBe(1);
      await letEnd(before[2] as Desk);
      // The limit is used, not only kept; and each end lets the next one in.
      await expect.poll(async () => (await count()).young.length, patient).toBe(2);
      const done = new Set<string>();
      while (done.size < after.length) {
        const [next] = (await count()).young.filter((bead) => !done.has(bead));
        if (next === undefined) continue;
        await letEnd(after.find(({ bead }) => bead === next) as Desk);
        done.add(next);
      }
      const results = await Promise.all([...first, ...second].map(resultOf));
      expect(results.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 7 }, () => 'done'));
      watching = false;
    })();
    await Promise.race([steps, watch]);
    await steps;
    await watch;
  });
});
