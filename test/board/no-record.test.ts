import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import getPort from 'get-port';
import { expect, it } from 'vitest';
import { runBoard } from '../../src/board/run.js';
import { scratchFolder } from '../support/scratch.js';

it('a board that cannot leave its record in the state directory says so and serves nothing on', async () => {
  const port = await getPort();
  const home = join(scratchFolder('no-record'), 'is-not-there');
  await expect(runBoard({ home, env: {}, port, logFile: 'none', log: () => undefined })).rejects.toThrow(/ENOENT/);
  const taken = createServer().listen(port, '127.0.0.1');
  await once(taken, 'listening');
  taken.close();
});
