/**
 * Makes a fresh clone runnable, without any dependency of its own: checks Node and git, installs packages, builds, and
 * with `--test` fetches the Temporal servers of the tests. Costs a fraction of a second when all is in place.
 * @module
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Vitest 4 and other packages need `require(esm)`, which Node has from here on. */
const minimumNode = [20, 19, 0];
const installStamp = join(root, 'node_modules/.heartbead-install');

const toStderr = (line) => console.error(`setup: ${line}`);

/** A problem that the reader can solve: printed as one sentence, without a stack trace. */
export class SetupProblem extends Error {}

/**
 * @param {{ test?: boolean, log?: (line: string) => void }} [options] `test`: also get the servers, the agent
 * programs and the programs of others that the tests need.
 * @throws {SetupProblem} with the next step.
 */
export async function setup({ test = false, log = toStderr } = {}) {
  checkNode();
  checkGit();
  installPackages(log);
  const { build } = await import('./build.mjs');
  const { ok } = await build({ log });
  if (!ok) throw new SetupProblem('the sources do not compile; the errors are above');
  if (!test) return;
  await fetchServers(log);
  const { fetchAgents, fewAgents } = await import('./agents.mjs');
  await fetchAgents({ names: fewAgents, log });
  const { fetchPrograms } = await import('./programs.mjs');
  await fetchPrograms({ log });
}

function checkNode() {
  const have = process.versions.node.split('.').map(Number);
  const older = minimumNode.findIndex((part, i) => have[i] !== part);
  if (older !== -1 && have[older] < minimumNode[older]) {
    throw new SetupProblem(
      `Heartbead needs Node.js ${minimumNode.join('.')} or newer, this is ${process.versions.node}; install a ` +
        'newer one and run the command again',
    );
  }
}

function checkGit() {
  const { error, status } = spawnSync('git', ['--version'], { stdio: 'ignore' });
  if (error !== undefined || status !== 0)
    throw new SetupProblem(
      'git is missing: install it (for example with the package manager of your system) and run the command again',
    );
}

/**
 * `npm ci` when there are none yet; when the lock file has changed since, `npm install`, which changes only what
 * differs: workers and runners may be running from these very files, and `npm ci` would begin by deleting them. Neither
 * touches the lock file. No package here needs its install script (native parts come as optional packages), so none is
 * run: that also works where scripts are forbidden.
 */
function installPackages(say) {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(installStamp) && readFileSync(installStamp, 'utf8') === wanted) return;
  if (isInstalledByHand()) {
    writeFileSync(installStamp, wanted);
    return;
  }
  const command = existsSync(join(root, 'node_modules/.package-lock.json')) ? ['install', '--no-save'] : ['ci'];
  say(`installing packages (npm ${command[0]})`);
  const started = Date.now();
  const { error, status } = spawnSync('npm', [...command, '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (error !== undefined)
    throw new SetupProblem(`npm cannot be started (${error.message}); it comes with Node.js: check your PATH`);
  if (status !== 0)
    throw new SetupProblem(
      `npm ${command[0]} failed, see above; when the network was the reason, run the command again`,
    );
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  writeFileSync(installStamp, wanted);
  say(`packages installed in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

/**
 * npm keeps a copy of what it installed; when that names every package of our lock file at the same version, `npm ci`
 * would change nothing.
 */
function isInstalledByHand() {
  const installed = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installed)) return false;
  const have = JSON.parse(readFileSync(installed, 'utf8')).packages;
  const want = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(want).every(
    ([path, { version, optional }]) =>
      path === '' || have[path]?.version === version || (optional === true && have[path] === undefined),
  );
}

async function fetchServers(log) {
  const load = (file) => import(pathToFileURL(join(root, 'dist/server', file)).href);
  const { findDevServer } = await load('find-dev-server.js');
  const { findTestServer } = await load('find-test-server.js');
  // One after the other: building the dev server takes every core there is.
  for (const find of [findTestServer, findDevServer]) {
    try {
      await find({ log });
    } catch (error) {
      if (error instanceof Error && error.name === 'ServerNotFound') throw new SetupProblem(error.message);
      throw error;
    }
  }
}

/** Runs the set-up for a command: a problem ends the process with status 1 and one sentence. */
export async function setupOrExit(options) {
  try {
    await setup(options);
  } catch (error) {
    if (!(error instanceof SetupProblem)) throw error;
    console.error(`heartbead: ${error.message}`);
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await setupOrExit({ test: process.argv.includes('--test') });
