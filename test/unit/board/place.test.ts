import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { untilLost } from '../../../src/board/place.js';
import { removeRecord, writeRecord } from '../../../src/client/records.js';
import { scratchFolder } from '../../support/scratch.js';

const record = { pid: 10, startTime: '1', log: 'log', url: 'http://127.0.0.1:1/', token: 'x', readOnly: false };
const never = new AbortController().signal;

test.each([
  ['its state directory is removed', (home: string) => rm(home, { recursive: true }), /board\.json.*is gone/],
  ['its record is removed', (home: string) => removeRecord(home, 'board'), /board\.json.*is gone/],
  [
    'another board has taken its place',
    (home: string) => writeRecord(home, 'board', { ...record, pid: 11 }),
    /another board \(pid 11\)/,
  ],
  [
    'its process id belongs to a later process',
    (home: string) => writeRecord(home, 'board', { ...record, startTime: '2' }),
    /another board/,
  ],
])('a board is lost when %s', async (_, happens, why) => {
  const home = scratchFolder('board-place');
  await writeRecord(home, 'board', record);
  const lost = untilLost(home, record, never, 5);
  await happens(home);
  expect(await lost).toMatch(why);
});

test('a board that is told to stop is not lost', async () => {
  const home = join(scratchFolder('board-place'));
  await writeRecord(home, 'board', record);
  const stop = new AbortController();
  const lost = untilLost(home, record, stop.signal, 60_000);
  stop.abort();
  expect(await lost).toBeUndefined();
});
