import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prepareRefinery } from '../../src/activities/refinery/index.js';
import { logsKeptFor, removeOldLogs } from '../../src/activities/refinery/old-logs.js';
import { scratchFolder } from '../support/scratch.js';

const day = 24 * 3_600_000;
const left = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true })).filter((name) => name.includes('.')).sort();

/** Logs of two rigs, of these ages in days, each of 10 bytes. */
async function logs(folder: string, ages: Record<string, number>): Promise<void> {
  for (const [name, age] of Object.entries(ages)) {
    const path = join(folder, name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, '0123456789');
    const at = (Date.now() - age * day) / 1_000;
    await utimes(path, at, at);
  }
}

test('logs of checks go when they are a month old, at the start of a worker; what is no log stays', async () => {
  const home = scratchFolder('logs');
  const folder = join(home, 'refinery');
  await logs(folder, {
    'one/lamp.log': 1,
    'one/bulb.log': 40,
    'one/bulb.log.2': 40,
    'two/wire.log': 29,
    'two/notes.txt': 400,
  });
  await prepareRefinery({ home });
  expect(await left(folder)).toEqual(['one/lamp.log', 'two/notes.txt', 'two/wire.log']);
  expect(logsKeptFor).toBe(30 * day);
});

test('of too many the oldest go, over all rigs', async () => {
  const folder = scratchFolder('logs');
  await logs(folder, { 'one/a.log': 1, 'one/b.log': 4, 'two/c.log': 2, 'two/d.log': 3 });
  expect((await removeOldLogs(folder, { bytesKept: 25 })).sort()).toEqual([
    join(folder, 'one/b.log'),
    join(folder, 'two/d.log'),
  ]);
  expect(await left(folder)).toEqual(['one/a.log', 'two/c.log']);
});

test('where there are none, nothing is to be done', async () => {
  expect(await removeOldLogs(join(scratchFolder('logs'), 'refinery'))).toEqual([]);
});
