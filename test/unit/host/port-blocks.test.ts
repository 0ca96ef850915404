import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checksIn, returnPorts, takePorts } from '../../../src/host/index.js';
import { AttemptDir } from '../../../src/runner/index.js';
import { scratchFolder } from '../../support/scratch.js';

/** Of a host that has prepared some attempts. */
function host(...attempts: string[]): { home: string; end: (attempt: string) => void } {
  const home = scratchFolder('ports');
  const dirOf = (attempt: string): AttemptDir => AttemptDir.of(home, 'lamp', attempt);
  for (const attempt of attempts) {
    mkdirSync(dirOf(attempt).path, { recursive: true });
    writeFileSync(
      join(dirOf(attempt).path, 'input.json'),
      JSON.stringify({ bead: 'lamp', attempt, number: 1, clocks: {}, agent: { adapter: 'shell' }, repo: '/r' }),
    );
  }
  return { home, end: (attempt) => rmSync(dirOf(attempt).path, { recursive: true }) };
}
const of = (attempt: string): { bead: string; attempt: string } => ({ bead: 'lamp', attempt });

/** Blocks in which nobody listens at the moment; each test has a range of its own. */
let next = 20_000;
const base = (): number => (next += 500);

test('attempts that live at the same time have different ports, also of rigs whose ports overlap', async () => {
  const { home } = host('1-aaaa', '2-bbbb', '3-cccc');
  const first = base();
  const [a, b, c] = await Promise.all([
    takePorts(home, { base: first, count: 10 }, of('1-aaaa')),
    takePorts(home, { base: first, count: 10 }, of('2-bbbb')),
    takePorts(home, { base: first + 5, count: 4 }, of('3-cccc')),
  ]);
  const ports = [a, b, c].flatMap(({ from, count }) => Array.from({ length: count }, (_, n) => from + n));
  expect(new Set(ports).size).toBe(24);
  expect(a).toEqual({ from: first, count: 10 });
});

test('an attempt keeps its block whoever asks for it again, and it is free once the attempt has ended', async () => {
  const { home, end } = host('1-aaaa', '2-bbbb', '3-cccc');
  const wanted = { base: base(), count: 3 };
  const a = await takePorts(home, wanted, of('1-aaaa'));
  const b = await takePorts(home, wanted, of('2-bbbb'));
  expect(await takePorts(home, wanted, of('1-aaaa'))).toEqual(a);
  end('1-aaaa');
  expect(await takePorts(home, wanted, of('2-bbbb'))).toEqual(b);
  expect(await takePorts(home, wanted, of('3-cccc'))).toEqual(a);
});

test('checks have theirs as long as they run, and a worker that was killed holds none', async () => {
  const { home } = host('1-aaaa');
  const wanted = { base: base(), count: 3 };
  await takePorts(home, wanted, { pid: process.pid, startTime: 'of another', tree: '/t' });
  const checks = await takePorts(home, wanted, checksIn('/t'));
  expect(checks.from).toBe(wanted.base);
  expect((await takePorts(home, wanted, of('1-aaaa'))).from).toBe(wanted.base + 3);
  await returnPorts(home, checks);
  expect(await takePorts(home, wanted, checksIn('/other'))).toEqual(checks);
});

test('a block in which somebody listens is passed over, and none at all is told with what to do', async () => {
  const { home } = host('1-aaaa', '2-bbbb');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  try {
    const from = Math.min(port, 65_000);
    expect((await takePorts(home, { base: from, count: port - from + 1 }, of('1-aaaa'))).from).toBeGreaterThan(port);
    await expect(takePorts(home, { base: port, count: 65_536 - port }, of('2-bbbb'))).rejects.toThrow(
      /no block of \d+ free ports from \d+ on: give the rig another `--port-base`/,
    );
  } finally {
    server.close();
  }
});
