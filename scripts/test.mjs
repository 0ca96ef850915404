/**
 * `npm test`: set-up, lint, type check and all tests; with arguments only the tests they name (`npm test --
 * test/unit`). The last line is always `N passed, N failed`, alone; a lint or type check that fails counts as one
 * failed.
 * @module
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setupOrExit } from './setup.mjs';
import { countTests } from './count-tests.mjs';
import { racesNotRun } from './races.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const args = process.argv.slice(2);
const running = new Set();
let interrupted;

// The terminal sends Ctrl-C to all; the runner then ends its servers by itself, and this process waits for that. Other
// signals reach only us, or (a closed terminal's) end the runner at once; it understands SIGTERM.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interrupted ??= signal;
    if (signal !== 'SIGINT' || process.stdin.isTTY !== true)
      for (const child of running) child.kill(signal === 'SIGINT' ? 'SIGINT' : 'SIGTERM');
  });
}

// A run of a few tests gets only the servers that those tests need, when they need them (test/support/global).
await setupOrExit({ test: args.length === 0 });

const scratch = mkdtempSync(join(tmpdir(), 'heartbead-test-'));
const report = join(scratch, 'report.json');
const totals = { passed: 0, failed: 0, skipped: 0 };
try {
  if (args.length === 0) {
    const checks = await Promise.all([
      check('lint', ['node_modules/eslint/bin/eslint.js', '.']),
      check('format', ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.']),
      check('type check', ['node_modules/typescript/bin/tsc', '--noEmit', '--pretty']),
      check('type check of the page', [
        'node_modules/typescript/bin/tsc',
        '--noEmit',
        '--pretty',
        '-p',
        'src/board/page',
      ]),
    ]);
    totals.failed += checks.filter((ok) => !ok).length;
  }
  if (interrupted === undefined) {
    const status = await run([
      'node_modules/vitest/vitest.mjs',
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...args,
    ]);
    const written = readReport();
    const tests = countTests(written, status);
    if (args.length === 0 && written !== undefined) {
      for (const problem of racesNotRun(written)) {
        console.log(problem);
        totals.failed += 1;
      }
    }
    totals.passed += tests.passed;
    totals.failed += tests.failed;
    totals.skipped += tests.skipped;
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

if (totals.skipped > 0) console.log(`${totals.skipped} skipped`);
if (interrupted !== undefined) console.log('interrupted: not everything was run');
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exitCode = interrupted !== undefined ? 128 + constants.signals[interrupted] : totals.failed > 0 ? 1 : 0;

async function check(name, command) {
  const started = Date.now();
  const status = await run(command);
  if (interrupted !== undefined) return true;
  console.log(`${name}: ${status === 0 ? 'fine' : 'FAILED'} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  return status === 0;
}

function run(command) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, command, { cwd: root, stdio: 'inherit' });
    running.add(child);
    child.once('error', reject);
    child.once('close', (code) => {
      running.delete(child);
      resolve(code ?? 1);
    });
  });
}

function readReport() {
  try {
    return JSON.parse(readFileSync(report, 'utf8'));
  } catch (error) {
    // The runner ended before it wrote one (a crash, a wrong option): its status is what counts then.
    if (error.code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
