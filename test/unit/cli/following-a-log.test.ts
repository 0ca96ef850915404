import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FileFollower } from '../../../src/cli/follow-file.js';

let scratch: string;
let file: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'heartbead-log-'));
  file = join(scratch, 'agent.log');
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

test('a log that is not there yet begins empty; lines come once they are whole', async () => {
  const follower = new FileFollower(file);
  expect(await follower.newLines()).toEqual([]);
  writeFileSync(file, 'one\ntw');
  expect(await follower.newLines()).toEqual(['one']);
  appendFileSync(file, 'o\nthree');
  expect(await follower.newLines()).toEqual(['two']);
  expect(await follower.newLines()).toEqual([]);
  expect(follower.leftover()).toEqual(['three']);
  expect(follower.leftover()).toEqual([]);
});

test('a rotated log is read on from the start of the new file', async () => {
  const follower = new FileFollower(file);
  writeFileSync(file, 'old\n');
  await follower.newLines();
  renameSync(file, `${file}.1`);
  writeFileSync(file, 'new, and longer than the old one\n');
  expect(await follower.newLines()).toEqual(['new, and longer than the old one']);
});

test('what was rotated away before the first look is read first, the oldest at the beginning, lines that were cut in two put together', async () => {
  writeFileSync(`${file}.2`, 'one\ntw');
  writeFileSync(`${file}.1`, 'o\nthree\n');
  writeFileSync(file, 'four\n');
  expect(await new FileFollower(file).newLines()).toEqual(['one', 'two', 'three', 'four']);
});

test('what was written between the last look and a rotation is not lost, also over two rotations', async () => {
  const follower = new FileFollower(file);
  writeFileSync(file, 'one\n');
  expect(await follower.newLines()).toEqual(['one']);
  appendFileSync(file, 'two\n');
  renameSync(file, `${file}.1`);
  writeFileSync(file, 'three\n');
  renameSync(`${file}.1`, `${file}.2`);
  renameSync(file, `${file}.1`);
  writeFileSync(file, 'four\n');
  expect(await follower.newLines()).toEqual(['two', 'three', 'four']);
  expect(await follower.newLines()).toEqual([]);
});

test('a letter that is cut in two by a read is put together', async () => {
  const follower = new FileFollower(file);
  const bytes = Buffer.from('ä\n');
  writeFileSync(file, bytes.subarray(0, 1));
  expect(await follower.newLines()).toEqual([]);
  appendFileSync(file, bytes.subarray(1));
  expect(await follower.newLines()).toEqual(['ä']);
});
