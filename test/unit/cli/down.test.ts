import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { bringDown } from '../../../src/cli/local/down.js';
import { writeRecord } from '../../../src/client/records.js';
import { processAlive, processStartTime } from '../../../src/runner/processes/process.js';
import { withFileLock } from '../../../src/server/file-lock.mjs';
import { scratchFolder } from '../../support/scratch.js';

test('down waits for an up that is under way, and ends the board that this one starts last', async () => {
  const home = scratchFolder('down');
  let waits = (): void => undefined;
  const waited = new Promise<void>((resolve) => (waits = resolve));
  const { pid, down } = await withFileLock(join(home, 'up.lock'), async () => {
    const asked = bringDown(home, {}, waits);
    // Without the wait, `down` has long ended when there is something to end.
    await Promise.race([waited, asked]);
    const child = spawn('sleep', ['600'], { stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    const started = child.pid as number;
    await writeRecord(home, 'board', {
      pid: started,
      startTime: processStartTime(started) ?? '',
      log: join(home, 'board.log'),
      url: 'http://127.0.0.1:1/',
      token: 'x',
      readOnly: false,
    });
    return { pid: started, down: asked };
  });
  expect(await down).toMatchObject({ board: 'stopped', worker: 'not running', server: 'not running' });
  expect(processAlive(pid)).toBe(false);
});

test('down makes nothing where nothing was ever up', async () => {
  const home = join(scratchFolder('down'), 'none');
  expect(await bringDown(home)).toEqual({
    board: 'not running',
    worker: 'not running',
    server: 'not running',
    agentsAlive: [],
  });
  expect(existsSync(home)).toBe(false);
});
