/** An agent that opens connections without end takes nothing from its runner but those of its own that are too many. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { request } from 'node:http';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openGate } from '../../src/cell/gate.js';
import type { CellPlan } from '../../src/cell/types.js';
import { JsonServer } from '../../src/runner/sockets/json-server.js';
import { scratchFolder } from '../support/scratch.js';
import { until } from '../support/until.js';

const answerOf = (socketPath: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/nowhere' }, (got) => {
      got.resume();
      got.once('end', () => resolve(got.statusCode));
    });
    asked.once('error', reject);
    asked.end();
  });

async function flooded(path: string, count: number, most: number): Promise<void> {
  let gone = 0;
  const flood: Socket[] = [];
  // One by one: the kernel itself refuses what comes faster than it is taken.
  for (let n = 0; n < count; n += 1) {
    const socket = connect(path);
    flood.push(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => (gone += 1));
    socket.resume();
    await once(socket, 'connect');
  }
  await until('those that are too many are closed', () => gone === count - most);
  await expect(answerOf(path)).rejects.toThrow();
  for (const socket of flood) socket.destroy();
  await until('there is room again', async () => (await answerOf(path)) !== undefined);
}

it('at the socket by which it reports', async () => {
  const path = join(scratchFolder('flood'), 'agent.sock');
  const server = await JsonServer.listen(path, {}, () => undefined);
  try {
    await flooded(path, 300, 256);
  } finally {
    await server.close();
  }
});

it('at the way out of its sandbox', async () => {
  const plan: CellPlan = { launcher: 'sandbox', network: { allow: ['nowhere.invalid'] }, read: [], write: [] };
  const gate = await openGate(plan, () => undefined, {});
  if (gate === undefined) throw new Error('a list of hosts has no gate');
  try {
    await flooded(gate.socket, 1_100, 1_000);
  } finally {
    await gate.close();
  }
});
