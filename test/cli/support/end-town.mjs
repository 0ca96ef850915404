/**
 * Ends what is left of the town of a state directory, and removes it: `TOWN_TO_END=<home> node end-town.mjs`. By the
 * environment, since tests look for what is left by the folder in its arguments.
 * @module
 */
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { endAttempts } from '../../../dist/cli/demo/kill.js';
import { bringDown } from '../../../dist/cli/local/down.js';

const home = process.env.TOWN_TO_END;
await bringDown(home);
// A board has its record only when it listens: one that was still starting is known by its arguments.
if (existsSync('/proc/self/cmdline'))
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) endIfBoard(Number(pid));
await endAttempts(home);
rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });

function endIfBoard(pid) {
  try {
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    if (args.some((arg) => arg.endsWith('/programs/board.js')) && args[args.indexOf('--home') + 1] === home)
      process.kill(pid, 'SIGTERM');
  } catch (error) {
    // It has ended meanwhile, or is another user's.
    if (!['ENOENT', 'ESRCH', 'EACCES'].includes(error.code)) throw error;
  }
}
