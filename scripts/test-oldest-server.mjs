/**
 * `npm run test:server-1.29`: what talks to a real server, on the oldest one that Heartbead supports. Go builds it
 * once. Arguments go to Vitest (`npm run test:server-1.29 -- test/process`).
 * @module
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setupOrExit } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

await setupOrExit();
const { buildOldestDevServer } = await import(pathToFileURL(join(root, 'dist/server/find-dev-server.js')).href);
const program = await buildOldestDevServer({ log: (line) => console.error(`setup: ${line}`) }).catch((error) => {
  if (!(error instanceof Error) || error.name !== 'ServerNotFound') throw error;
  console.error(`heartbead: ${error.message}`);
  process.exit(1);
});
const args = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'server', '--project', 'agents'];
const child = spawn(process.execPath, [...args, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, TEMPORAL_CLI_PATH: program.path },
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.once('close', (status) => (process.exitCode = status ?? 1));
