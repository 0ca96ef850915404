import { createColors } from 'picocolors';
import { describe, expect, test } from 'vitest';
import { beadPage } from '../../../src/cli/render/bead-page.js';
import { beadsTable } from '../../../src/cli/render/beads-table.js';
import { doctorPage } from '../../../src/cli/render/doctor-page.js';
import { oneLine, relative } from '../../../src/cli/render/format.js';
import { progressLine } from '../../../src/cli/render/progress.js';
import { watchLines, watchTable } from '../../../src/cli/render/watch-table.js';
import { wantsColors } from '../../../src/cli/io.js';
import type { BeadSummary } from '../../../src/client/list.js';
import { doing, pendingSentence } from '../../../src/operator/doing.js';
import { aBead, aDescription, currentAttempt, endedAttempt, now } from './a-bead.js';

const plain = createColors(false);
const summary = (more: Partial<BeadSummary> = {}): BeadSummary => ({
  bead: 'fix-typo',
  title: 'Fix the typo',
  status: 'in_progress',
  agent: 'working',
  startedAt: now - 600_000,
  ...more,
});

describe('the page of a bead', () => {
  const page = (view = aBead(), notes: string[] = []): string =>
    beadPage({ description: aDescription(), view, notes }, now, plain);

  test('names status, agent, and every attempt with its outcome, account and reason', () => {
    expect(page()).toMatch(/^fix-typo {2}Fix the typo$/m);
    expect(page()).toMatch(/^status +in_progress, agent working$/m);
    expect(page()).toMatch(/^1-aaaa1111 +alpha-1 .* agent_failed +agent +the agent ended with status 3$/m);
    expect(page()).toMatch(/^2-bbbb2222 +beta-2 .* working .* writes the parser$/m);
  });

  test('a blocked bead says what it waits for and what a person can do', () => {
    const blocked = aBead({
      status: 'blocked',
      agent: 'none',
      current: undefined,
      reason: 'no such branch',
      wait: { for: 'person', since: now, text: 'no such branch', fix: 'correct the base' },
    });
    expect(page(blocked)).toMatch(/^fix +correct the base$/m);
  });

  test("the next deadline is told from the reader's clock, not from the bead's, which stands still between its events", () => {
    expect(
      page(aBead({ deadline: { at: now + 240_000, what: 'stalled', text: 'the agent counts as stalled' } })),
    ).toMatch(/^next +in 4 min: the agent counts as stalled$/m);
  });

  test('messages and notes that wait for the agent are shown', () => {
    const view = aBead({
      messages: [{ id: 'm1', text: 'mind the tests', from: 'operator', at: now }],
      notes: ['attempt 1 broke the build'],
    });
    expect(page(view)).toContain('operator: mind the tests');
    expect(page(view)).toContain('attempt 1 broke the build');
  });

  test('attempts that were only counted are owned up to', () => {
    expect(page(aBead({ attemptCount: 40 }))).toContain('(40 attempts in all');
  });

  test("without the bead's own account, the page is what the server knows, with the beat of the cold start", () => {
    const description = aDescription({
      pendingActivities: [
        {
          type: 'startAgent',
          state: 'started',
          attempt: 1,
          lastBeatAt: now - 3_000,
          details: { host: 'alpha-1', attempt: '1-aaaa1111', phase: 'cloning', text: 'cloning 43 %' },
        },
      ],
    });
    const text = beadPage({ description, notes: ['no worker answered'] }, now, plain);
    expect(text).toContain('note: no worker answered');
    expect(text).toContain('startAgent started, last beat 3 s ago: cloning 43 %');
  });

  test('of a workflow that was terminated, the page without an account says so', () => {
    expect(beadPage({ description: aDescription({ execution: 'TERMINATED' }), notes: [] }, now, plain)).toContain(
      'status terminated',
    );
  });

  test('what an agent said cannot move the cursor or colour the terminal', () => {
    const text = page(aBead({ current: currentAttempt({ activity: 'a\u001b[2Jb\r\nc\u009b31m' }) }));
    expect(text).not.toMatch(/[\u001b\u009b\r]/);
    expect(oneLine('a\u001b[2Jb\r\nc')).toBe('ab c');
  });
});

test('a pending activity that has not beaten yet, and has failed before, says both', () => {
  expect(pendingSentence({ type: 'verifyWork', state: 'scheduled', attempt: 2, lastFailure: 'unreachable' }, now)).toBe(
    'verifyWork scheduled, no beat yet (last failure: unreachable)',
  );
});

describe('what a bead is doing', () => {
  test('a working agent: its own words', () => {
    expect(progressLine(aBead())).toBe('in_progress, agent working, attempt 2: writes the parser');
  });

  test("a cold start: the host's words, which only the server has heard", () => {
    const view = aBead({ agent: 'starting', reason: 'taken by beta-2' });
    const beat = {
      type: 'startAgent',
      state: 'started',
      attempt: 1,
      details: { host: 'beta-2', attempt: '2-bbbb2222', phase: 'cloning' as const, text: 'cloning 43 %' },
    };
    expect(doing(view, aDescription({ pendingActivities: [beat] }))).toBe('cloning 43 %');
    expect(
      doing(
        view,
        aDescription({ pendingActivities: [{ ...beat, details: { ...beat.details, attempt: '1-aaaa1111' } }] }),
      ),
    ).toBe('taken by beta-2');
  });

  test('a bead without an agent: what it waits for', () => {
    expect(
      doing(aBead({ agent: 'none', current: undefined, wait: { for: 'backoff', until: now, text: 'again in 20 s' } })),
    ).toBe('again in 20 s');
  });
});

describe('lists', () => {
  test('a table line can be cut with ordinary tools', () => {
    const lines = beadsTable(
      [summary(), summary({ bead: 'b', status: 'blocked', agent: 'none', attention: 'blocked', title: 'Other' })],
      now,
      plain,
    ).split('\n');
    expect(lines[0]).toMatch(/^BEAD +STATUS +AGENT +AGE +ATTENTION +TITLE$/);
    expect(lines[1]?.split(/ {2,}/)).toEqual(['fix-typo', 'in_progress', 'working', '10 min', '-', 'Fix the typo']);
    expect(lines[2]?.split(/ {2,}/)).toEqual(['b', 'blocked', '-', '10 min', 'blocked', 'Other']);
  });

  test('an agent without a sandbox is named as such, and an encrypted bead by its key', () => {
    const shown = beadsTable(
      [summary({ cell: 'none' }), summary({ cell: 'sandbox' }), summary({ sealedWith: 'autumn' })],
      now,
      plain,
    ).split('\n');
    expect(shown[1]).toContain('working (no sandbox)');
    expect(shown[2]).not.toContain('no sandbox');
    expect(shown[3]).toMatch(/encrypted with key autumn$/);
  });

  test('the age of an ended bead is how long it took', () => {
    expect(beadsTable([summary({ status: 'closed', closedAt: now - 480_000 })], now, plain)).toMatch(/closed .* 2 min/);
  });

  test('a watched bead is printed when it changes, and once more when it is gone', () => {
    const shown = new Map<string, string>();
    const rows = [{ summary: summary(), view: aBead() }];
    expect(watchLines(rows, shown, now, false)).toHaveLength(1);
    expect(watchLines(rows, shown, now, false)).toEqual([]);
    const changed = [{ summary: summary(), view: aBead({ agent: 'stalled' }) }];
    expect(watchLines(changed, shown, now, false)[0]).toContain('agent stalled');
    expect(watchLines([], shown, now, false)[0]).toContain('is no longer open');
    expect(watchLines([], shown, now, false)).toEqual([]);
  });

  test('with --json each change is one object', () => {
    const [line = ''] = watchLines([{ summary: summary(), view: aBead() }], new Map(), now, true);
    expect(JSON.parse(line)).toEqual({
      at: now,
      bead: 'fix-typo',
      status: 'in_progress',
      agent: 'working',
      attempt: 2,
      doing: 'writes the parser',
    });
  });

  test('a live table keeps within the terminal, so that it can be redrawn', () => {
    const long = aBead({ current: currentAttempt({ activity: 'x'.repeat(500) }) });
    const width = 100;
    for (const line of watchTable([{ summary: summary(), view: long }], false, now, { colors: plain, width }).split(
      '\n',
    ))
      expect(line.length).toBeLessThanOrEqual(width);
  });
});

test('every finding of doctor that is not fine has its next step below it', () => {
  const text = doctorPage(
    [
      { name: 'git', verdict: 'ok', text: 'git 2.39' },
      { name: 'workers', verdict: 'warn', text: 'nobody polls', next: 'start one' },
    ],
    plain,
  );
  expect(text).toContain('ok    git      git 2.39');
  expect(text).toMatch(/warn {2}workers {2}nobody polls\n +next: start one/);
  expect(text).toContain('1 ok, 1 to look at, 0 failed');
});

test('instants are told as people do', () => {
  expect([relative(now - 500, now), relative(now - 90_000, now), relative(now + 7_200_000, now)]).toEqual([
    'now',
    '90 s ago',
    'in 2 h',
  ]);
});

test('colours: only on a terminal, never with NO_COLOR, always with FORCE_COLOR', () => {
  expect(wantsColors({}, true)).toBe(true);
  expect(wantsColors({}, false)).toBe(false);
  expect(wantsColors({ NO_COLOR: '1' }, true)).toBe(false);
  expect(wantsColors({ FORCE_COLOR: '1' }, false)).toBe(true);
  expect(wantsColors({ FORCE_COLOR: '1', NO_COLOR: '1' }, true)).toBe(false);
  expect(wantsColors({ TERM: 'dumb' }, true)).toBe(false);
});

test('an attempt without a reason or a host still has its row', () => {
  expect(
    beadPage(
      {
        description: aDescription(),
        view: aBead({ attempts: [endedAttempt({ host: undefined, reason: undefined, countedAs: 'nothing' })] }),
        notes: [],
      },
      now,
      plain,
    ),
  ).toMatch(/^1-aaaa1111 +- .*agent_failed +nothing$/m);
});
