/**
 * `npm run test:agents`: the real agent programs end to end, against a scripted model provider on loopback. With names
 * only those (`npm run test:agents -- codex pi`).
 * @module
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { fetchAgents } from './agents.mjs';
import { setupOrExit } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const names = process.argv.slice(2).filter((arg) => !arg.startsWith('-'));
const flags = process.argv.slice(2).filter((arg) => arg.startsWith('-'));

await setupOrExit({ test: true });
const problems = await fetchAgents(names.length === 0 ? {} : { names });
// The other files have no test for an agent of a settings file, and a file without tests is a failure.
const ofSettingsFiles = { aider: 'aider', qwen: 'settings-file', cline: 'settings-file' };
const files =
  names.length > 0 && names.every((name) => name in ofSettingsFiles)
    ? [...new Set(names.map((name) => `test/agents/${ofSettingsFiles[name]}.test.ts`))]
    : [];
const child = spawn(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--project', 'agents', ...files, ...flags],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, HEARTBEAD_TEST_AGENTS: names.length === 0 ? 'all' : names.join(',') },
  },
);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.once('close', (status) => {
  // Here, unlike in `npm test`, a program that could not be fetched is a failure: the command is for nothing else.
  process.exitCode = problems.length > 0 ? 1 : (status ?? 1);
});
