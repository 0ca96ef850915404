import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { compiledFile } from '../../src/package/compiled.js';

let home: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hb-worker-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await rm(home, { recursive: true, force: true });
});

interface Program {
  child: ChildProcess;
  /** Lines of its log, as they come. */
  lines: { level: number; msg: string; [key: string]: unknown }[];
  exit: Promise<number | null>;
}

function worker(args: string[], env: NodeJS.ProcessEnv = {}): Program {
  const { address } = inject('devServer');
  const child = spawn(process.execPath, [compiledFile('worker'), ...args], {
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      HEARTBEAD_HOME: join(home, 'state'),
      TEMPORAL_ADDRESS: address,
      HEARTBEAD_TASK_QUEUE: `town-${home.slice(-6)}`,
      ...env,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  const lines: Program['lines'] = [];
  let rest = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = `${rest}${chunk}`.split('\n');
    rest = parts.pop() ?? '';
    // A line that is no JSON fails the test here.
    for (const line of parts) lines.push(JSON.parse(line) as Program['lines'][number]);
  });
  return { child, lines, exit: once(child, 'close').then(([code]) => code as number | null) };
}

const says = (program: Program, text: RegExp): Promise<unknown> =>
  expect.poll(() => program.lines.some(({ msg }) => text.test(msg)), { timeout: 60_000 }).toBe(true);
const lastWord = ({ lines }: Program): string => lines.at(-1)?.msg ?? '';

describe('the worker program', () => {
  test.each([
    [['--max-agents', 'many'], /--max-agents is a whole number/],
    [['--max-agents', '0'], /--max-agents is a whole number from 1/],
    [['--health-port', '70000'], /--health-port/],
    [['--colour'], /colour/],
    [['stray'], /stray/],
  ])('refuses %j with one sentence and status 2', async (args, sentence) => {
    const program = worker(args);
    expect(await program.exit).toBe(2);
    expect(program.lines).toHaveLength(1);
    expect(lastWord(program)).toMatch(sentence);
    expect(program.lines[0]).not.toHaveProperty('err');
  });

  test.skipIf(!existsSync('/dev/full'))('whose log finds no room on its disk ends no other way', async () => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [compiledFile('worker'), '--max-agents', 'many'], {
      stdio: ['ignore', 'ignore', full],
    });
    closeSync(full);
    children.push(child);
    expect((await once(child, 'exit'))[0]).toBe(2);
  });

  test('says which server it misses, and what to do', async () => {
    const none = worker([], { TEMPORAL_ADDRESS: '' });
    expect(await none.exit).toBe(1);
    expect(lastWord(none)).toMatch(/no Temporal server.*heartbead up/);
    const wrong = worker([], { TEMPORAL_ADDRESS: '127.0.0.1:1' });
    expect(await wrong.exit).toBe(1);
    expect(lastWord(wrong)).toMatch(/127\.0\.0\.1:1/);
  });

  test('logs JSON, refuses a second one on its state directory, and ends on SIGTERM', async () => {
    const first = worker(['--max-agents', '2']);
    await says(first, /the worker polls/);
    expect(first.lines.find(({ msg }) => msg === 'the worker polls')).toMatchObject({
      maxAgents: 2,
      home: join(home, 'state'),
    });
    const second = worker([]);
    expect(await second.exit).toBe(1);
    expect(lastWord(second)).toMatch(new RegExp(`another worker \\(pid ${first.child.pid}`));
    first.child.kill('SIGTERM');
    expect(await first.exit).toBe(0);
    // The directory is free again.
    const third = worker([]);
    await says(third, /the worker polls/);
    third.child.kill('SIGINT');
    expect(await third.exit).toBe(0);
  });

  test('says when its health port is taken', async () => {
    const first = worker(['--health-port', '0']);
    await says(first, /the worker polls/);
    const port = first.lines.find(({ msg }) => msg === 'the worker polls')?.['healthPort'];
    expect((await fetch(`http://127.0.0.1:${String(port)}/`)).status).toBe(200);
    const second = worker(['--home', join(home, 'other'), '--health-port', String(port)]);
    expect(await second.exit).toBe(1);
    expect(lastWord(second)).toMatch(/health port \d+ is taken/);
  });
});
