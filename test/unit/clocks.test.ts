import { describe, expect, it } from 'vitest';
import {
  beadInputProblem,
  budgetsProblem,
  clocksProblem,
  defaultBudgets,
  defaultClocks,
  mergeClocks,
  durationText,
} from '../../src/domain/index.js';

describe('the clocks guard each other', () => {
  it('accepts the defaults', () => {
    expect(clocksProblem(defaultClocks)).toBeUndefined();
    expect(budgetsProblem(defaultBudgets)).toBeUndefined();
  });
  it.each([
    [{ giveUpAfter: 10 * 60_000 }, 'giveUpAfter'],
    [{ beatEvery: 60_000 }, 'heartbeatTimeout'],
    [{ signalEvery: 3 * 60_000 }, 'signalEvery'],
    [{ stopSilentAfter: 60_000 }, 'stopSilentAfter'],
    [{ leaseFor: 60_000, giveUpAfter: 11 * 60_000 }, 'leaseFor'],
    [{ beatEvery: -1 }, 'beatEvery'],
    [{ stalledAfter: Number.NaN }, 'stalledAfter'],
  ])('refuses %j and names %s', (wrong, name) => {
    expect(clocksProblem({ ...defaultClocks, ...wrong })).toContain(name);
  });
  it('fits the beats into a shorter heartbeat time-out, where only that is given', () => {
    const short = mergeClocks({ heartbeatTimeout: 45_000 });
    expect([short.beatEvery, clocksProblem(short)]).toEqual([20_000, undefined]);
    expect(mergeClocks({ heartbeatTimeout: 600_000 }).beatEvery).toBe(defaultClocks.beatEvery);
    expect(mergeClocks({ heartbeatTimeout: 45_000, beatEvery: 5_000 }).beatEvery).toBe(5_000);
    // What makes no sense is still refused in its own words.
    expect(clocksProblem(mergeClocks({ heartbeatTimeout: Number.NaN }))).toContain('the clock heartbeatTimeout');
    expect(clocksProblem(mergeClocks({ heartbeatTimeout: 0 }))).toContain('the clock heartbeatTimeout');
  });
  it('names an unknown clock', () => {
    expect(clocksProblem({ ...defaultClocks, heartbeat: 1 } as never)).toContain('heartbeat');
  });
});

describe('the input of a bead', () => {
  const good = { bead: 'a-1', title: 'T', repo: 'https://example.org/r.git', agent: { adapter: 'demo' } };
  const bytes = (text: string): number => Buffer.byteLength(text);
  it('is accepted when it is good', () => {
    expect(beadInputProblem(good, bytes)).toBeUndefined();
  });
  it.each([
    [undefined, 'one object'],
    [{ ...good, bead: 'A b' }, 'bead id'],
    [{ ...good, bead: '-x' }, 'bead id'],
    [{ ...good, title: '' }, 'title'],
    [{ ...good, repo: 'ext::sh -c id' }, 'run commands'],
    [{ ...good, repo: '--upload-pack=x' }, 'dash'],
    [{ ...good, repo: 'https://me:secret@example.org/r' }, 'password'],
    [{ ...good, base: '--output=x' }, 'dash'],
    [{ ...good, base: 'a..b' }, 'branch'],
    [{ ...good, body: 'x'.repeat(65 * 1024) }, '65536 bytes'],
    [{ ...good, agent: 'demo' }, 'agent'],
    [{ ...good, priority: 9 }, 'priority'],
    [{ ...good, clocks: { beatEvery: 0 } }, 'beatEvery'],
  ])('%# is refused with a sentence that names the matter', (input, word) => {
    expect(beadInputProblem(input, bytes)).toContain(word);
  });
});

describe('durations in words', () => {
  it.each([
    [807, 'under 1 s'],
    [45_000, '45 s'],
    [12 * 60_000, '12 min'],
    [200 * 60_000, '3 h 20 min'],
    [52 * 3_600_000, '2 d 4 h'],
  ])('%d ms is %s', (ms, words) => {
    expect(durationText(ms)).toBe(words);
  });
});
