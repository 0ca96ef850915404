import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import type { ActivityDeps } from '../../../src/activities/deps.js';
import { makeReadAttempt } from '../../../src/activities/read-attempt.js';
import { tidyEnded } from '../../../src/activities/sweep.js';
import type { Context } from '../../../src/cli/context.js';
import { failedTeardownsHere } from '../../../src/cli/operators/attempts-here.js';
import { failedTeardowns } from '../../../src/cli/operators/failed-teardowns.js';
import type { BeadView, StartAgentInput } from '../../../src/contract/index.js';
import { defaultClocks } from '../../../src/domain/clocks.js';
import { problemsOf } from '../../../src/domain/telling/problems.js';
import type { TownFacts } from '../../../src/domain/telling/town-facts.js';
import { Host } from '../../../src/host/index.js';
import { AttemptDir, processAlive, processStartTime } from '../../../src/runner/index.js';
import { scratchFolder } from '../../support/scratch.js';
import { until } from '../../support/until.js';

test('what another daemon started for an attempt is ended as its rig says, once, whatever fails before', async () => {
  const home = scratchFolder('teardown');
  const dir = AttemptDir.of(home, 'fix', '1-aaaa1111');
  await dir.create();
  await mkdir(dir.worktree, { recursive: true });
  // As a container has it: no mark, no parent of the attempt's, and a label by which its rig knows it.
  const started = spawn('sleep', ['600'], { stdio: 'ignore', env: { PATH: process.env['PATH'] } });
  onTestFinished(() => void started.kill('SIGKILL'));
  await once(started, 'spawn');
  const pid = started.pid as number;
  const startTime = processStartTime(pid);
  const labels = join(home, 'labels');
  await writeFile(labels, `${dir.attempt} ${pid}\n`);
  const ran = join(home, 'ran');
  const timeout = 20_000;
  const teardown = [
    { command: `echo ran >> ${ran}; echo about to fail; exit 3`, timeout },
    { command: `grep "^$HEARTBEAD_ATTEMPT " ${labels} | cut -d' ' -f2 | xargs kill`, timeout },
  ];
  await dir.writeInput({
    bead: dir.bead,
    attempt: dir.attempt,
    repo: join(home, 'nowhere.git'),
    clocks: defaultClocks,
    agent: { adapter: 'shell' },
    workspace: { teardown },
  } as unknown as StartAgentInput);
  const warned: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void warned.push(line) });
  const host = new Host({ home, hostId: 'here', maxAgents: 1, diskFloor: 0, logger });
  // No server: that its bead cannot be asked comes after what is tested here.
  const deps = { host, env: process.env } as unknown as ActivityDeps;
  const sweep = (): Promise<unknown> => tidyEnded(deps, dir).catch(() => undefined);

  // While nobody has written how it ended, it may still go on.
  await sweep();
  expect(await dir.tornDown()).toBe(false);
  expect(processAlive(pid, startTime)).toBe(true);

  await dir.writeResult({ attempt: dir.attempt, host: 'here', outcome: 'lost', reason: 'cancelled' });
  await sweep();
  await until('its end', () => !processAlive(pid, startTime));
  expect(await dir.tornDown()).toBe(true);
  expect(warned.join('')).toContain('ended with exit code 3');
  expect(await readFile(dir.teardownLog, 'utf8')).toMatch(/about to fail[^]*exit code 3/);
  await sweep();
  expect(await readFile(ran, 'utf8')).toBe('ran\n');

  // `problems` on its host, and `show` there and from elsewhere, tell what failed until a person has seen to it.
  const [fact] = await failedTeardownsHere(home);
  expect(fact).toMatchObject({ bead: 'fix', attempt: dir.attempt, log: dir.teardownLog });
  expect(fact?.failed).toMatch(/^`echo ran .*` ended with exit code 3 in .+$/);
  const town = { now: 0, taskQueue: 't', beads: [], more: false, convoys: [], rigs: [], teardowns: [fact] };
  const hosts = { up: [], free: [], merging: [], silent: [] };
  expect(problemsOf({ ...town, hosts } as unknown as TownFacts)).toMatchObject([
    { kind: 'teardown-failed', about: 'fix', fix: `rm ${dir.teardownFailed}` },
  ]);
  const record = { id: dir.attempt, host: 'here', spawnedAt: 1 };
  const view = { bead: 'fix', workspace: { teardown }, attempts: [record] } as unknown as BeadView;
  const context = { io: { env: { HEARTBEAD_HOME: home } } } as unknown as Context;
  expect(await failedTeardowns(context, view)).toEqual([
    expect.stringMatching(/on host here may still run.*code 3 in .+$/),
  ]);
  const read = makeReadAttempt({ host });
  const part = async (): Promise<string> =>
    Buffer.from(
      (await read({ bead: 'fix', attempt: dir.attempt, part: 'teardown', waitMs: 0 })).data,
      'base64',
    ).toString();
  expect(await part()).toBe(fact?.failed);
  await rm(dir.teardownFailed);
  expect([await failedTeardownsHere(home), await failedTeardowns(context, view), await part()]).toEqual([[], [], '']);
});

test('show asks the host of an attempt that is elsewhere, and names one that does not answer', async () => {
  const home = scratchFolder('teardown-elsewhere');
  const attempts = [1, 2, 3, 4].map((number) => ({ id: `${number}-aaaa`, host: 'far', spawnedAt: 1 }));
  const teardown = [{ command: 'end', timeout: 1_000 }];
  const view = { bead: 'fix', workspace: { teardown }, attempts } as unknown as BeadView;
  const asked: string[] = [];
  const answer = (id: string): Promise<{ data: string; next: string }> => {
    asked.push(id);
    if (id === '2-aaaa') return Promise.reject(new Error('the way is closed'));
    return Promise.resolve({ data: id === '3-aaaa' ? Buffer.from('`end` hung').toString('base64') : '', next: '0:0' });
  };
  const client = {
    options: { namespace: 'default' },
    withDeadline: (_: unknown, run: () => unknown) => run(),
    workflow: {
      start: (_: unknown, { args: [{ read }] }: { args: [{ read: { attempt: string } }] }) =>
        Promise.resolve({ result: () => answer(read.attempt) }),
    },
    workflowService: { deleteWorkflowExecution: () => Promise.resolve() },
  };
  const context = {
    io: { env: { HEARTBEAD_HOME: home } },
    town: () => Promise.resolve({ client, taskQueue: 't' }),
  } as unknown as Context;
  expect(await failedTeardowns(context, view)).toEqual([
    expect.stringMatching(/after attempt 2-aaaa.*the way is closed/),
    expect.stringMatching(/attempt 3-aaaa had others start on host far may still run.*`end` hung$/),
  ]);
  // Of many attempts the newest, side by side.
  expect(asked.sort()).toEqual(['2-aaaa', '3-aaaa', '4-aaaa']);
  // A bead whose rig wants nothing done costs no question.
  expect(await failedTeardowns(context, { ...view, workspace: undefined } as BeadView)).toEqual([]);
  expect(asked).toHaveLength(3);
});
