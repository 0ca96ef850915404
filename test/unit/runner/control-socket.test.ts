import { request } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AttemptResult } from '../../../src/contract/index.js';
import { openControlSocket } from '../../../src/runner/sockets/control-socket.js';
import type { ControlHandlers } from '../../../src/runner/sockets/control-socket.js';
import { scratchFolder } from '../../support/scratch.js';

const post = (socketPath: string, path: string, body: object): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const asked = request(
      { socketPath, path, method: 'POST', headers: { 'content-type': 'application/json' } },
      (got) => {
        got.resume();
        got.once('end', () => resolve(got.statusCode));
      },
    );
    asked.once('error', reject);
    asked.end(JSON.stringify(body));
  });

test('whoever reaches the control socket can end an attempt, and never as finished or as nobody’s failure', async () => {
  const path = join(scratchFolder('control'), 'control.sock');
  const stopped: string[] = [];
  const handlers: Partial<ControlHandlers> = {
    stop: ({ outcome, reason }) => {
      stopped.push(outcome);
      return Promise.resolve<AttemptResult>({ attempt: '1-abcd', outcome, reason, host: 'h1' });
    },
  };
  const server = await openControlSocket(path, handlers as ControlHandlers, (what, error) => {
    throw new Error(what, { cause: error });
  });
  const stop = (outcome: string): Promise<number | undefined> => post(path, '/stop', { outcome, reason: 'why' });
  try {
    for (const outcome of ['done', 'no_changes', 'escalated', 'rate_limited', 'declined', 'push_refused'])
      expect(await stop(outcome), outcome).toBe(400);
    for (const outcome of ['stopped', 'stalled', 'timed_out', 'lost']) expect(await stop(outcome), outcome).toBe(200);
    expect(stopped).toEqual(['stopped', 'stalled', 'timed_out', 'lost']);
  } finally {
    await server.close();
  }
});
