/**
 * Runs the `merge` activity once in a process of its own: `node --import tsx merge-process.ts <file with {home, input,
 * stopAt?}>`. At the step `stopAt` it writes `reached` and goes no further, so that it can be killed exactly there;
 * else it writes the outcome.
 */
import { readFile } from 'node:fs/promises';
import { asyncLocalStorage, Context } from '@temporalio/activity';
import { noopMetricMeter } from '@temporalio/common';
import { createRefineryActivities } from '../../../src/activities/refinery/index.js';
import type { MergeInput } from '../../../src/contract/index.js';

const { home, input, stopAt } = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as {
  home: string;
  input: MergeInput;
  stopAt?: string;
};
const { merge } = createRefineryActivities({
  home,
  hostId: 'here',
  observe: async (step) => {
    if (step !== stopAt) return;
    process.stdout.write('reached\n');
    // Holds until the kill comes; ends by itself if the test does not live to send it.
    await new Promise((resolve) => setTimeout(resolve, 120_000));
  },
});

// What `MockActivityEnvironment` makes as well; without the whole SDK behind it a process starts in half the time.
const log = { warn: () => undefined };
const context = Reflect.construct(Context, [
  {},
  new Promise(() => undefined),
  new AbortController().signal,
  () => undefined,
  undefined,
  log,
  noopMetricMeter,
]) as Context;
const outcome = await asyncLocalStorage.run(context, () => merge(input));
process.stdout.write(`${JSON.stringify(outcome)}\n`);
