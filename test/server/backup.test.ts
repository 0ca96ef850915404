import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { expect, inject, it, onTestFinished } from 'vitest';
import { writeRecord } from '../../src/client/records.js';
import type { ServerRecord } from '../../src/client/records.js';
import { processStartTime } from '../../src/runner/processes/process.js';
import { backUp } from '../../src/server/backup.js';
import { startDevServer } from '../../src/server/index.js';
import type { DevServer } from '../../src/server/index.js';
import { Cli } from '../cli/support/cli.js';
import { scratchFolder } from '../support/scratch.js';

const serverOn = async (dbFile: string): Promise<{ server: DevServer; client: Client }> => {
  const server = await startDevServer({
    dbFile,
    uiPort: false,
    program: { path: inject('devServerProgram'), source: 'env', version: 'of the tests' },
  });
  onTestFinished(() => server.kill());
  const connection = await Connection.connect({ address: server.address });
  onTestFinished(() => connection.close());
  return { server, client: new Client({ connection, namespace: server.namespace }) };
};

it('a database that is backed up while it is written to, and restored in another place, has all that was there; nothing is written over, and a damaged file is refused', async () => {
  const folder = scratchFolder('backup');
  const [home, elsewhere] = ['home', 'elsewhere'].map((name) => {
    mkdirSync(join(folder, name));
    return join(folder, name);
  }) as [string, string];
  const dbFile = join(home, 'temporal.db');
  const { server, client } = await serverOn(dbFile);
  const start = (id: string): Promise<unknown> =>
    client.workflow.start('bead', { workflowId: id, taskQueue: 'nobody', args: [{ id }] });
  const before = Array.from({ length: 5 }, (_, n) => `before-${n}`);
  await Promise.all(before.map(start));
  const record: ServerRecord = {
    pid: server.pid,
    startTime: processStartTime(server.pid) ?? '',
    log: '',
    address: server.address,
    uiAddress: '',
    namespace: server.namespace,
    taskQueue: 'my-town',
    dbFile,
    source: 'of the tests',
  };
  await writeRecord(home, 'server', record);
  const cli = new Cli();
  onTestFinished(() => cli.end());
  const run = (at: string, ...args: string[]) => cli.run(args, { env: { HEARTBEAD_HOME: at } });

  // Others write all the while.
  let writing = true;
  const writer = (async (): Promise<number> => {
    let n = 0;
    for (; writing; n += 1) await start(`meanwhile-${n}`);
    return n;
  })();
  const file = join(folder, 'town.backup');
  const taken = await run(home, 'backup', file);
  writing = false;
  const meanwhile = await writer;
  expect(taken.code, taken.stderr).toBe(0);
  expect(meanwhile).toBeGreaterThan(0);
  // It goes on: the server was only held for a moment.
  await start('after');

  expect((await run(home, 'backup', file)).stderr).toMatch(/exists already/);
  const refused = await run(home, 'restore', file);
  expect([refused.code, refused.stderr]).toEqual([4, expect.stringMatching(/the server of .* runs/)]);
  await server.kill();
  const inTheWay = await run(home, 'restore', file);
  expect([inTheWay.code, inTheWay.stderr]).toEqual([4, expect.stringMatching(/has a database already/)]);

  const bytes = readFileSync(file);
  const damaged = join(folder, 'damaged.backup');
  for (const [content, says] of [
    [bytes.subarray(0, bytes.length - 100), /is no backup, or was cut off/],
    [Buffer.from('something else'), /is no backup, or was cut off/],
  ] as const) {
    writeFileSync(damaged, content);
    const { code, stderr } = await run(elsewhere, 'restore', damaged);
    expect([code, stderr]).toEqual([1, expect.stringMatching(says)]);
    expect(readdirSync(elsewhere).filter((name) => /temporal|restore-/.test(name))).toEqual([]);
  }

  const restored = await run(elsewhere, 'restore', file, '--json');
  expect(restored.code, restored.stderr).toBe(0);
  expect(JSON.parse(restored.stdout)).toMatchObject({ home: elsewhere, taskQueue: 'my-town', namespace: 'default' });
  expect(JSON.parse(readFileSync(join(elsewhere, 'server.json'), 'utf8'))).toMatchObject({
    address: server.address,
    taskQueue: 'my-town',
  });
  const again = await serverOn(join(elsewhere, 'temporal.db'));
  const handles = await Promise.all(
    before.map((id) =>
      again.client.workflow
        .getHandle(id)
        .describe()
        .then(({ status }) => status.name),
    ),
  );
  expect(handles).toEqual(before.map(() => 'RUNNING'));
  await expect(again.client.workflow.getHandle('after').describe()).rejects.toThrow(/not found/i);
});

it('a database that is not there, and a backup that cannot be written, are told; nothing is left behind', async () => {
  const folder = scratchFolder('backup');
  const town = { version: '0', namespace: 'default', taskQueue: 'q', address: 'a:1' };
  await expect(backUp(join(folder, 'temporal.db'), join(folder, 'b'), town, undefined)).rejects.toThrow(
    /there is no database/,
  );
  writeFileSync(join(folder, 'temporal.db'), 'x');
  await expect(backUp(join(folder, 'temporal.db'), join(folder, 'none', 'b'), town, undefined)).rejects.toThrow(
    /ENOENT/,
  );
  expect(readdirSync(folder)).toEqual(['temporal.db']);
});
