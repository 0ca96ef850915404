import { render } from 'ink-testing-library';
import { createElement } from 'react';
import { describe, expect, test, vi } from 'vitest';
import { Top } from '../../../src/cli/top/app.js';
import { plainScreen, screen } from '../../../src/cli/top/screen.js';
import type { ScreenLine } from '../../../src/cli/top/screen.js';
import { firstState, press } from '../../../src/cli/top/state.js';
import type { Key, TopCommand, TopData, TopState } from '../../../src/cli/top/state.js';
import { problemsOf } from '../../../src/domain/telling/problems.js';
import { aBead, currentAttempt, now } from '../cli/a-bead.js';
import { aRig, aTown, minute } from './facts.js';

const views = [
  aBead({ bead: 'fix-typo' }),
  aBead({
    bead: 'a-rather-long-name-of-a-bead-that-does-not-fit-into-its-column',
    current: currentAttempt({
      cell: 'none',
      activity: 'reads a very long list of files, one after the other, and says so in a very long sentence',
    }),
  }),
  aBead({
    bead: 'stuck',
    status: 'blocked',
    agent: 'none',
    current: undefined,
    wait: { for: 'person', since: now - 5 * minute, text: 'there is no branch named mian', fix: 'correct the base' },
  }),
];
const facts = aTown({
  beads: [...views.map((view) => ({ bead: view.bead, status: view.status, view })), { bead: 'silent', status: 'open' }],
  rigs: [
    { rig: 'app', view: aRig({ waiting: [{ bead: 'w', workflowId: 'bead-w', priority: 2, since: now - minute }] }) },
  ],
});
const data: TopData = {
  facts,
  problems: problemsOf(facts),
  summaries: facts.beads.map(({ bead }) => ({
    bead,
    title: bead,
    status: 'open',
    agent: 'none',
    startedAt: now - 10 * minute,
  })),
};
const size = { width: 80, height: 24 };
const text = (lines: ScreenLine[]): string =>
  lines
    .map((line) =>
      line
        .map((span) => span.text)
        .join('')
        .trimEnd(),
    )
    .join('\n');
const draw = (state: Partial<TopState> = {}, at = size): string =>
  text(screen({ ...firstState, ...state }, data, 'default at 127.0.0.1:7233', at));

describe('the screen at 80×24', () => {
  test('shows the beads with what they do, and what needs a person with its command', () => {
    const shown = draw();
    expect(shown).toMatch(/^heartbead {2}\d\d:\d\d:\d\d {2}4 open, 2 agents, 1 host \(1 with room\), 2 problems/);
    expect(shown).toMatch(/^> fix-typo {13}in_progress working {2}2 {2}10 min writes the parser$/m);
    expect(shown).toMatch(
      /^ {2}a-rather-long-name-… in_progress working {2}2 {2}10 min \(no sandbox\) reads a very…$/m,
    );
    expect(shown).toMatch(/^ {2}silent .* does not answer$/m);
    expect(shown).toMatch(/^stuck bead stuck is blocked \(5 min\): there is no branch named mian$/m);
    expect(shown).toMatch(/^ {6}heartbead retry stuck$/m);
    expect(shown).toMatch(/q quit$/);
  });

  test.each([
    [80, 24],
    [60, 12],
    [120, 50],
    [40, 8],
  ])('%i×%i: as many lines as there are, none wider', (width, height) => {
    for (const state of [
      {},
      { tab: 'problems' },
      { tab: 'hosts' },
      { tab: 'queue' },
      { help: true },
      { page: { title: 't', lines: ['word '.repeat(100)], scroll: 0 } },
      { confirm: { bead: 'fix-typo' } },
      { nudge: { bead: 'fix-typo', text: 'x'.repeat(200) } },
    ] as Partial<TopState>[]) {
      const lines = draw(state, { width, height }).split('\n');
      expect(lines).toHaveLength(height);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
    }
  });

  test('hosts with their agents, and the queues of the rigs', () => {
    expect(draw({ tab: 'hosts' })).toMatch(/^alpha-1 has room {5}0$/m);
    expect(draw({ tab: 'queue' })).toMatch(/^app {2}0 of 2 agents, 1 waiting, 0 to be merged$/m);
  });

  test('a long list follows the selected bead', () => {
    const many = Array.from({ length: 60 }, (_, index) => aBead({ bead: `bead-${index}` }));
    const long = {
      ...data,
      problems: [],
      facts: aTown({ beads: many.map((view) => ({ bead: view.bead, status: view.status, view })) }),
    };
    expect(text(screen({ ...firstState, selected: 'bead-40' }, long, '', size))).toMatch(/^> bead-40 /m);
  });

  test('without a terminal every list is printed once, in full', () => {
    const printed = plainScreen(data, 'default', 100);
    for (const title of ['BEADS', 'PROBLEMS', 'HOSTS', 'QUEUE']) expect(printed).toContain(`\n${title}\n`);
    expect(printed).not.toMatch(/\u001b/);
  });
});

describe('keys', () => {
  const key = (name: string): Key =>
    name.length === 1 ? { text: name } : { name: name as Exclude<Key['name'], undefined>, text: '' };
  const type = (...keys: string[]): { state: TopState; commands: TopCommand[] } => {
    const commands: TopCommand[] = [];
    const state = keys.reduce((before: TopState, name) => {
      const { state: after, command } = press(before, key(name), data);
      if (command !== undefined) commands.push(command);
      return after;
    }, firstState);
    return { state, commands };
  };

  test('s, l, p and r act on the selected bead', () => {
    expect(type('s', 'down', 'l', 'p', 'down', 'r').commands).toEqual([
      { do: 'show', bead: 'fix-typo' },
      { do: 'logs', bead: views[1]?.bead },
      { do: 'pause', bead: views[1]?.bead },
      { do: 'retry', bead: 'stuck' },
    ]);
  });

  test('a cancel asks first, and only y cancels', () => {
    expect(type('c').commands).toEqual([]);
    expect(type('c', 'return')).toMatchObject({ commands: [], state: { said: 'fix-typo was left alone' } });
    expect(type('c', 'y').commands).toEqual([{ do: 'cancel', bead: 'fix-typo' }]);
  });

  test('n types a text in which letters are no commands; Esc sends nothing', () => {
    expect(type('n', 'q', 'c', 'x', 'backspace', 'return').commands).toEqual([
      { do: 'nudge', bead: 'fix-typo', text: 'qc' },
    ]);
    expect(type('n', 'a', 'escape')).toMatchObject({ commands: [], state: { said: 'nothing was sent' } });
    expect(type('n', 'return').commands).toEqual([]);
  });

  test('q leaves a page before it quits; Ctrl-C quits from anywhere', () => {
    const page = { ...firstState, page: { title: 't', lines: ['a'], scroll: 0 } };
    expect(press(page, key('q'), data)).toEqual({ state: firstState });
    expect(press(firstState, key('q'), data).command).toEqual({ do: 'quit' });
    expect(press(page, key('interrupt'), data).command).toEqual({ do: 'quit' });
  });

  test('a log begins at its end, and one step up moves it', () => {
    const page = {
      ...firstState,
      page: {
        title: 't',
        lines: Array.from({ length: 100 }, (_, at) => `line ${at}`),
        scroll: Number.MAX_SAFE_INTEGER,
      },
    };
    expect(text(screen(page, data, '', size))).toContain('line 99');
    expect(text(screen(press(page, key('up'), data).state, data, '', size))).not.toContain('line 99');
  });

  test('the selection stays with its bead, and goes to the first when that is gone', () => {
    const { state } = type('down', 'down');
    expect(state.selected).toBe('stuck');
    const without = { ...data, facts: aTown({ beads: facts.beads.slice(0, 1) }) };
    expect(press(state, key('s'), without).command).toEqual({ do: 'show', bead: 'fix-typo' });
  });
});

/** The screen is drawn anew when the machine gets round to it. */
const patient = { timeout: 60_000, interval: 20 };
test('on a terminal: the screen is drawn, keys act, and the answer is shown', async () => {
  const act = vi.fn((_command: unknown) => Promise.resolve('the agent has it'));
  const app = render(
    createElement(Top, { where: 'here', colors: false, look: () => Promise.resolve(data), act, every: 60_000, size }),
  );
  try {
    await expect.poll(() => app.lastFrame(), patient).toContain('> fix-typo');
    expect(app.lastFrame()?.split('\n').length).toBe(23);
    app.stdin.write('n');
    await expect.poll(() => app.lastFrame(), patient).toContain('nudge fix-typo: _');
    app.stdin.write('hello');
    await expect.poll(() => app.lastFrame(), patient).toContain('hello_');
    app.stdin.write('\r');
    await expect.poll(() => app.lastFrame(), patient).toContain('the agent has it');
    expect(act.mock.calls[0]?.[0]).toEqual({ do: 'nudge', bead: 'fix-typo', text: 'hello' });
  } finally {
    app.unmount();
  }
});
