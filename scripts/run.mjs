/**
 * `node scripts/run.mjs [--test] <module below dist> [arguments]`: set-up, then that module in this very process. npm's
 * own pre-scripts would not do: npm skips them where scripts are forbidden, and a shell between npm and the program
 * would swallow SIGTERM.
 * @module
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setupOrExit } from './setup.mjs';

const args = process.argv.slice(2);
const test = args[0] === '--test';
if (test) args.shift();
const name = args.shift();
if (name === undefined) {
  console.error('usage: node scripts/run.mjs [--test] <module below dist> [arguments]');
  process.exit(2);
}
await setupOrExit({ test });
const module = join(fileURLToPath(new URL('..', import.meta.url)), 'dist', name);
if (!existsSync(module)) {
  console.error(`heartbead: there is no ${name} among the compiled files`);
  process.exit(2);
}
// The module finds the arguments where it would if it had been started itself.
process.argv.splice(1, process.argv.length, module, ...args);
await import(pathToFileURL(module).href);
