import { expect, test } from 'vitest';
import { judge } from '../../src/server/probe-priorities.js';

const order = (text: string): string[] =>
  text.split('').map((letter) => ({ u: 'urgent', l: 'large', s: 'small' })[letter] ?? letter);

test.each([
  ['urgent first, then in turns', 'uuuuuulslslslsllllll', { priorities: 'exact', fairness: true, honoured: true }],
  [
    'urgent first, then one after the other',
    'uuuuuullllllllllssss',
    { priorities: 'exact', fairness: false, honoured: false },
  ],
  [
    'urgent early, as with several partitions',
    'uuluuluslsulslsllll'.padEnd(20, 'l'),
    { priorities: 'rough', fairness: false, honoured: false },
  ],
  ['as they were queued', 'llllllllllssssuuuuuu', { priorities: 'ignored', fairness: false, honoured: false }],
  ['in any order', 'lulusllulslsllulsuul', { priorities: 'ignored', fairness: false, honoured: false }],
])('tasks that come out %s', (_, text, verdict) => {
  expect(judge(order(text))).toMatchObject(verdict);
});

test.each([
  ['uuuuuulslslsllllll', []],
  ['uuuuuullllllllllssss', ['matching.enableFairness: true']],
  [
    'uluuluslsulslsllllll',
    [
      'matching.numTaskqueueReadPartitions: 1',
      'matching.numTaskqueueWritePartitions: 1',
      'matching.enableFairness: true',
    ],
  ],
  [
    'llllllllllssssuuuuuu',
    [
      'matching.useNewMatcher: true',
      'matching.numTaskqueueReadPartitions: 1',
      'matching.numTaskqueueWritePartitions: 1',
      'matching.enableFairness: true',
    ],
  ],
])('from the order %s follows what the server needs', (text, settings) => {
  expect(judge(order(text)).settings).toEqual(settings);
});
