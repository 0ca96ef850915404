/**
 * Fetches the agent programs of others, at the versions that `src/agents/programs.ts` pins, for the tests that run them
 * end to end: from npm, without install scripts, into the cache (`agents/<name>-<version>`), never into the checkout.
 * Costs nothing when they are there.
 * @module
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const load = (file) => import(pathToFileURL(join(root, 'dist', file)).href);

/** The two that start fastest and need least: one that reports by MCP, one by the command line. */
export const fewAgents = ['claude', 'pi'];

/**
 * @param {{ names?: string[], log?: (line: string) => void }} [options] all known ones when no name is given.
 * @returns {Promise<{ name: string, problem: string }[]>} what could not be fetched, and why: the tests of those are
 * skipped, and say so.
 */
export async function fetchAgents({ names, log = (line) => console.error(`setup: ${line}`) } = {}) {
  const { agentPrograms, pythonAgents, settingsFileAgents } = await load('agents/programs.js');
  const { cacheDirectory } = await load('server/cache.js');
  const problems = [];
  const failed = (name, version, problem) => {
    problems.push({ name, problem });
    log(`${name} ${version} could not be fetched, its tests are skipped: ${problem}`);
  };
  for (const [name, { version, package: wanted }] of Object.entries(pythonAgents)) {
    // Hundreds of megabytes: only for whoever asks for all, or for this one.
    if (names !== undefined && !names.includes(name)) continue;
    const folder = join(cacheDirectory(), 'agents', `${name}-${version}`);
    if (existsSync(join(folder, 'ready'))) continue;
    const problem = await fetchPython(folder, `${wanted}==${version}`, log);
    if (problem !== undefined) failed(name, version, problem);
  }
  for (const [name, known] of Object.entries({ ...agentPrograms, ...settingsFileAgents })) {
    if (names !== undefined && !names.includes(name)) continue;
    const folder = join(cacheDirectory(), 'agents', `${name}-${known.version}`);
    if (existsSync(folder)) continue;
    const problem = await fetchOne(folder, `${known.package}@${known.version}`, log);
    if (problem !== undefined) failed(name, known.version, problem);
  }
  return problems;
}

/**
 * A virtual environment of its own in the cache. It names its own path, so it is made in place, and marked when whole.
 */
async function fetchPython(folder, wanted, log) {
  log(`fetching ${wanted} from the Python index (for the tests with real agent programs)`);
  rmSync(folder, { recursive: true, force: true });
  const problem =
    (await run('python3', ['-m', 'venv', folder])) ??
    (await run(join(folder, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', wanted]));
  if (problem === undefined) writeFileSync(join(folder, 'ready'), '');
  return problem;
}

async function fetchOne(folder, wanted, log) {
  // A name of its own until it is whole: an interrupted download is never taken for a program.
  const unfinished = `${folder}.${process.pid}`;
  const started = Date.now();
  log(`fetching ${wanted} (for the tests with real agent programs)`);
  mkdirSync(unfinished, { recursive: true });
  try {
    writeFileSync(join(unfinished, 'package.json'), '{"private":true}\n');
    const ticking = setInterval(
      () => log(`still fetching ${wanted} (${Math.round((Date.now() - started) / 1000)} s)`),
      10_000,
    );
    const problem = await npm(
      ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--omit=dev', '--loglevel=error', wanted],
      unfinished,
    ).finally(() => clearInterval(ticking));
    if (problem !== undefined) return problem;
    if (!existsSync(folder)) renameSync(unfinished, folder);
    log(`fetched ${wanted} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
    return undefined;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

const npm = (args, cwd) => run('npm', args, cwd);

function run(program, args, cwd) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd,
      stdio: ['ignore', 'ignore', 'pipe'],
      shell: process.platform === 'win32',
    });
    let errors = '';
    child.stderr.on('data', (chunk) => (errors += chunk));
    child.once('error', (error) => resolve(`${program} cannot be started (${error.message})`));
    child.once('close', (status) =>
      resolve(
        status === 0
          ? undefined
          : `${program} ${args[0]} failed: ${errors.trim().split('\n').slice(-3).join(' | ') || `status ${status}`}`,
      ),
    );
  });
}
