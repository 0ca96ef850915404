import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { errorMessage } from '../../edge/errors.js';
import { playOnModel } from './play.js';
import { scriptOf } from './script.js';
import { sameRule, shrink } from './shrink.js';
import { Sums } from './sums.js';
import type { Share, Word } from './model/thread.js';

/** @returns what a script breaks on the model, or undefined. */
export async function brokenOnModel(script: ReturnType<typeof scriptOf>): Promise<string | undefined> {
  try {
    await playOnModel(script);
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}

/** Plays seeds on the model, in a thread per core. @returns how many broke a rule. */
export async function simulateOnModel(first: number, seeds: number): Promise<number> {
  const sums = new Sums(seeds);
  const of = Math.min(availableParallelism(), seeds);
  const broken: Word['broken'] = [];
  await Promise.all(
    Array.from(
      { length: of },
      (_, nth) =>
        new Promise<void>((resolve, reject) => {
          const thread = new Worker(new URL('./model/thread.js', import.meta.url), {
            workerData: { first, seeds, nth, of } satisfies Share,
          });
          thread.on('message', (word: Word) => {
            broken.push(...word.broken);
            sums.add(word);
          });
          thread.once('error', reject);
          thread.once('exit', (code) =>
            code === 0 ? resolve() : reject(new Error(`a thread of the simulation ended with ${code}`)),
          );
        }),
    ),
  );
  for (const { seed, problem } of broken.slice(0, 10)) {
    const small = await shrink(scriptOf(seed, { server: true }), async (smaller) =>
      sameRule(problem, await brokenOnModel(smaller)),
    );
    console.log(`seed ${seed}: ${problem}\n${JSON.stringify(small)}`);
  }
  sums.print(broken.length);
  return broken.length;
}
