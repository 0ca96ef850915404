/**
 * `npm run coverage`: which lines of `src/domain` and `src/workflows` the tests reach. The pure code is counted by its
 * unit tests, and both once more inside the workflow sandbox, by the tests under virtual time. Ends with 1 when fewer
 * than 95 % of the lines were reached, or a test failed.
 * @module
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import coverage from 'istanbul-lib-coverage';
import { setupOrExit } from './setup.mjs';

const atLeast = 95;
const root = fileURLToPath(new URL('..', import.meta.url));
const into = join(root, 'coverage');

await setupOrExit({ test: true });
rmSync(into, { recursive: true, force: true });
mkdirSync(into, { recursive: true });
const map = coverage.createCoverageMap();
let failed = false;
for (const project of ['unit', 'workflow']) {
  const folder = join(into, project);
  const { status } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--config',
      'test/coverage/vitest.config.ts',
      '--project',
      project,
      '--silent',
    ],
    {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, HEARTBEAD_COVERAGE_INTO: folder },
    },
  );
  failed ||= status !== 0;
  const file = join(folder, 'coverage-final.json');
  if (existsSync(file)) map.merge(JSON.parse(readFileSync(file, 'utf8')));
}

const sums = {};
const rows = [];
for (const path of map.files().sort()) {
  const name = relative(root, path);
  const folder = /^src\/(?:domain|workflows)(?=\/)/.exec(name)?.[0];
  if (folder === undefined) continue;
  const { lines } = map.fileCoverageFor(path).toSummary();
  const sum = (sums[folder] ??= { lines: 0, covered: 0 });
  sum.lines += lines.total;
  sum.covered += lines.covered;
  rows.push({
    file: name,
    lines: lines.total,
    percent: lines.pct,
    missed: map.fileCoverageFor(path).getUncoveredLines().join(' '),
  });
}
for (const { file, lines, percent, missed } of rows)
  console.log(
    `${percent.toFixed(1).padStart(5)} %  ${String(lines).padStart(4)} lines  ` +
      `${file}${missed === '' ? '' : `  not: ${missed}`}`,
  );
let short = false;
for (const [folder, { lines, covered }] of Object.entries(sums)) {
  const percent = (covered / lines) * 100;
  short ||= percent < atLeast;
  console.log(`${folder}: ${percent.toFixed(2)} % of ${lines} lines`);
}
writeFileSync(join(into, 'summary.json'), `${JSON.stringify({ sums, rows }, undefined, 2)}\n`);
if (failed) console.error('coverage: tests have failed');
if (short) console.error(`coverage: fewer than ${atLeast} % of the lines`);
process.exitCode = failed || short ? 1 : 0;
