/**
 * `npm run package`: builds, with a check of the types, and packs `heartbead-<version>.tgz` into the folder that is
 * named (default: this one). Not only `npm pack`, whose own build step npm skips where scripts are forbidden.
 * @module
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { build, root } from './build.mjs';
import { setupOrExit } from './setup.mjs';

await setupOrExit();
const { ok } = await build({ check: true, log: (line) => console.error(`build: ${line}`) });
if (!ok) {
  console.error('heartbead: the sources do not compile; the errors are above');
  process.exit(1);
}
const into = resolve(process.argv[2] ?? '.');
mkdirSync(into, { recursive: true });
const { status } = spawnSync('npm', ['pack', '--ignore-scripts', '--pack-destination', into], {
  cwd: root,
  stdio: ['ignore', 'inherit', 2],
  shell: process.platform === 'win32',
});
process.exitCode = status ?? 1;
