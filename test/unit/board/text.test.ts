import { expect, test } from 'vitest';
import { lasting, relativeTime, visible } from '../../../src/board/page/text.js';

test.each([
  ['turns the direction of writing', 'a\u202egpj.exe \u2066b\u061c', 'a\\u202egpj.exe \\u2066b\\u061c'],
  [
    'takes no room',
    'pay\u200bload \ufeffpay\u00adload \u180e\u2060',
    'pay\\u200bload \\ufeffpay\\u00adload \\u180e\\u2060',
  ],
  ['hides a text in one that is seen', `ok\u{e0041}\u{e007f}`, 'ok\\u{e0041}\\u{e007f}'],
  ['looks like an empty place', 'pay\u3164load \u115fpay\u034fload', 'pay\\u3164load \\u115fpay\\u034fload'],
  ['ends a line where none ends', 'one\u2028two\u2029three', 'one\\u2028two\\u2029three'],
  ['orders a terminal about', '\u001b[2J\u0007\u009b1m\u0000', '\\u001b[2J\\u0007\\u009b1m\\u0000'],
])('what %s is named', (_, hostile, shown) => {
  expect(visible(hostile)).toBe(shown);
});

test('what people write stays as it is: lines, tabs, umlauts, right to left, signs beside the first plane', () => {
  const text = 'Grüße,\r\n\tשלום 你好 🙂 é 👩\u200d🔧 می\u200cخواهم';
  expect(visible(text)).toBe(text.replace('\r', ''));
});

test('times as people say them', () => {
  const [second, minute, hour] = [1_000, 60_000, 3_600_000];
  expect(
    [0, 12 * second, 59.4 * second, 4 * minute, 2 * hour + 5 * minute, 12 * hour + 5 * minute, 72 * hour].map(lasting),
  ).toEqual(['0 s', '12 s', '59 s', '4 min', '2 h 5 min', '12 h', '3 d']);
  const now = 1_000_000_000;
  expect([now, now - minute, now + minute].map((at) => relativeTime(at, now))).toEqual([
    'now',
    '1 min ago',
    'in 1 min',
  ]);
});
