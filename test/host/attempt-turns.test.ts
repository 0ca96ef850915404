import { describe, expect, test } from 'vitest';
import { AttemptTurns } from '../../src/host/index.js';
import type { AttemptTurn } from '../../src/host/index.js';

const one = { path: '/attempts/1-aaaa__bead' };
const other = { path: '/attempts/1-aaaa__other-bead' };

describe('turns at an attempt', () => {
  test("one actor at a time per attempt; another attempt is nobody's concern", async () => {
    const turns = new AttemptTurns();
    const first = turns.tryTake(one) as AttemptTurn;
    expect(turns.tryTake(one)).toBeUndefined();
    expect(turns.tryTake(other)).toBeDefined();
    const waiting = turns.take(one);
    first.end();
    const second = await waiting;
    expect(turns.tryTake(one)).toBeUndefined();
    // Ended twice by mistake, the first holder must not end the second one's turn.
    first.end();
    expect(turns.tryTake(one)).toBeUndefined();
    second.end();
    expect(turns.busy(one)).toBe(false);
  });

  test('whoever outranks the holder says so, and gets the turn when the holder has ended', async () => {
    const turns = new AttemptTurns();
    const start = turns.tryTake(one) as AttemptTurn;
    const told = new Promise((resolve) => start.giveWay.addEventListener('abort', () => resolve(start.giveWay.reason)));
    const stop = turns.take(one, {
      giveWay: { why: 'stopped', outcome: 'stopped', reason: 'cancelled by an operator' },
    });
    expect(await told).toEqual({ why: 'stopped', outcome: 'stopped', reason: 'cancelled by an operator' });
    start.end();
    (await stop).end();
  });

  test('of three who wait each gets the turn alone', async () => {
    const turns = new AttemptTurns();
    const first = turns.tryTake(one) as AttemptTurn;
    let holders = 0;
    let most = 0;
    const act = async (): Promise<void> => {
      const turn = await turns.take(one);
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
    const holder = turns.tryTake(one) as AttemptTurn;
    const off = new AbortController();
    const waiting = turns.take(one, { signal: off.signal });
    off.abort(new Error('called off'));
    await expect(waiting).rejects.toThrow('called off');
    holder.end();
    expect(turns.tryTake(one)).toBeDefined();
  });
});
