import { spawn } from 'node:child_process';
import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { withFileLock } from '../../src/server/file-lock.mjs';
import { scratchFolder } from '../support/scratch.js';
import type { ChildProcess } from 'node:child_process';

const lockModule = fileURLToPath(new URL('../../src/server/file-lock.mjs', import.meta.url));

/** Another process that runs the code while it holds the lock. */
function holder(path: string, code: string): ChildProcess {
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `
    import { withFileLock } from ${JSON.stringify(lockModule)};
    import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
    await withFileLock(${JSON.stringify(path)}, async () => { ${code} });`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

const firstOutput = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => child.stdout?.once('data', (data: Buffer) => resolve(data.toString())));
const end = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.once('exit', resolve));

test('eight processes that count in one file lose no count', async () => {
  const folder = scratchFolder('lock');
  const file = join(folder, 'count');
  writeFileSync(file, '0');
  const children = Array.from({ length: 8 }, () =>
    holder(
      join(folder, 'lock'),
      `
    const n = Number(readFileSync(${JSON.stringify(file)}, 'utf8'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    writeFileSync(${JSON.stringify(file)}, String(n + 1));`,
    ),
  );
  expect(await Promise.all(children.map(end))).toEqual(Array(8).fill(0));
  expect(readFileSync(file, 'utf8')).toBe('8');
  expect(existsSync(join(folder, 'lock'))).toBe(false);
});

test('the lock of a killed holder is taken over by one of several that wait', async () => {
  const folder = scratchFolder('lock');
  const path = join(folder, 'lock');
  const first = holder(path, `console.log('held'); await new Promise((resolve) => setTimeout(resolve, 600_000));`);
  expect(await firstOutput(first)).toBe('held\n');
  const told: number[] = [];
  let inside = 0;
  const waiting = Promise.all(
    [1, 2, 3].map(() =>
      withFileLock(
        path,
        async () => {
          inside += 1;
          expect(inside).toBe(1);
          await new Promise((resolve) => setImmediate(resolve));
          inside -= 1;
        },
        { onWait: ({ pid }) => told.push(pid) },
      ),
    ),
  );
  await new Promise((resolve) => setImmediate(resolve));
  expect(told).toEqual([first.pid, first.pid, first.pid]);
  first.kill('SIGKILL');
  await waiting;
  expect(existsSync(path)).toBe(false);
  // Well below the minute after which any silent lock is taken over.
}, 30_000);

test.each([
  ['a process id in use again', JSON.stringify({ pid: process.pid, host: hostname() })],
  ['another machine', JSON.stringify({ pid: 1, host: 'elsewhere' })],
  ['a writer that died in the first moment', ''],
])('a lock not touched for more than a minute is taken over: %s', async (_, content) => {
  const path = join(scratchFolder('lock'), 'lock');
  writeFileSync(path, content);
  const old = new Date(Date.now() - 61_000);
  utimesSync(path, old, old);
  expect(await withFileLock(path, () => Promise.resolve('mine'))).toBe('mine');
});

test('a fresh lock of another machine is waited for, until the caller has waited enough', async () => {
  const path = join(scratchFolder('lock'), 'lock');
  writeFileSync(path, JSON.stringify({ pid: 1, host: 'elsewhere' }));
  const abort = new AbortController();
  const waiting = withFileLock(path, () => Promise.resolve('mine'), {
    signal: abort.signal,
    onWait: () => abort.abort(),
  });
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  expect(existsSync(path)).toBe(true);
});

test('a failing action gives the lock back', async () => {
  const path = join(scratchFolder('lock'), 'lock');
  await expect(withFileLock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(existsSync(path)).toBe(false);
});
