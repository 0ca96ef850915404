import { IllegalStateError } from '@temporalio/common';
import { expect, it } from 'vitest';
import { NativeWays } from '../../src/worker/native-ways.js';

class Way {
  open = true;
  holders = 1;

  close(): Promise<void> {
    if (this.holders > 0) return Promise.reject(new IllegalStateError('Workers hold a reference to it'));
    if (!this.open) return Promise.reject(new Error('Client already closed'));
    this.open = false;
    return Promise.resolve();
  }
}

it('a former connection is closed once no worker holds it, and the one in force stays', async () => {
  const told: unknown[][] = [];
  const tell = (...words: unknown[]): void => void told.push(words);
  const [first, second, third] = [new Way(), new Way(), new Way()];
  const ways = new NativeWays(first, { info: tell, warn: tell });
  await ways.leave();
  ways.use(second);
  ways.use(third);
  await ways.leave();
  expect([first, second, third].map(({ open }) => open)).toEqual([true, true, true]);

  // A worker of an earlier build holds the first for a while yet.
  second.holders = 0;
  await ways.leave();
  expect([first, second, third].map(({ open }) => open)).toEqual([true, false, true]);
  expect(ways.inForce).toBe(third);
  expect(told.length).toBe(1);

  // One that cannot be closed at all is told once, and forgotten.
  const broken = { open: true, holders: 0, close: () => Promise.reject(new Error('no such client')) };
  const fourth = new Way();
  ways.use(broken);
  ways.use(fourth);
  await ways.leave();
  await ways.leave();
  expect(told.filter(([what]) => typeof what === 'object').length).toBe(1);

  first.holders = third.holders = fourth.holders = 0;
  await ways.close();
  expect([first, third, fourth].map(({ open }) => open)).toEqual([false, false, false]);
});
