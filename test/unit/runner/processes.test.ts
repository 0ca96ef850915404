import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { acquireLock, lookAtLock } from '../../../src/runner/attempt/attempt-lock.js';
import { AttemptDir } from '../../../src/runner/attempt/attempt-dir.js';
import {
  endProcesses,
  findProcesses,
  freezeProcesses,
  thawProcesses,
} from '../../../src/runner/processes/end-processes.js';
import { environmentOf, processAlive, processStartTime, processTable } from '../../../src/runner/processes/process.js';
import { nearnessOf, ownPlace, ownProcess } from '../../../src/runner/processes/process-place.js';
import { allStand, look, stateOf } from '../../runner/support/processes.js';
import type { Seen } from '../../runner/support/processes.js';
import { until } from '../../support/until.js';
import { scratchFolder } from '../../support/scratch.js';

const started: { attempt: string; child: ChildProcess }[] = [];
afterEach(async () => {
  for (const { attempt, child } of started.splice(0)) {
    const startTime = processStartTime(child.pid!);
    await endProcesses({
      attempt,
      graceMs: 0,
      group: startTime === undefined ? undefined : { pid: child.pid!, pgid: child.pid!, startTime },
    });
  }
});
let count = 0;
const mark = (): string => `1-unit${process.pid}x${count++}`;
/** A shell that is leader of its group, carries the mark, and says when it is up. */
const start = async (attempt: string, command: string): Promise<ChildProcess> => {
  const child = spawn('sh', ['-c', `${command}`], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], HEARTBEAD_ATTEMPT: attempt },
  });
  started.push({ attempt, child });
  await once(child.stdout!, 'data');
  return child;
};
/** The process group of a process. */
const leaderOf = (pid: number): number | undefined => processTable().find((entry) => entry.pid === pid)?.pgid;
const group = (child: ChildProcess) => ({
  pid: child.pid!,
  pgid: child.pid!,
  startTime: processStartTime(child.pid!)!,
});

describe('a process', () => {
  test('is known by pid and start time; another start time is another process', () => {
    const startTime = processStartTime(process.pid)!;
    expect(processAlive(process.pid, startTime)).toBe(true);
    expect(processAlive(process.pid)).toBe(true);
    expect(processAlive(process.pid, `${startTime}0`)).toBe(false);
    expect(processStartTime(2 ** 22 + 1)).toBeUndefined();
  });

  test('that has ended does not live on as a zombie', async () => {
    // It ends only when its parent is one that reaps nobody; the shell would.
    const parent = await start(
      mark(),
      '(until ps -o comm= -p $$ | grep -q sleep; do sleep 0.05; done) & echo $!; exec sleep 600',
    );
    const child = await until('the zombie', () =>
      processTable().find(({ ppid, zombie }) => ppid === parent.pid && zombie),
    );
    expect(processAlive(child.pid)).toBe(false);
  });
});

describe('all processes of an attempt', () => {
  // As docs/agents.md says it.
  test("a daemon that was started in nobody's name is neither frozen nor ended with the attempt, and one in its name is", async () => {
    const attempt = mark();
    const daemon = mark();
    const child = await start(
      attempt,
      `env -u HEARTBEAD_ATTEMPT DAEMON=${daemon} setsid -f sleep 600; setsid -f sleep 600; echo up; exec sleep 600`,
    );
    const free = (): number | undefined =>
      processTable().find(({ pid }) => environmentOf(pid, 'DAEMON') === daemon && leaderOf(pid) === pid)?.pid;
    const pid = await until('the daemon', free);
    onTestFinished(() => void process.kill(pid, 'SIGKILL'));
    await until('the other one', () => findProcesses({ attempt, group: group(child) }).length === 2);
    expect(freezeProcesses({ attempt, group: group(child) })).toBe(2);
    expect(stateOf(pid)).toBe('S');
    thawProcesses({ attempt, group: group(child) });
    await endProcesses({ attempt, group: group(child), graceMs: 10_000 });
    expect(processAlive(pid)).toBe(true);
  });

  test('are ended: the group, what left it with the mark, and children that cleaned their environment', async () => {
    const attempt = mark();
    const other = await start(mark(), 'echo up; exec sleep 600');
    const child = await start(attempt, 'setsid sleep 600 & env -i setsid sleep 600 & (sleep 600) & echo up; wait');
    // Both that left the group: one with the mark, one without.
    await until(
      'all of them',
      () => findProcesses({ attempt, group: group(child) }).filter(({ pid }) => leaderOf(pid) === pid).length === 3,
    );
    const { ended, killed } = await endProcesses({ attempt, group: group(child), graceMs: 10_000 });
    expect(ended).toBeGreaterThanOrEqual(4);
    expect(killed).toBe(0);
    expect(findProcesses({ attempt, group: group(other) }).map(({ pid }) => pid)).toEqual([other.pid]);
    expect(processAlive(other.pid!)).toBe(true);
  });

  test('are ended also when only their parent, which ended before them, showed whose they are', async () => {
    const attempt = mark();
    const child = await start(
      attempt,
      `env -i setsid sh -c 'trap "" TERM; echo up; while :; do sleep 0.1; done' & wait`,
    );
    const orphan = processTable().find(({ ppid }) => ppid === child.pid)!;
    // Also when what is tested here does not end it.
    onTestFinished(() => {
      if (processAlive(orphan.pid, orphan.startTime)) process.kill(orphan.pid, 'SIGKILL');
    });
    await endProcesses({ attempt, group: group(child), graceMs: 500 });
    expect(processAlive(child.pid!)).toBe(false);
    expect(processAlive(orphan.pid, orphan.startTime)).toBe(false);
  });

  test('that ignore SIGTERM, or stand still, are ended after the grace', async () => {
    const attempt = mark();
    const child = await start(attempt, 'trap "" TERM; sleep 600 & echo up; while :; do sleep 1; done');
    freezeProcesses({ attempt });
    const { killed } = await endProcesses({ attempt, group: group(child), graceMs: 300 });
    expect(killed).toBeGreaterThan(0);
    expect(findProcesses({ attempt })).toEqual([]);
  });

  test('stand still and go on together', async () => {
    const attempt = mark();
    const child = await start(attempt, 'setsid sleep 600 & echo up; while :; do sleep 0.1; done');
    await until('both', () => findProcesses({ attempt }).filter(({ pid }) => leaderOf(pid) === pid).length === 2);
    expect(freezeProcesses({ attempt, group: group(child) })).toBeGreaterThanOrEqual(2);
    const seen = (): Seen[] => findProcesses({ attempt }).flatMap(({ pid }) => look(pid) ?? []);
    // The kernel stops a process when it next looks at its signals, which a busy machine puts off.
    await until('all stand still', () => allStand(seen()));
    thawProcesses({ attempt, group: group(child) });
    await until('all go on', () => seen().every(({ state }) => state !== 'T'));
  });

  test('a group whose number belongs to somebody else by now is not touched', async () => {
    const stranger = await start(mark(), 'echo up; exec sleep 600');
    const old = { ...group(stranger), startTime: 'of-another-process' };
    expect(await endProcesses({ attempt: mark(), group: old, graceMs: 100 })).toEqual({ ended: 0, killed: 0 });
    expect(processAlive(stranger.pid!)).toBe(true);
  });
});

describe('the lock of an attempt', () => {
  const lease = 60_000;
  const here = ownPlace();
  /** A holder whose pid lives here, and says nothing about the process that is meant. */
  const elsewhere = { pid: process.pid, startTime: 'of-another-process', leaseFor: lease };
  const other = {
    machine: 'other',
    machineId: 'another-machine',
    boot: 'another-boot',
    pidNamespace: here.pidNamespace,
  };
  const lockOf = async (holder: object, touched = Date.now()): Promise<string> => {
    const path = join(scratchFolder('lock'), 'runner.lock');
    await writeFile(path, JSON.stringify(holder));
    await utimes(path, new Date(touched), new Date(touched));
    return path;
  };

  test('has one holder; that of a dead one is taken over, and only its holder gives it back', async () => {
    const path = join(scratchFolder('lock'), 'runner.lock');
    const lock = await acquireLock(path, lease);
    if ('heldBy' in lock) throw new Error('not free');
    expect(await acquireLock(path, lease)).toEqual({ heldBy: { ...ownProcess(), leaseFor: lease } });
    await lock.release();
    expect(await lookAtLock(path)).toEqual({ state: 'free' });
    await writeFile(path, JSON.stringify({ pid: process.pid, startTime: 'of-another-process' }));
    expect(await lookAtLock(path)).toEqual({ state: 'free' });
    const [one, two] = await Promise.all([acquireLock(path, lease), acquireLock(path, lease)]);
    expect(['heldBy' in one, 'heldBy' in two].filter((held) => !held)).toHaveLength(1);
  });

  test('a lock file that was cut off is nobody’s', async () => {
    const path = join(scratchFolder('lock'), 'runner.lock');
    await writeFile(path, '{"pid":');
    expect('heldBy' in (await acquireLock(path, lease))).toBe(false);
  });

  test('a runner of another machine is neither alive nor dead until its lease is over, whatever has its pid here', async () => {
    const path = await lockOf({ ...elsewhere, ...other });
    expect(await lookAtLock(path)).toMatchObject({ state: 'unknown', by: { machine: 'other' } });
    expect(await acquireLock(path, lease)).toHaveProperty('heldBy');
    const silent = await lockOf({ ...elsewhere, ...other }, Date.now() - 2 * lease);
    expect(await lookAtLock(silent)).toEqual({ state: 'free' });
    expect(await acquireLock(silent, lease)).not.toHaveProperty('heldBy');
  });

  test('its holder gives a sign of life with each renewal', async () => {
    const path = join(scratchFolder('lock'), 'runner.lock');
    const lock = await acquireLock(path, lease);
    if ('heldBy' in lock) throw new Error('not free');
    await utimes(path, new Date(0), new Date(0));
    await lock.renew();
    expect((await stat(path)).mtimeMs).toBeGreaterThan(0);
  });

  test.skipIf(here.boot === undefined)('a reboot leaves no process of this machine alive', async () => {
    const path = await lockOf({ ...elsewhere, ...here, machineId: 'this', boot: 'earlier' }, 1_000);
    const mine = { ...here, machineId: 'this' };
    expect(nearnessOf({ ...mine, boot: 'earlier' }, mine)).toBe('before');
    // A machine without an id cannot be told from another one.
    expect(nearnessOf({ ...here, machineId: undefined, boot: 'earlier' }, mine)).toBe('elsewhere');
    // And a copy of this machine that lives has another name, as a rule.
    expect(nearnessOf({ ...mine, machine: 'copy', boot: 'earlier' }, mine)).toBe('elsewhere');
    expect(await lookAtLock(path)).toEqual({ state: 'free' });
  });

  test.skipIf(here.boot === undefined)(
    'a runner in another container of this kernel is known by its socket, once it has missed its beats',
    async () => {
      const beside = { ...elsewhere, ...here, pidNamespace: 'pid:[1]' };
      const path = await lockOf(beside);
      const control = join(dirname(path), 'control.sock');
      const minuteAgo = new Date(Date.now() - 60_000);
      expect(await lookAtLock(path)).toMatchObject({ state: 'unknown' });
      await utimes(path, minuteAgo, minuteAgo);
      expect(await lookAtLock(path)).toMatchObject({ state: 'unknown' });
      const listener = spawn(process.execPath, [
        '-e',
        `require('node:net').createServer().listen(${JSON.stringify(control)}, () => console.log('up'))`,
      ]);
      onTestFinished(() => void listener.kill('SIGKILL'));
      await once(listener.stdout, 'data');
      expect(await lookAtLock(path)).toMatchObject({ state: 'held' });
      listener.kill('SIGKILL');
      await once(listener, 'exit');
      expect(await lookAtLock(path)).toEqual({ state: 'free' });
    },
  );
});

describe('the folder of an attempt', () => {
  test('has a name that says whose it is; others are not taken for one', async () => {
    const home = scratchFolder('home');
    expect(await AttemptDir.list(home)).toEqual([]);
    for (const name of ['1-abcd__a-bead', 'worktree', '1-abcd__Bad Bead', 'x__y'])
      await mkdir(join(home, 'attempts', name), { recursive: true });
    expect((await AttemptDir.list(home)).map(({ bead, attempt }) => ({ bead, attempt }))).toEqual([
      { bead: 'a-bead', attempt: '1-abcd' },
    ]);
    expect(() => new AttemptDir('/x/../../etc')).toThrow(/not the folder/);
    expect(() => AttemptDir.of(home, '../../etc', '1-abcd')).toThrow(/not the folder/);
  });

  test('a damaged file is said to be damaged, a missing one is not there', async () => {
    const dir = AttemptDir.of(scratchFolder('home'), 'b', '1-abcd');
    expect(await dir.readResult()).toBeUndefined();
    await dir.create();
    await writeFile(dir.file('result.json'), '{');
    await expect(dir.readResult()).rejects.toThrow(/damaged/);
    await dir.writeToken(new Uint8Array([0, 255, 7]));
    expect(await dir.readToken()).toEqual(new Uint8Array([0, 255, 7]));
  });
});

test.each<[string, Seen[], boolean]>([
  [
    'a shell that waits in vfork for a stopped child',
    [
      { pid: 1, ppid: 0, state: 'D' },
      { pid: 2, ppid: 1, state: 'T' },
    ],
    true,
  ],
  [
    'a process that reads a disk',
    [
      { pid: 1, ppid: 0, state: 'D' },
      { pid: 2, ppid: 0, state: 'T' },
    ],
    false,
  ],
  [
    'a child that runs',
    [
      { pid: 1, ppid: 0, state: 'D' },
      { pid: 2, ppid: 1, state: 'R' },
    ],
    false,
  ],
])('the tests of frozen agents take %s for what it is', (_, seen, stands) => {
  expect(allStand(seen)).toBe(stands);
});
