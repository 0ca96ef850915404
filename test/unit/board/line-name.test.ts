import { expect, test } from 'vitest';
import type { DiffFile } from '../../../src/board/api-types.js';
import { lineName, linePath, showsLine } from '../../../src/board/page/line-name.js';

const file: DiffFile = {
  path: 'src/a:1',
  change: 'changed',
  added: 1,
  removed: 1,
  binary: false,
  hunks: [
    {
      head: '',
      lines: [
        { kind: ' ', text: 'same', old: 6, new: 7 },
        { kind: '-', text: 'before', old: 7 },
        { kind: '+', text: 'after', new: 8 },
      ],
    },
  ],
};

test('each line of a diff has a name of its own, and is found by it', () => {
  const names = file.hunks?.flatMap(({ lines }) => lines.map((line) => lineName(file.path, line)));
  expect(names).toEqual(['src/a:1:7', 'src/a:1:-7', 'src/a:1:8']);
  for (const name of names ?? []) expect(showsLine(file, name)).toBe(true);
});

test.each([
  ['of another file', { ...file, path: 'src/a' }, 'src/a:1:7'],
  ['that is not shown', file, 'src/a:1:9'],
  ['that is gone, where one is wanted that is there', file, 'src/a:1:-8'],
  ['of a file that is too long to be shown', { ...file, hunks: undefined }, 'src/a:1:7'],
])('a line %s is not found', (_, where, name) => {
  expect(showsLine(where as DiffFile, name)).toBe(false);
});

test('an address holds any path', () => {
  const address = linePath('one', '2-bbbbbbbb', 'a b&c#d/ü:3');
  const { pathname, searchParams } = new URL(address, 'http://127.0.0.1');
  expect([pathname, ...searchParams.values()]).toEqual(['/bead/one', 'diff', '2-bbbbbbbb', 'a b&c#d/ü:3']);
});
