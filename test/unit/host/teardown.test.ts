import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import type { ActivityDeps } from '../../../src/activities/deps.js';
import { tidyEnded } from '../../../src/activities/sweep.js';
import type { StartAgentInput } from '../../../src/contract/index.js';
import { defaultClocks } from '../../../src/domain/clocks.js';
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
});
