/**
 * `npm run simulate`: random faults and messages, by seed, over the real workflows under virtual time. A seed that breaks a rule is cut down to the
 * shortest script that still breaks it, and printed; `--script FILE` plays such a one again.
 * @module
 */
import { readFile } from 'node:fs/promises';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { World } from '../testing/index.js';
import { quietRuntime } from '../testing/quiet-runtime.js';
import { play } from './play.js';
import { scriptOf } from './script.js';
import type { Script } from './script.js';
import { shrink } from './shrink.js';

/** Towns leave locks and histories behind; a server is replaced after so many. */
const perWorld = 20;

/** A life of days takes seconds; one that takes longer than this, in real milliseconds, will not end at all. */
const playsWithin = 120_000;

/** @throws what `play` throws, and when it does not come to an end. */
async function playInTime(world: World, script: Script): Promise<Awaited<ReturnType<typeof play>>> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not at its end after ${playsWithin / 1_000} s`)), playsWithin);
  });
  try {
    const played = play(world, script);
    // Its own late end, on a server that is gone by then, says nothing.
    played.catch(() => undefined);
    return await Promise.race([played, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a whole number, please');
  return value;
};

/** @returns what broke, or undefined when every rule held. */
async function problemOf(world: World, script: Script): Promise<string | undefined> {
  try {
    await playInTime(world, script);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function alone(script: Script): Promise<string | undefined> {
  const world = await World.open();
  try {
    return await problemOf(world, script);
  } finally {
    await world.environment.teardown();
  }
}

async function main(argv: string[]): Promise<number> {
  const command = new Command('simulate')
    .option('--seeds <n>', 'how many', whole, 50)
    .option('--first <seed>', 'the first one', whole, 1)
    .option('--script <file>', 'play one script again')
    .exitOverride();
  try {
    command.parse(argv);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
  const { seeds, first, script: file } = command.opts<{ seeds: number; first: number; script?: string }>();
  // Signals are for this process: the runtime would wait for workers that nobody stops.
  quietRuntime({ shutdownSignals: [] });
  if (file !== undefined) {
    const problem = await alone(JSON.parse(await readFile(file, 'utf8')) as Script);
    console.log(problem ?? 'every rule held');
    return problem === undefined ? 0 : 1;
  }
  const started = performance.now();
  const sums = { attempts: 0, strays: 0, ends: new Map<string, number>() };
  let failed = 0;
  for (let seed = first; seed < first + seeds; ) {
    const world = await World.open();
    try {
      for (const end = Math.min(seed + perWorld, first + seeds); seed < end; seed += 1) {
        const script = scriptOf(seed);
        try {
          const { attempts, strays, statuses } = await playInTime(world, script);
          sums.attempts += attempts;
          sums.strays += strays;
          for (const status of statuses) sums.ends.set(status, (sums.ends.get(status) ?? 0) + 1);
        } catch (error) {
          // Once more on a server of its own: what breaks only there was the server's.
          const problem = await alone(script);
          if (problem === undefined) console.log(`seed ${seed}: not again on a fresh server: ${error instanceof Error ? error.message.slice(0, 300) : String(error)}`);
          else {
            failed += 1;
            const small = await shrink(script, async (smaller) => (await alone(smaller)) !== undefined);
            console.log(`seed ${seed}: ${problem}\n${JSON.stringify(small)}`);
          }
          seed += 1;
          break;
        }
        if (process.stderr.isTTY || (seed - first) % perWorld === perWorld - 1) process.stderr.write(`${seed - first + 1} of ${seeds}, ${failed} failed${process.stderr.isTTY ? '\r' : '\n'}`);
      }
    } finally {
      await world.environment.teardown();
    }
  }
  const took = (performance.now() - started) / 1_000;
  console.log(`${seeds} seeds in ${took.toFixed(1)} s (${(seeds / took).toFixed(2)} a second): ${sums.attempts} attempts, ${sums.strays} strays; beads ended ${[...sums.ends].map(([status, n]) => `${status} ${n}`).join(', ')}`);
  console.log(`${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv);
