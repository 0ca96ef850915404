import { describe, expect, it } from 'vitest';
import { MergePlaces } from '../../../src/activities/refinery/merge-places.js';
import type { MergePermit } from '../../../src/activities/refinery/merge-places.js';

const never = new AbortController().signal;
/** Whoever waits, and what he has got. */
function waiting(places: MergePlaces, signal = never): { got?: MergePermit; refused?: unknown } {
  const one: { got?: MergePermit; refused?: unknown } = {};
  places.reserve(signal).then(
    (permit) => (one.got = permit),
    (error: unknown) => (one.refused = error),
  );
  return one;
}
const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
function taken(places: MergePlaces): MergePermit {
  const permit = places.tryReserve();
  if (permit === undefined) throw new Error('there is no place');
  return permit;
}

describe('the places for merges', () => {
  it('are so many; a further one waits until one is given back, in the order of asking', async () => {
    const places = new MergePlaces(2);
    const [first, second] = [taken(places), taken(places)];
    expect(places.tryReserve()).toBeUndefined();
    const [third, fourth] = [waiting(places), waiting(places)];
    await soon();
    expect([third.got, fourth.got]).toEqual([undefined, undefined]);
    places.release(first);
    places.release(first);
    await soon();
    expect([third.got !== undefined, fourth.got]).toEqual([true, undefined]);
    places.release(second);
    await soon();
    expect(fourth.got).toBeDefined();
  });

  it('one that only waits lets another have its place, and takes it from nobody when it goes on', async () => {
    const places = new MergePlaces(2);
    const holder = taken(places);
    taken(places);
    const third = waiting(places);
    let goOn: () => void = () => undefined;
    const waited = places.aside(() => new Promise<void>((resolve) => (goOn = resolve)));
    await soon();
    expect([third.got !== undefined, places.tryReserve()]).toEqual([true, undefined]);
    goOn();
    await waited;
    // Three hold a permit now; whoever ends first makes room for nobody.
    places.release(holder);
    expect(places.tryReserve()).toBeUndefined();
    if (third.got !== undefined) places.release(third.got);
    expect(places.tryReserve()).toBeDefined();
  });

  it('one that gives its waiting up is passed by; a waiting that fails gives the place back all the same', async () => {
    const places = new MergePlaces(1);
    const first = taken(places);
    const gone = new AbortController();
    const [second, third] = [waiting(places, gone.signal), waiting(places)];
    gone.abort('the worker ends');
    places.release(first);
    await soon();
    expect([second.refused, third.got !== undefined]).toEqual(['the worker ends', true]);
    await expect(places.aside(() => Promise.reject(new Error('cancelled')))).rejects.toThrow('cancelled');
    expect(places.tryReserve()).toBeUndefined();
  });
});
