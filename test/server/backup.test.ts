import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Client, Connection } from '@temporalio/client';
import { expect, inject, it, onTestFinished } from 'vitest';
import { writeRecord } from '../../src/client/records.js';
import type { ServerRecord } from '../../src/client/records.js';
import { processStartTime, standsStill } from '../../src/runner/processes/process.js';
import { backUp, restoreInto } from '../../src/server/backup.js';
import { startDevServer } from '../../src/server/index.js';
import type { DevServer } from '../../src/server/index.js';
import { Cli } from '../cli/support/cli.js';
import { mayMount, SmallDisk } from '../support/small-disk.js';
import { packageVersion } from '../../src/version.js';
import { scratchFolder } from '../support/scratch.js';
import { until } from '../support/until.js';

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

  expect(await run(home, 'backup', file)).toMatchObject({ code: 2, stderr: expect.stringMatching(/exists already/) });
  expect(await run(home, 'backup', join(folder, 'none', 'b'))).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/there is no folder \S+none\n {2}next: make it/),
  });
  expect(await run(home, 'backup', join(file, 'b'))).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/there is no folder \S+town\.backup\n/),
  });
  if (mayMount) {
    const full = join(folder, 'full');
    mkdirSync(full);
    const disk = new SmallDisk(full, 1);
    onTestFinished(() => disk.unmount());
    disk.fill();
    const { code, stderr } = await run(home, 'backup', join(full, 'b'));
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/b was not written: no space is left .*\n {2}next: name a file in a folder/),
    ]);
    expect(readdirSync(full).filter((name) => name.startsWith('b'))).toEqual(['ballast-0']);
  }
  const refused = await run(home, 'restore', file);
  expect([refused.code, refused.stderr]).toEqual([4, expect.stringMatching(/the server of .* runs/)]);
  await server.kill();
  const inTheWay = await run(home, 'restore', file);
  expect([inTheWay.code, inTheWay.stderr]).toEqual([4, expect.stringMatching(/has a database already/)]);

  const bytes = readFileSync(file);
  const rewritten = (what: string, other: string): Buffer => {
    const content = gunzipSync(bytes).toString('latin1');
    expect(content.indexOf(what)).toBeGreaterThan(0);
    return gzipSync(Buffer.from(content.replace(what, other), 'latin1'));
  };
  const damaged = join(folder, 'damaged.backup');
  for (const [content, says] of [
    [bytes.subarray(0, bytes.length - 100), /is no backup, or was cut off/],
    [Buffer.from('something else'), /is no backup, or was cut off/],
    [gzipSync('{}\n'), /is no backup of Heartbead\n {2}next: take another/],
    [rewritten('heartbead-backup-1', 'heartbead-backup-2'), /by Heartbead \S+, of a format .*\n {2}next: .* wrote it/],
  ] as const) {
    writeFileSync(damaged, content);
    const { code, stderr } = await run(elsewhere, 'restore', damaged);
    expect([code, stderr]).toEqual([1, expect.stringMatching(says)]);
    expect(readdirSync(elsewhere).filter((name) => /temporal|restore-/.test(name))).toEqual([]);
  }

  expect(await run(elsewhere, 'restore', folder)).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/ is a folder\n {2}next: name the file/),
  });
  // One of a later version is restored, and says so.
  const later = join(folder, 'later');
  mkdirSync(later);
  writeFileSync(damaged, rewritten(`"version":"${packageVersion()}"`, '"version":"900.1.0"'));
  const ofLater = await run(later, 'restore', damaged);
  expect([ofLater.code, ofLater.stdout]).toEqual([
    0,
    expect.stringMatching(/Heartbead 900\.1\.0 wrote it, and this is/),
  ]);

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

/**
 * Writes a database as SQLite does without a log: each transaction has its journal beside it, which goes at its end. A
 * database without one is whole.
 */
const transactions = `
  const { closeSync, openSync, unlinkSync, writeFileSync, writeSync } = require('node:fs');
  const [dbFile] = process.argv.slice(1);
  const db = openSync(dbFile, 'w');
  for (let n = 100_000_000; ; n += 1) {
    writeFileSync(dbFile + '-journal', String(n));
    writeSync(db, String(n), 0);
    for (const until = performance.now() + 0.3; performance.now() < until; );
    writeSync(db, String(n), 500_000);
    unlinkSync(dbFile + '-journal');
    for (const until = performance.now() + 0.3; performance.now() < until; );
  }`;
const processOf = (command: string, ...args: string[]): number => {
  const child = spawn(command, args, { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child.pid as number;
};

it('a copy is what a kill would leave: never a database in the middle of a transaction without the journal that undoes it', async () => {
  const folder = scratchFolder('backup');
  const dbFile = join(folder, 'temporal.db');
  const pid = processOf(process.execPath, '-e', transactions, dbFile);
  await until('it writes', () => existsSync(dbFile) && readFileSync(dbFile).length > 500_000);
  const town = { version: '0', namespace: 'default', taskQueue: 'q', address: 'a:1' };
  const halves: string[][] = [];
  let journals = 0;
  for (let n = 0; n < 120; n += 1) {
    const [file, at] = [join(folder, `${n}.backup`), join(folder, String(n))];
    const { files } = await backUp(dbFile, file, town, pid);
    journals += files.length - 1;
    mkdirSync(at);
    await restoreInto(file, at);
    const text = readFileSync(join(at, 'temporal.db'), 'latin1');
    if (files.length === 1) halves.push([text.slice(0, 9), text.slice(500_000)]);
  }
  expect(journals).toBeGreaterThan(5);
  expect(halves.length).toBeGreaterThan(5);
  expect(halves.filter(([one, other]) => one !== other)).toEqual([]);
  expect(standsStill(pid)).toBe(false);
}, 120_000);

it.each(['SIGINT', 'SIGKILL'] as const)(
  'a backup that is ended by %s while it holds the server lets it go on, and leaves no copy behind',
  async (signal) => {
    const folder = scratchFolder('backup');
    const dbFile = join(folder, 'temporal.db');
    // Nobody writes into it, so that the copy waits for ever.
    execFileSync('mkfifo', [dbFile]);
    const pid = processOf('sleep', '1000');
    await writeRecord(folder, 'server', {
      pid,
      startTime: processStartTime(pid) ?? '',
      log: '',
      address: 'localhost:1',
      uiAddress: '',
      namespace: 'default',
      taskQueue: 'q',
      dbFile,
      source: 'of the tests',
    });
    const cli = new Cli();
    onTestFinished(() => cli.end());
    const backup = cli.start(['backup', join(folder, 'b')], { env: { HEARTBEAD_HOME: folder } });
    await until('the server is held', () => standsStill(pid));
    backup.kill(signal);
    await until('the server goes on', () => !standsStill(pid));
    await until('nothing is left', () => readdirSync(folder).sort().join(' ') === 'server.json temporal.db');
  },
);
