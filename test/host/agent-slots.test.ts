import { describe, expect, test } from 'vitest';
import { AgentSlots } from '../../src/host/index.js';
import type { AgentPermit } from '../../src/host/index.js';

const never = new AbortController().signal;

/** Whether a promise is settled once everything that could settle it now has run. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(() => (done = true), () => (done = true));
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

function slots(max: number, living = 0): { slots: AgentSlots; living: { count: number } } {
  const counter = { count: living };
  return { slots: new AgentSlots({ max, living: () => counter.count }), living: counter };
}

describe('the places for agents on a host', () => {
  test('permits and living runners together never exceed the limit', async () => {
    const { slots: places, living } = slots(3, 1);
    expect(places.tryAcquire()).toBeDefined();
    const second = places.tryAcquire();
    expect(second).toBeDefined();
    expect(places.tryAcquire()).toBeUndefined();
    // The second start has become a runner: its place stays taken when its permit comes back.
    living.count += 1;
    places.release(second as AgentPermit);
    expect(places.tryAcquire()).toBeUndefined();
    living.count -= 1;
    expect(places.tryAcquire()).toBeDefined();
  });

  test('a host that begins with more runners than its limit hands out nothing until enough have ended', async () => {
    const { slots: places, living } = slots(2, 4);
    const waiting = places.acquire(never);
    living.count = 2;
    places.wake();
    expect(await settled(waiting)).toBe(false);
    living.count = 1;
    places.wake();
    await waiting;
  });

  test('who waits is served in order, but an attempt that has begun goes first', async () => {
    const { slots: places } = slots(1);
    const held = places.tryAcquire() as AgentPermit;
    const order: string[] = [];
    const one = places.acquire(never).then((permit) => (order.push('first poll'), permit));
    const two = places.acquire(never).then((permit) => (order.push('second poll'), permit));
    const begun = places.acquire(never, true).then((permit) => (order.push('begun'), permit));
    places.release(held);
    places.release(await begun);
    places.release(await one);
    places.release(await two);
    expect(order).toEqual(['begun', 'first poll', 'second poll']);
  });

  test('a permit given back twice frees one place only', async () => {
    const { slots: places } = slots(1);
    const permit = places.tryAcquire() as AgentPermit;
    places.release(permit);
    const next = places.tryAcquire();
    expect(next).toBeDefined();
    places.release(permit);
    expect(places.tryAcquire()).toBeUndefined();
  });

  test('a poll that is called off leaves no place behind and stands in nobody\'s way', async () => {
    const { slots: places } = slots(1);
    const held = places.tryAcquire() as AgentPermit;
    const off = new AbortController();
    const given = places.acquire(off.signal);
    const next = places.acquire(never);
    off.abort(new Error('called off'));
    await expect(given).rejects.toThrow('called off');
    places.release(held);
    await next;
    expect(places.held).toBe(1);
    await expect(places.acquire(off.signal)).rejects.toThrow('called off');
  });

  test('while the disk is too full nothing is handed out, and who waits is served when there is room', async () => {
    const { slots: places } = slots(2);
    places.setObstacle('no room');
    const waiting = places.acquire(never);
    expect(places.tryAcquire()).toBeUndefined();
    expect(await settled(waiting)).toBe(false);
    places.setObstacle(undefined);
    await waiting;
  });
});
