import { execa } from 'execa';
import { existsSync } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import type { AttemptResult, StartAgentInput } from '../../src/contract/index.js';
import { DeafRunners } from '../../src/host/deaf-runners.js';
import { Host, HostWatch } from '../../src/host/index.js';
import { findProcesses, runnerAnswers, signalProcess } from '../../src/runner/index.js';
import type { AttemptDir, ProcessIdentity } from '../../src/runner/index.js';
import { HostLab, testLogger } from './support/host-lab.js';
import type { Desk, LabOptions } from './support/host-lab.js';
import { git } from './support/origin.js';

const patient = { timeout: 90_000, interval: 100 };

let lab: HostLab | undefined;
let watch: HostWatch | undefined;
const open = async (options: LabOptions): Promise<HostLab> => (lab = await HostLab.open(options));
afterEach(async () => {
  await watch?.stop();
  watch = undefined;
  await lab?.close();
  lab = undefined;
});

/** An attempt whose agent works for as long as a test looks at it. */
async function atWork(here: HostLab, clocks: Partial<StartAgentInput['clocks']>) {
  const desk = await here.desk();
  const agent = { adapter: 'demo', options: { steps: 10_000, stepMs: 200, commits: 0 } };
  const running = await desk.start(here.input(desk, { agent, clocks: { ...here.input(desk).clocks, ...clocks } }));
  const dir = here.dir(desk);
  await expect.poll(async () => (await dir.readRunner())?.agent, patient).toBeDefined();
  return { desk, running, dir, record: await dir.readRunner() };
}

/** A debugger makes a runner do nothing else any more, and leaves. */
async function loopForEver(dir: AttemptDir, runner: ProcessIdentity): Promise<void> {
  onTestFinished(() => void signalProcess(runner, 'SIGKILL'));
  const debug = execa(process.execPath, ['inspect', '-p', `${runner.pid}`], { all: true, reject: false });
  try {
    let said = '';
    debug.all.on('data', (piece: Buffer) => (said += piece.toString()));
    await expect.poll(() => said, patient).toContain('debug>');
    debug.stdin.write('exec for(;;);\n');
    await expect.poll(() => runnerAnswers(dir, runner, 500), patient).toBe(false);
  } finally {
    debug.kill('SIGKILL');
    await debug;
  }
}

describe('the watch over a host', () => {
  test("a runner that died while no worker was there is settled by the next one's first look, and its bead hears of it", async () => {
    const here = await open({ watch: false });
    const { desk, running, dir, record } = await atWork(here, { heartbeatTimeout: 600_000 });
    process.kill(record?.pid ?? 0, 'SIGKILL');

    // The next worker: another view of the same state directory.
    const next = new Host({
      home: here.home,
      hostId: here.host.hostId,
      maxAgents: 1,
      diskFloor: 0,
      logger: testLogger(),
    });
    watch = new HostWatch(next, { client: here.client, lookEvery: 200 });
    await watch.start();
    const ending = await running.ending();
    expect(findProcesses({ attempt: desk.attempt, group: record?.agent })).toEqual([]);
    expect(next.runners.count).toBe(0);
    expect(ending).toMatchObject({ kind: 'result', result: { outcome: 'lost', attempt: desk.attempt } });
    expect(await dir.readResult()).toEqual((ending as { result: AttemptResult }).result);
  });

  test('a runner that stands still for longer than its lease is ended, since it can no longer freeze its agent; the bead hears of it', async () => {
    const here = await open({ watch: false });
    const clocks = { heartbeatTimeout: 600_000, leaseFor: 6_000 };
    const { desk, running, record } = await atWork(here, clocks);
    watch = new HostWatch(here.host, { client: here.client, lookEvery: 200 });
    await watch.start();
    process.kill(record?.pid ?? 0, 'SIGSTOP');
    const stopped = performance.now();
    expect(await running.ending()).toMatchObject({
      kind: 'result',
      result: { outcome: 'lost', reason: expect.stringContaining('stood still') },
    });
    expect(performance.now() - stopped).toBeGreaterThan(clocks.leaseFor);
    expect(findProcesses({ attempt: desk.attempt, group: record?.agent })).toEqual([]);
  });

  test('a runner that is caught in a loop is ended when its lease is over, since it can no longer freeze its agent', async () => {
    const here = await open({ watch: false });
    const clocks = { heartbeatTimeout: 600_000, leaseFor: 8_000 };
    const { desk, running, dir, record } = await atWork(here, clocks);
    watch = new HostWatch(here.host, { client: here.client, lookEvery: 200, askEvery: 200 });
    await watch.start();
    await loopForEver(dir, { pid: record?.pid ?? 0, startTime: record?.startTime ?? '' });
    expect(await running.ending()).toMatchObject({
      kind: 'result',
      result: { outcome: 'lost', reason: expect.stringContaining('answered nobody') },
    });
    expect(findProcesses({ attempt: desk.attempt, group: record?.agent })).toEqual([]);
  });

  test('a runner that answers is not ended, however long nobody has renewed its lease', async () => {
    const here = await open({ watch: false });
    const { dir, record: runner } = await atWork(here, {});
    const deaf = new DeafRunners(() => Promise.resolve(2));
    for (let look = 0; look < 5; look += 1) {
      await utimes(dir.lock, 0, 0);
      expect(await deaf.find([{ dir, runner: { pid: runner?.pid ?? 0, startTime: runner?.startTime ?? '' } }])).toEqual(
        [],
      );
    }
  });

  test('a living runner has its place from the first look on, and gives it up by ending, whoever spawned it', async () => {
    const here = await open({ watch: false });
    const desk = await here.desk();
    const running = await desk.start(
      here.input(desk, { agent: { adapter: 'demo', options: { steps: 20, stepMs: 200, commits: 1 } } }),
    );
    await expect.poll(async () => (await here.dir(desk).readRunner())?.agent, patient).toBeDefined();
    const next = new Host({
      home: here.home,
      hostId: here.host.hostId,
      maxAgents: 1,
      diskFloor: 0,
      logger: testLogger(),
    });
    watch = new HostWatch(next, { client: here.client, lookEvery: 200 });
    await watch.start();
    expect(next.runners.count).toBe(1);
    expect(next.places.tryReserve()).toBeUndefined();
    // Woken by the end of the runner and by nothing else.
    const permit = next.places.reserve(AbortSignal.timeout(patient.timeout));
    expect(await running.ending()).toMatchObject({ kind: 'result', result: { outcome: 'done' } });
    await permit;
    expect(next.runners.count).toBe(0);
  });

  test('the worktree of an ended attempt stays while its bead may be looked at, and goes when the bead has gone on, but never with work that is nowhere else', async () => {
    const here = await open({ watch: false });
    const { tidy } = here.hostActivities;
    const looked: { attempt: string; done: boolean }[] = [];
    watch = new HostWatch(here.host, {
      client: here.client,
      lookEvery: 100,
      tidyAfter: 200,
      tidy: async (dir) => {
        const done = await tidy(dir);
        looked.push({ attempt: dir.attempt, done });
        return done;
      },
    });
    await watch.start();
    const done = async (): Promise<Desk> => {
      const desk = await here.desk();
      const running = await desk.start(here.input(desk));
      expect(await running.ending()).toMatchObject({ kind: 'result', result: { outcome: 'done' } });
      return desk;
    };
    const [first, second] = [await done(), await done()];
    // Both have ended, and both are still their bead's newest.
    for (const { attempt } of [first, second])
      await expect
        .poll(() => looked.filter((look) => look.attempt === attempt && !look.done).length, patient)
        .toBeGreaterThan(1);
    expect(existsSync(here.dir(first).worktree)).toBe(true);
    // The first bead has gone on; in the second's worktree is something that the remote does not have, though its bead
    // is closed.
    await git(here.dir(second).worktree, 'commit', '--quiet', '--allow-empty', '-m', 'Only here');
    await first.setState({ status: 'in_progress', current: { id: '2-next', lastSignAt: 0 } });
    await second.setState({ status: 'closed' });
    await expect.poll(() => existsSync(here.dir(first).worktree), patient).toBe(false);
    expect(await here.dir(first).readResult()).toMatchObject({ outcome: 'done' });
    const before = looked.length;
    await expect
      .poll(() => looked.slice(before).filter((look) => look.attempt === second.attempt).length, patient)
      .toBeGreaterThan(1);
    expect(existsSync(here.dir(second).worktree)).toBe(true);
    expect(looked.filter((look) => look.attempt === second.attempt && look.done)).toEqual([]);
  });

  test('a disk below its floor: no task is asked for, and the reason is at hand', async () => {
    const here = await open({ watch: false });
    const full = new Host({
      home: here.home,
      hostId: here.host.hostId,
      maxAgents: 4,
      diskFloor: Number.MAX_SAFE_INTEGER,
      logger: testLogger(),
    });
    watch = new HostWatch(full, { client: here.client });
    await watch.start();
    expect(full.places.obstacle).toMatch(/MiB are free/);
    expect(full.places.tryReserve()).toBeUndefined();
  });
});
