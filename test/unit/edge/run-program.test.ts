import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runProgram } from '../../../src/edge/run-program.js';
import { processAlive } from '../../../src/runner/processes/process.js';
import { scratchFolder } from '../../support/scratch.js';
import { until } from '../../support/until.js';

const shell = (command: string, options: Partial<Parameters<typeof runProgram>[2]> = {}) =>
  runProgram('/bin/sh', ['-c', command], { within: 20_000, maxBytes: 1_000, ...options });

test('what it says, what it is told and how it ends', async () => {
  expect(await shell('cat; echo said >&2; exit 3', { input: 'told' })).toEqual({
    code: 3,
    signal: null,
    ended: undefined,
    stdout: 'told',
    stderr: 'said\n',
  });
  // Without a word nothing is there to be read, and none of ours to be seen.
  expect(await shell('cat; echo "$HOME$SEEN"', { env: { SEEN: 'yes' } })).toMatchObject({ code: 0, stdout: 'yes\n' });
  expect(await shell('exit 0', { input: 'x'.repeat(1_000_000) })).toMatchObject({ code: 0 });
  expect(await shell('echo said', { maxBytes: undefined })).toMatchObject({ code: 0, stdout: '' });
  expect(await shell('kill -9 $$')).toMatchObject({ code: null, signal: 'SIGKILL', ended: undefined });
  await expect(runProgram('/nowhere/program', [], { within: 1_000 })).rejects.toThrow(/ENOENT/);
});

test.each([
  ['a pipeline', 'sleep 300 | cat & echo $! > PID; wait'],
  ['a shell that does not listen', `trap '' TERM; echo $$ > PID; sleep 300; sleep 300`],
  ['a child that does not listen', `(trap '' TERM; sleep 300; sleep 300) & echo $! > PID; wait`],
  ['one that says too much', 'echo $$ > PID; yes; true'],
])('%s is ended in time, with all that it has started', async (_, command) => {
  const file = join(scratchFolder('program'), 'pid');
  const tooMuch = command.includes('yes');
  const end = await shell(command.replace('PID', `'${file}'`), { within: tooMuch ? 20_000 : 300 });
  expect(end).toMatchObject({ ended: tooMuch ? 'too much' : 'too late' });
  const pid = Number(readFileSync(file, 'utf8'));
  await until('its end', () => !processAlive(pid));
});

test('one that nobody waits for any longer is ended with all that it has started', async () => {
  const file = join(scratchFolder('program'), 'pid');
  const stop = new AbortController();
  const end = shell(`sleep 300 | cat & echo $! > '${file}'; wait`, { signal: stop.signal });
  const pid = await until('its start', () => {
    const written = Number(readFileSync(file, 'utf8'));
    return written > 0 && written;
  });
  stop.abort();
  expect(await end).toMatchObject({ ended: 'canceled' });
  await until('its end', () => !processAlive(pid));
  expect(await shell('sleep 300', { signal: AbortSignal.abort() })).toMatchObject({ ended: 'canceled' });
  const cwd = scratchFolder('cwd');
  expect(await shell('pwd', { cwd })).toMatchObject({ stdout: `${cwd}\n` });
});

test('what it leaves behind holds nobody up, and is left alone', async () => {
  const { code, stdout } = await shell('sleep 300 & echo $!');
  const pid = Number(stdout);
  expect({ code, lives: processAlive(pid) }).toEqual({ code: 0, lives: true });
  process.kill(pid, 'SIGKILL');
});
