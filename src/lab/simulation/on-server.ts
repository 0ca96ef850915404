import { durationText } from '../../domain/words.js';
import { errorMessage } from '../../edge/errors.js';
import { World } from '../../testing/index.js';
import { playOnServer } from './play.js';
import type { Played } from './play.js';
import { scriptOf } from './script.js';
import type { Script } from './script.js';
import { sameRule, shrink } from './shrink.js';
import { Sums } from './sums.js';

/**
 * Towns leave locks and histories behind, for which a server takes a third more time after 180 days; it is replaced
 * after so many.
 */
const perWorld = 100;

/** A life of days takes seconds; one that takes longer than this, in real milliseconds, will not end at all. */
const playsWithin = 120_000;

/** @throws what `playOnServer` throws, and when it does not come to an end. */
async function playInTime(world: World, script: Script): Promise<Played> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not at its end after ${durationText(playsWithin)}`)), playsWithin);
  });
  try {
    const played = playOnServer(world, script);
    // Its own late end, on a server that is gone by then, says nothing.
    played.catch(() => undefined);
    return await Promise.race([played, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A world on which a script got stuck may not close in order; its server goes all the same, and the other seeds are
 * played.
 */
async function leave(world: World): Promise<void> {
  try {
    await world.close();
  } catch (error) {
    console.log(`a world was left in disorder: ${errorMessage(error).slice(0, 300)}`);
  }
}

/** @returns what a script breaks on a server of its own, or undefined. */
export async function brokenOnServer(script: Script): Promise<string | undefined> {
  const world = await World.open();
  try {
    await playInTime(world, script);
    return undefined;
  } catch (error) {
    return errorMessage(error);
  } finally {
    await leave(world);
  }
}

/**
 * Plays seeds over the real workflows, on several servers at once: most of the time one waits for its server. @returns
 * how many broke a rule.
 */
export async function simulateOnServer(first: number, seeds: number, servers: number): Promise<number> {
  const sums = new Sums(seeds);
  let next = first;
  let failed = 0;
  const share = async (): Promise<void> => {
    while (next < first + seeds) {
      const world = await World.open();
      try {
        for (let played = 0; played < perWorld && next < first + seeds; played += 1) {
          const seed = next++;
          const script = scriptOf(seed);
          try {
            const { attempts, strays, statuses } = await playInTime(world, script);
            const ends: Record<string, number> = {};
            for (const status of statuses) ends[status] = (ends[status] ?? 0) + 1;
            sums.add({ seeds: 1, attempts, strays, ends });
          } catch (error) {
            // Once more on a server of its own: what breaks only there was the server's.
            const problem = await brokenOnServer(script);
            if (problem === undefined)
              console.log(`seed ${seed}: not again on a fresh server: ${errorMessage(error).slice(0, 300)}`);
            else {
              failed += 1;
              const small = await shrink(script, async (smaller) => sameRule(problem, await brokenOnServer(smaller)));
              console.log(`seed ${seed}: ${problem}\n${JSON.stringify(small)}`);
            }
            sums.add({ seeds: 1, attempts: 0, strays: 0, ends: {} });
            break;
          }
        }
      } finally {
        await leave(world);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(servers, seeds) }, share));
  sums.print(failed);
  return failed;
}
