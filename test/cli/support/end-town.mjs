/**
 * Ends what is left of the town of a state directory, and removes it: `node end-town.mjs <home>`.
 * @module
 */
import { rmSync } from 'node:fs';
import { endAttempts } from '../../../dist/cli/demo/kill.js';
import { bringDown } from '../../../dist/cli/town/down.js';

const home = process.argv[2];
await bringDown(home);
await endAttempts(home);
rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
