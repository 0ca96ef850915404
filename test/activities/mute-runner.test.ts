import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import type { StartAgentInput, StopAttemptResult } from '../../src/contract/index.js';
import {
  bootRunner,
  findProcesses,
  inspectAttempt,
  mutePatience,
  processAlive,
  processStartTime,
} from '../../src/runner/index.js';
import type { AttemptDir, ProcessIdentity } from '../../src/runner/index.js';
import { HostLab } from './support/host-lab.js';
import type { Desk, LabOptions } from './support/host-lab.js';

const patient = { timeout: 90_000, interval: 50 };

let lab: HostLab;
const open = async (options: LabOptions = {}): Promise<HostLab> => (lab = await HostLab.open(options));
afterEach(() => lab.close());

/** Its last third is what another runner has for its own first beat. */
const short = { heartbeatTimeout: 18_000 };
/** Nothing here waits for the end of its patience. */
const long = { heartbeatTimeout: 600_000 };

const inputOf = (desk: Desk, clocks: Partial<StartAgentInput['clocks']>): StartAgentInput => {
  const input = lab.input(desk);
  return { ...input, clocks: { ...input.clocks, ...clocks, leaseFor: 1_200_000, giveUpAfter: 1_300_000 } };
};

/** A runner does not pass its fence while its bead is paused. */
const pause = (desk: Desk, paused: boolean): Promise<void> =>
  desk.setState({
    status: 'in_progress',
    // What it has claimed before the pause it has afterwards, too.
    current: { id: desk.attempt, lastSignAt: 0, ...(paused ? {} : { host: lab.host.hostId, spawnedAt: 1 }) },
    paused,
  });

/** The attempt's runner that has its lock, has spoken to its bead, and has no agent. */
async function atFence(desk: Desk, before?: ProcessIdentity): Promise<ProcessIdentity> {
  const dir = lab.dir(desk);
  const found = await expect
    .poll(async () => {
      const { pid, startTime, state } = (await dir.readRunner()) ?? {};
      const claims = (await desk.signals()).filter(({ name }) => name === 'heartbeat').length;
      return pid !== undefined && pid !== before?.pid && state === 'fencing' && claims > (before ? 1 : 0)
        ? { pid, startTime }
        : undefined;
    }, patient)
    .toBeDefined()
    .then(() => dir.readRunner());
  return { pid: found?.pid ?? 0, startTime: found?.startTime ?? '' };
}

/** A start whose runner waits at its fence, since its bead is paused. */
async function heldAtFence(clocks: Partial<StartAgentInput['clocks']>) {
  const desk = await lab.desk();
  await pause(desk, true);
  const input = inputOf(desk, clocks);
  return { desk, input, running: await desk.start(input), runner: await atFence(desk) };
}

/** From now on it answers nobody. */
function mute(runner: ProcessIdentity): void {
  // Also when nobody has ended it, against the rule.
  onTestFinished(() => {
    if (lives(runner)) process.kill(runner.pid, 'SIGKILL');
  });
  process.kill(runner.pid, 'SIGSTOP');
}
const lives = ({ pid, startTime }: ProcessIdentity): boolean => processAlive(pid, startTime);

const logged = async (dir: AttemptDir, words: string): Promise<number> =>
  (await readFile(dir.runnerLog, 'utf8')).split('\n').filter((line) => line.includes(words)).length;

const stop = (desk: Desk): Promise<StopAttemptResult> =>
  desk.onHost('stopAttempt', {
    bead: desk.bead,
    attempt: desk.attempt,
    repo: lab.origin.url,
    outcome: 'stopped',
    reason: 'enough',
  });

describe('a runner that holds its attempt, and answers nobody before it has an agent', () => {
  test('is ended by the call that has told it to begin, and another one begins in the same place', async () => {
    await open();
    const { desk, running, runner: first } = await heldAtFence(short);
    mute(first);
    const dir = lab.dir(desk);
    await writeFile(dir.file('mark'), '');
    const { mtimeMs: prepared } = await stat(dir.file('setup.json'));
    await pause(desk, false);
    expect(await running.ending()).toMatchObject({ kind: 'result', result: { outcome: 'done' } });
    expect(lives(first)).toBe(false);
    expect(await logged(dir, 'runner begins')).toBe(2);
    expect(await logged(dir, 'agent spawned')).toBe(1);
    // Nothing was prepared anew, or thrown away.
    expect((await stat(dir.file('setup.json'))).mtimeMs).toBe(prepared);
    expect(existsSync(dir.file('mark'))).toBe(true);
  });

  test('also one that had waited for an attempt, and has not even taken the lock', async () => {
    await open({ spare: true });
    const desk = await lab.desk();
    const pid = lab.spare?.pid ?? 0;
    mute({ pid, startTime: processStartTime(pid) ?? '' });
    expect(await (await desk.start(inputOf(desk, short))).ending()).toMatchObject({
      kind: 'result',
      result: { outcome: 'done' },
    });
    expect(processAlive(pid)).toBe(false);
    expect(await logged(lab.dir(desk), 'runner begins')).toBe(1);
    expect(await logged(lab.dir(desk), 'agent spawned')).toBe(1);
  });

  test('a second one in a row fails the start: its bead hears that the host can start none, and nothing is left', async () => {
    await open();
    const { desk, running, runner: first } = await heldAtFence(short);
    mute(first);
    const second = await atFence(desk, first);
    mute(second);
    expect(await running.ending()).toMatchObject({
      kind: 'failure',
      type: 'SetupUnreachable',
      message: expect.stringMatching(
        /2 in a row stood still: a runner had not said a word of its fence in 12 s/,
      ) as string,
    });
    expect([first, second].map(lives)).toEqual([false, false]);
    expect(await lab.leftovers(desk)).toEqual([]);
    expect(lab.host.places.starting).toBe(0);
  });

  test('holds up no worker that shuts down; the adoption of its next one ends it, and goes on with the attempt', async () => {
    await open({ maxAgents: 1 });
    const { desk, input, running, runner: first } = await heldAtFence(short);
    mute(first);
    const shutDown = performance.now();
    await lab.stopWorkers();
    // The workers' grace is 2 s, and what does not end is cut off after 20 s.
    expect(performance.now() - shutDown).toBeLessThan(10_000);
    expect(lives(first)).toBe(true);
    expect(await running.ending()).toMatchObject({ kind: 'timeout', timeout: 'HEARTBEAT' });
    await lab.nextWorkers({ maxAgents: 1 });
    await pause(desk, false);
    expect(await (await desk.adopt(input)).ending()).toMatchObject({ kind: 'result', result: { outcome: 'done' } });
    expect(lives(first)).toBe(false);
    expect(await logged(lab.dir(desk), 'agent spawned')).toBe(1);
  });

  test.each([
    ['while its call waits for it', false],
    ['when nobody waits for it', true],
  ])('an order to stop ends it at once, %s', async (_, alone) => {
    await open();
    const { desk, running, runner } = await heldAtFence(long);
    mute(runner);
    if (alone) {
      await lab.stopWorkers();
      await lab.nextWorkers();
    }
    const ordered = performance.now();
    expect(await stop(desk)).toEqual({ confirmed: true });
    expect(performance.now() - ordered).toBeLessThan(mutePatience(long) / 10);
    expect(lives(runner)).toBe(false);
    expect(await lab.leftovers(desk)).toEqual([]);
    if (alone) await running.cancel();
    else
      expect(await running.ending()).toMatchObject({
        kind: 'result',
        result: { outcome: 'stopped', reason: 'enough' },
      });
  });
});

describe('a runner that has no agent yet, and answers', () => {
  test('waits for the end of a pause for longer than anybody’s patience', async () => {
    await open();
    const clocks = { heartbeatTimeout: 7_500 };
    const { desk, running, runner } = await heldAtFence(clocks);
    await sleep(1.5 * mutePatience(clocks));
    expect(lives(runner)).toBe(true);
    await pause(desk, false);
    expect(await running.ending()).toMatchObject({ kind: 'result', result: { outcome: 'done' } });
    expect(await logged(lab.dir(desk), 'runner begins')).toBe(1);
  });

  test('hears an order to stop at once, and nothing is left of its attempt', async () => {
    await open();
    // Its own beats would bring the order much later.
    const { desk, running, runner } = await heldAtFence({ ...long, beatEvery: 300_000 });
    const ordered = performance.now();
    expect(await stop(desk)).toEqual({ confirmed: true });
    expect(performance.now() - ordered).toBeLessThan(5_000);
    expect(lives(runner)).toBe(false);
    expect(await lab.leftovers(desk)).toEqual([]);
    expect(await running.ending()).toMatchObject({ kind: 'failure', type: 'RunnerRefused' });
  });
});

test('a runner that dies right behind its spawn, before it has said so, is settled like any other: its agent is ended', async () => {
  const dead: ProcessIdentity[] = [];
  await open({
    watch: false,
    spare: {
      boot: (dir, connection) => {
        const real = bootRunner(dir, connection);
        return {
          ...real,
          get process() {
            return real.process;
          },
          begin: async () => {
            await real.begin();
            await expect.poll(async () => (await dir.readRunner())?.agent, patient).toBeDefined();
            const record = await dir.readRunner();
            if (record === undefined) throw new Error('no record');
            process.kill(record.pid, 'SIGKILL');
            await expect.poll(() => lives(record), patient).toBe(false);
            dead.push(record);
            return { fenced: false, because: 'failed', refused: 'the runner ended before the fence' };
          },
        };
      },
    },
  });
  const desk = await lab.desk();
  const input = inputOf(desk, long);
  const running = await desk.start({
    ...input,
    agent: { adapter: 'demo', options: { steps: 10_000, stepMs: 200, commits: 0 } },
  });
  expect(await running.ending()).toMatchObject({ kind: 'result', result: { outcome: 'lost' } });
  expect(dead).toHaveLength(1);
  expect((await inspectAttempt(lab.dir(desk))).kind).toBe('ended');
  expect(findProcesses({ attempt: desk.attempt })).toEqual([]);
});
