/**
 * A thread that plays seeds on the model: every `of`-th one. It tells how far it is, and of every seed that breaks a
 * rule. @module
 */
import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage } from '../../../edge/errors.js';
import { playOnModel } from '../play.js';
import { scriptOf } from '../script.js';

export interface Share {
  first: number;
  seeds: number;
  nth: number;
  of: number;
}

/** Sums since the last word. */
export interface Word {
  seeds: number;
  steps: number;
  attempts: number;
  strays: number;
  ends: Record<string, number>;
  broken: { seed: number; problem: string }[];
}

// Where an error was made says nothing here, and half of them are answers of the model: it is costly to find out.
Error.stackTraceLimit = 0;

const { first, seeds, nth, of } = workerData as Share;
const wordEvery = 250;

const nothing = (): Word => ({ seeds: 0, steps: 0, attempts: 0, strays: 0, ends: {}, broken: [] });
let word = nothing();
for (let seed = first + nth; seed < first + seeds; seed += of) {
  word.seeds += 1;
  try {
    const { steps, attempts, strays, statuses } = await playOnModel(scriptOf(seed, { server: true }));
    word.steps += steps;
    word.attempts += attempts;
    word.strays += strays;
    for (const status of statuses) word.ends[status] = (word.ends[status] ?? 0) + 1;
  } catch (error) {
    word.broken.push({ seed, problem: errorMessage(error) });
  }
  if (word.seeds === wordEvery) {
    parentPort?.postMessage(word);
    word = nothing();
  }
}
parentPort?.postMessage(word);
