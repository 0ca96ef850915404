import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Listened, restOf } from '../../../src/board/listened.js';
import type { Listeners } from '../../../src/board/listened.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Counts its rounds; each waits until it is let go. */
function counted(): {
  listened: Listened<string>;
  rounds: () => number;
  letGo: () => Promise<void>;
  heard: Listeners<string>[];
  said: string[];
  fail: (error: Error) => void;
} {
  let rounds = 0;
  let go = (): void => undefined;
  let failure: Error | undefined;
  const heard: Listeners<string>[] = [];
  const said: string[] = [];
  const listened = new Listened<string>(
    (id, listeners) => {
      heard.push(listeners);
      return async () => {
        rounds += 1;
        await new Promise<void>((resolve) => (go = resolve));
        const error = failure;
        failure = undefined;
        if (error !== undefined) throw error;
        listeners.tell(`${id} ${rounds}`);
        return 1_000;
      };
    },
    (line) => said.push(line),
  );
  return {
    listened,
    rounds: () => rounds,
    letGo: async () => {
      go();
      await vi.advanceTimersByTimeAsync(0);
    },
    heard,
    said,
    fail: (error) => (failure = error),
  };
}

test('two who listen to one subject share its rounds; nobody listens, nothing is looked at', async () => {
  const { listened, rounds, letGo } = counted();
  const [one, two]: [string[], string[]] = [[], []];
  await vi.advanceTimersByTimeAsync(10_000);
  expect(rounds()).toBe(0);
  const stopOne = listened.subscribe('a', (news) => one.push(news));
  const stopTwo = listened.subscribe('a', (news) => two.push(news));
  await vi.advanceTimersByTimeAsync(0);
  await letGo();
  expect([one, two]).toEqual([['a 1'], ['a 1']]);
  await vi.advanceTimersByTimeAsync(999);
  expect(rounds()).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(rounds()).toBe(2);
  stopOne();
  await letGo();
  expect([one, two]).toEqual([['a 1'], ['a 1', 'a 2']]);
  stopTwo();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(rounds()).toBe(2);
});

test('whoever comes later first hears what is true now', async () => {
  const { listened, letGo, heard } = counted();
  listened.subscribe('a', () => undefined);
  await vi.advanceTimersByTimeAsync(0);
  await letGo();
  const all = heard[0] as Listeners<string>;
  all.first = () => 'so far';
  const late: string[] = [];
  listened.subscribe('a', (news) => late.push(news));
  expect(late).toEqual(['so far']);
});

test('a wake in the middle of a round is not lost: the next round follows it at once', async () => {
  const { listened, rounds, letGo } = counted();
  listened.subscribe('a', () => undefined);
  await vi.advanceTimersByTimeAsync(0);
  listened.lookSoon('a');
  await letGo();
  expect(rounds()).toBe(2);
  await letGo();
  expect(rounds()).toBe(2);
  listened.lookSoon('a');
  await vi.advanceTimersByTimeAsync(0);
  expect(rounds()).toBe(3);
});

test('a round that fails is told to the log, and tried again', async () => {
  const { listened, rounds, letGo, said, fail } = counted();
  listened.subscribe('a', () => undefined);
  await vi.advanceTimersByTimeAsync(0);
  fail(new Error('a fault'));
  await letGo();
  expect(said).toEqual([expect.stringMatching(/^a could not be looked at: Error: a fault/)]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(rounds()).toBe(2);
});

test('its end waits for the round that is under way', async () => {
  const { listened, letGo, rounds } = counted();
  listened.subscribe('a', () => undefined);
  await vi.advanceTimersByTimeAsync(0);
  let ended = false;
  const end = listened.end().then(() => (ended = true));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(ended).toBe(false);
  await letGo();
  await end;
  expect(rounds()).toBe(1);
});

test.each([
  [0, 300],
  [100, 200],
  [290, 60],
  [5_000, 60],
])('a look of %i ms is followed by a rest of %i', (took, rest) => {
  expect(restOf(300, 0, took)).toBe(rest);
});
