import { describe, expect, test } from 'vitest';
import { AttemptTurns } from '../../src/host/index.js';
import type { AttemptTurn } from '../../src/host/index.js';

describe('turns at an attempt', () => {
  test('one actor at a time per attempt; another attempt is nobody\'s concern', async () => {
    const turns = new AttemptTurns();
    const first = turns.tryTake('1-aaaa') as AttemptTurn;
    expect(turns.tryTake('1-aaaa')).toBeUndefined();
    expect(turns.tryTake('1-bbbb')).toBeDefined();
    const waiting = turns.take('1-aaaa');
    first.end();
    const second = await waiting;
    expect(turns.tryTake('1-aaaa')).toBeUndefined();
    // Ended twice by mistake, the first holder must not end the second one's turn.
    first.end();
    expect(turns.tryTake('1-aaaa')).toBeUndefined();
    second.end();
    expect(turns.busy('1-aaaa')).toBe(false);
  });

  test('whoever outranks the holder says so, and gets the turn when the holder has ended', async () => {
    const turns = new AttemptTurns();
    const start = turns.tryTake('1-aaaa') as AttemptTurn;
    const told = new Promise((resolve) => start.giveWay.addEventListener('abort', () => resolve(start.giveWay.reason)));
    const stop = turns.take('1-aaaa', { giveWay: { why: 'stopped', outcome: 'stopped', reason: 'cancelled by an operator' } });
    expect(await told).toEqual({ why: 'stopped', outcome: 'stopped', reason: 'cancelled by an operator' });
    start.end();
    (await stop).end();
  });

  test('of three who wait each gets the turn alone', async () => {
    const turns = new AttemptTurns();
    const first = turns.tryTake('1-aaaa') as AttemptTurn;
    let holders = 0;
    let most = 0;
    const act = async (): Promise<void> => {
      const turn = await turns.take('1-aaaa');
      most = Math.max(most, ++holders);
      await new Promise((resolve) => setImmediate(resolve));
      holders -= 1;
      turn.end();
    };
    const all = [act(), act(), act()];
    first.end();
    await Promise.all(all);
    expect(most).toBe(1);
  });

  test('waiting can be called off', async () => {
    const turns = new AttemptTurns();
    const holder = turns.tryTake('1-aaaa') as AttemptTurn;
    const off = new AbortController();
    const waiting = turns.take('1-aaaa', { signal: off.signal });
    off.abort(new Error('called off'));
    await expect(waiting).rejects.toThrow('called off');
    holder.end();
    expect(turns.tryTake('1-aaaa')).toBeDefined();
  });
});
