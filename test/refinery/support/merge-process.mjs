/**
 * Runs the `merge` activity once in a process of its own: `node merge-process.mjs <file with {home, input,
 * stopAt?}>`. At the step `stopAt` it writes `reached` and goes no further, so that it can be killed exactly there;
 * else it writes the outcome. It runs what was built: compiling all that a merge needs takes longer than the merge.
 */
import { readFile } from 'node:fs/promises';
import { asyncLocalStorage, Context } from '@temporalio/activity';
import { noopMetricMeter } from '@temporalio/common';
import { createRefineryActivities } from '../../../dist/activities/refinery/index.js';

const { home, input, stopAt } = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8'));
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
  new globalThis.AbortController().signal,
  () => undefined,
  undefined,
  log,
  noopMetricMeter,
]);
const outcome = await asyncLocalStorage.run(context, () => merge(input));
process.stdout.write(`${JSON.stringify(outcome)}\n`);
