import { describe, expect, test } from 'vitest';
import { AgentPlaces } from '../../src/host/index.js';
import type { AgentPlace, PollPermit } from '../../src/host/index.js';

const never = new AbortController().signal;

/** Whether a promise is settled once everything that could settle it now has run. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(
    () => (done = true),
    () => (done = true),
  );
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

function placesOf(max: number, living = 0): { places: AgentPlaces; living: { count: number } } {
  const counter = { count: living };
  return { places: new AgentPlaces({ max, living: () => counter.count }), living: counter };
}

describe('the places for agents on a host', () => {
  test('living runners and starts together never exceed the limit', async () => {
    const { places, living } = placesOf(3, 1);
    const [first, second] = [await places.enter(true, never), await places.enter(false, never)];
    const third = places.enter(true, never);
    expect(await settled(third)).toBe(false);
    // The second start has become a runner: its place stays taken when the start gives it back.
    living.count += 1;
    places.leave(second);
    expect(await settled(third)).toBe(false);
    places.leave(first);
    await third;
    expect(places.starting).toBe(1);
  });

  test('a host that begins with more runners than its limit takes nothing until enough have ended', async () => {
    const { places, living } = placesOf(2, 4);
    const poll = places.reserve(never);
    const start = places.enter(false, never);
    living.count = 2;
    places.wake();
    expect([await settled(poll), await settled(start)]).toEqual([false, false]);
    living.count = 1;
    places.wake();
    await start;
    expect(await settled(poll)).toBe(false);
  });

  test('an attempt that had begun before goes first', async () => {
    const { places } = placesOf(1);
    const held = await places.enter(true, never);
    const order: string[] = [];
    const enter = async (name: string, polled: boolean): Promise<AgentPlace> => {
      const place = await places.enter(polled, never);
      order.push(name);
      return place;
    };
    const all = [enter('first task', true), enter('second task', true), enter('begun before', false)];
    places.leave(held);
    places.leave(await (all[2] as Promise<AgentPlace>));
    places.leave(await (all[0] as Promise<AgentPlace>));
    await all[1];
    expect(order).toEqual(['begun before', 'first task', 'second task']);
  });

  test('a place given back twice is free once', async () => {
    const { places } = placesOf(1);
    const place = await places.enter(true, never);
    places.leave(place);
    await places.enter(true, never);
    places.leave(place);
    expect(await settled(places.enter(true, never))).toBe(false);
  });

  test("who gives up waiting leaves nothing behind and stands in nobody's way", async () => {
    const { places } = placesOf(1);
    const held = await places.enter(true, never);
    const off = new AbortController();
    const gone = places.enter(true, off.signal);
    const next = places.enter(true, never);
    off.abort(new Error('called off'));
    await expect(gone).rejects.toThrow('called off');
    places.leave(held);
    await next;
    expect(places.starting).toBe(1);
    await expect(places.enter(true, off.signal)).rejects.toThrow('called off');
  });
});

describe('the permits to ask for starts', () => {
  test('are as many as there are free places, counted once when the start that came by one has entered', async () => {
    const { places, living } = placesOf(3, 1);
    const first = places.tryReserve() as PollPermit;
    expect(places.tryReserve()).toBeDefined();
    expect(places.tryReserve()).toBeUndefined();
    const place = await places.enter(true, never);
    expect(places.tryReserve()).toBeUndefined();
    // Its runner lives; the SDK gives the permit back a little later.
    living.count += 1;
    places.leave(place);
    expect(places.tryReserve()).toBeUndefined();
    places.release(first);
    expect(places.tryReserve()).toBeUndefined();
    living.count -= 1;
    expect(places.tryReserve()).toBeDefined();
  });

  test('that only wait for tasks do not keep an interrupted start out, and no permit is handed out for its place', async () => {
    const { places, living } = placesOf(2);
    const idle = [places.tryReserve(), places.tryReserve()] as PollPermit[];
    expect(places.tryReserve()).toBeUndefined();
    await places.enter(false, never);
    places.release(idle[0] as PollPermit);
    expect(places.tryReserve()).toBeUndefined();
    // A task that comes by the permit that is left finds the second place; one more would have to wait.
    await places.enter(true, never);
    living.count = 0;
    expect(await settled(places.enter(true, never))).toBe(false);
  });

  test('given back twice count once', () => {
    const { places } = placesOf(1);
    const permit = places.tryReserve() as PollPermit;
    places.release(permit);
    expect(places.tryReserve()).toBeDefined();
    places.release(permit);
    expect(places.tryReserve()).toBeUndefined();
  });

  test('are handed to the polls in order; one that is called off is skipped', async () => {
    const { places } = placesOf(1);
    const held = places.tryReserve() as PollPermit;
    const off = new AbortController();
    const gone = places.reserve(off.signal);
    const next = places.reserve(never);
    off.abort(new Error('called off'));
    await expect(gone).rejects.toThrow('called off');
    places.release(held);
    await next;
    expect(places.permits).toBe(1);
  });

  test('are not handed out while the disk is too full, and are when there is room again', async () => {
    const { places } = placesOf(2);
    places.setObstacle('no room');
    const waiting = places.reserve(never);
    expect(places.tryReserve()).toBeUndefined();
    expect(await settled(waiting)).toBe(false);
    places.setObstacle(undefined);
    await waiting;
  });
});

describe('what can wait', () => {
  test('begins at once where no start is on its way', async () => {
    const { places } = placesOf(2);
    expect(await settled(places.betweenStarts(60_000))).toBe(true);
  });

  test('waits for the last of the starts that are on their way', async () => {
    const { places } = placesOf(2);
    const [one, other] = [await places.enter(true, never), await places.enter(true, never)];
    const waiting = places.betweenStarts(60_000);
    places.leave(one);
    expect(await settled(waiting)).toBe(false);
    places.leave(other);
    await waiting;
  });

  test('is not put off for ever', async () => {
    const { places } = placesOf(2);
    await places.enter(true, never);
    await places.betweenStarts(20);
    expect(places.starting).toBe(1);
  });
});
