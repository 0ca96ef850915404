import { expect, test } from 'vitest';
import { keys } from '../../../src/board/page/keys.js';
import { firstState, press } from '../../../src/cli/top/state.js';
import { screen } from '../../../src/cli/top/screen.js';
import { beadKeys, byLetter, downKey, helpKeys, upKey } from '../../../src/operator/bead-keys.js';
import { aBead } from '../cli/a-bead.js';
import { aTown } from '../operators/facts.js';

const view = aBead({ bead: 'one', status: 'in_progress' });
const data = {
  facts: aTown({ beads: [{ bead: view.bead, status: view.status, view }] }),
  summaries: [],
  problems: [],
};

test('the keys that act on a bead are the same on the board and in top, and both say so in the same words', () => {
  const help = screen({ ...firstState, help: true }, data, '', { width: 200, height: 40 })
    .map((line) =>
      line
        .map(({ text }) => text)
        .join('')
        .trimEnd(),
    )
    .join('\n');
  for (const { key, what } of Object.values(beadKeys)) {
    expect(help).toMatch(new RegExp(`^${key} +${what}`, 'm'));
    expect(keys).toContainEqual([key, what]);
  }
  for (const key of [downKey, upKey, ...helpKeys]) {
    expect(help).toMatch(new RegExp(`^.*(?<!\\w)\\${key}(?!\\w).*  +(?:choose|these keys)`, 'm'));
    expect(keys.some(([shown]) => shown.split(/[ ,]+/).includes(key))).toBe(true);
  }
});

test('top does with each of them what the board does', () => {
  const done = Object.fromEntries(
    Object.values(beadKeys).map(({ key }) => {
      const { state, command } = press(firstState, { text: key }, data);
      return [key, command?.do ?? (state.nudge !== undefined ? 'nudge' : state.confirm !== undefined ? 'cancel' : '')];
    }),
  );
  // The board's handlers go through the same declaration.
  expect(done).toEqual(
    byLetter({ show: 'show', logs: 'logs', nudge: 'nudge', pause: 'pause', retry: 'retry', cancel: 'cancel' }),
  );
});

test('no letter does two things', () => {
  const letters = keys.flatMap(([shown]) => shown.split(/[ ,]+/)).filter((key) => key.length === 1);
  expect(new Set(letters).size).toBe(letters.length);
});
