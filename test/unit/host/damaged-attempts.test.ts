import type { Client } from '@temporalio/client';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { checkAttemptFolders } from '../../../src/cli/doctor/host-checks.js';
import { damagedHere } from '../../../src/cli/operators/attempts-here.js';
import { agentEnvironment } from '../../../src/contract/index.js';
import type { StartAgentInput } from '../../../src/contract/index.js';
import { defaultClocks } from '../../../src/domain/clocks.js';
import { Host, HostWatch } from '../../../src/host/index.js';
import { AttemptDir, inspectAttempt, processAlive, processStartTime } from '../../../src/runner/index.js';
import { scratchFolder } from '../../support/scratch.js';
import { until } from '../../support/until.js';

let home: string;
let watch: HostWatch | undefined;
beforeEach(() => {
  home = scratchFolder('damaged');
});
afterEach(() => watch?.stop());

/** The files of an attempt whose agent was spawned. */
async function attempt(number: number, result = false): Promise<AttemptDir> {
  const dir = AttemptDir.of(home, 'fix', `${number}-aaaa1111`);
  await dir.create();
  const { bead } = dir;
  await dir.writeInput({ bead, attempt: dir.attempt, repo: '/none', clocks: defaultClocks } as StartAgentInput);
  await dir.writeSetup({ host: 'here', baseSha: 'a'.repeat(40), mirror: '/none' });
  await dir.writeRunner({ pid: 2 ** 22 - 1, startTime: 'long ago', startedAt: 0, state: 'running' });
  if (result) await dir.writeResult({ attempt: dir.attempt, host: 'here', outcome: 'no_changes', reason: 'nothing' });
  return dir;
}

/** A process of an agent, known by its mark alone. */
async function agentOf(dir: AttemptDir): Promise<{ pid: number; alive: () => boolean }> {
  const child = spawn('sleep', ['600'], {
    env: { ...process.env, [agentEnvironment.attempt]: dir.attempt },
    stdio: 'ignore',
  });
  await once(child, 'spawn');
  const pid = child.pid as number;
  const startTime = processStartTime(pid);
  onTestFinished(() => void child.kill('SIGKILL'));
  return { pid, alive: () => processAlive(pid, startTime) };
}

const startWatch = async (): Promise<Host> => {
  const host = new Host({ home, hostId: 'here', maxAgents: 2, diskFloor: 0, logger: pino({ level: 'silent' }) });
  watch = new HostWatch(host, { client: {} as Client, lookEvery: 20 });
  await watch.start();
  return host;
};

test.each([
  ['result.json', '{"attempt":"1-aa'],
  ['result.json', ''],
  ['result.json', '{}'],
  ['input.json', ''],
  ['runner.json', 'null'],
  ['setup.json', '[]'],
  ['report.json', '{'],
])('an attempt whose %s holds %j is damaged, and the file is named', async (name, content) => {
  const dir = await attempt(1, name === 'result.json');
  await writeFile(dir.file(name), content);
  expect(await inspectAttempt(dir)).toEqual({
    kind: 'damaged',
    problem: expect.stringContaining(dir.file(name)),
    mayLive: false,
  });
});

test('a file in the place of which there is a folder is damage too; a missing set-up of a dead runner as well', async () => {
  const dir = await attempt(1);
  await rm(dir.file('setup.json'));
  expect(await inspectAttempt(dir)).toMatchObject({ kind: 'damaged', problem: expect.stringContaining('setup.json') });
  await mkdir(dir.file('result.json'));
  expect(await inspectAttempt(dir)).toMatchObject({ kind: 'damaged' });
});

test('a runner that lives is running, whatever its files say', async () => {
  const dir = await attempt(1);
  await writeFile(dir.file('runner.json'), '');
  await writeFile(dir.lock, JSON.stringify({ pid: process.pid, startTime: processStartTime(process.pid) }));
  expect(await inspectAttempt(dir)).toMatchObject({ kind: 'running', record: { pid: process.pid } });
});

test('damaged attempts and things that are none keep no worker from starting, and no dead runner from being noticed', async () => {
  const ended = await attempt(1, true);
  await writeFile(ended.file('result.json'), '{"attempt":');
  await mkdir(join(home, 'attempts', '1-ab__x'));
  await mkdir(join(home, 'attempts', '1-abcd__x__y'));
  const stuck = await attempt(2);
  await writeFile(stuck.file('input.json'), '');
  const left = process.platform === 'linux' ? await agentOf(stuck) : undefined;
  const dead = await attempt(3);

  const host = await startWatch();
  await until('the result of the dead one', () => dead.readResult());
  expect(host.runners.count).toBe(0);
  // Nobody will ever adopt it: what was left of its agent is gone.
  if (left !== undefined) await until('the end of what was left', () => !left.alive());
  // Nothing is removed: a person decides.
  expect(await readFile(ended.file('result.json'), 'utf8')).toBe('{"attempt":');
});

test('a runner that dies with a damaged record gives its place back', async () => {
  const runner = await agentOf(AttemptDir.of(home, 'none', '9-bbbb2222'));
  const dir = await attempt(1);
  const identity = { pid: runner.pid, startTime: processStartTime(runner.pid) ?? '' };
  await dir.writeRunner({ ...identity, startedAt: 0, state: 'running' });
  await writeFile(dir.lock, JSON.stringify(identity));
  const host = await startWatch();
  expect(host.runners.count).toBe(1);
  await writeFile(dir.file('runner.json'), '');
  process.kill(runner.pid, 'SIGKILL');
  await until('its place', () => host.runners.count === 0);
});

test('doctor and problems tell it with the command that helps', async () => {
  expect((await checkAttemptFolders(home)).verdict).toBe('ok');
  const strange = join(home, 'attempts', '1-ab__x');
  await mkdir(strange, { recursive: true });
  expect(await checkAttemptFolders(home)).toMatchObject({
    verdict: 'warn',
    text: expect.stringContaining(strange),
    next: expect.stringContaining(`mv ${strange} ${home}/attempts-damaged/`),
  });
  const dir = await attempt(1, true);
  await writeFile(dir.file('result.json'), '');
  expect(await checkAttemptFolders(home)).toMatchObject({
    text: expect.stringContaining(dir.file('result.json')),
    next: expect.stringContaining(`mv ${dir.path} `),
  });
  expect(await damagedHere(home)).toEqual([
    {
      bead: 'fix',
      attempt: dir.attempt,
      problem: expect.stringContaining(dir.file('result.json')),
      setAside: `mkdir -p ${home}/attempts-damaged && mv ${dir.path} ${home}/attempts-damaged/`,
    },
  ]);
});
