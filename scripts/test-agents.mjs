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
// A file without a test for any of the programs that are asked for would be a failure.
const ofSettingsFiles = { aider: ['aider'], qwen: ['settings-file'], cline: ['settings-file'] };
const withHooks = ['claude', 'gemini'];
const filesOf = (name) =>
  ofSettingsFiles[name] ?? ['work', 'killed', 'refusals', ...(withHooks.includes(name) ? ['messages'] : [])];
const files = [...new Set(names.flatMap(filesOf))].map((file) => `test/agents/${file}.test.ts`);
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
