/**
 * Ends what is left of the town of a state directory, and removes it: `TOWN_TO_END=<home> node end-town.mjs`. By the
 * environment, since tests look for what is left by the folder in its arguments.
 * @module
 */
import { rmSync } from 'node:fs';
import { endAttempts } from '../../../dist/cli/demo/kill.js';
import { bringDown } from '../../../dist/cli/town/down.js';

const home = process.env.TOWN_TO_END;
await bringDown(home);
await endAttempts(home);
rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
