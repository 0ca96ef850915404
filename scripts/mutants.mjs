/**
 * `npm run mutants [-- --only ID ID …]`: breaks one rule after the other in a copy of the sources, and sees whether the
 * tests that guard it fail. Writes `test/races/results.json`. Takes about half an hour.
 * @module
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execFileSync } from 'node:child_process';
import { mutants, results } from './races.mjs';
import { setupOrExit } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = process.argv.indexOf('--only');
const only = at === -1 ? undefined : process.argv.slice(at + 1).flatMap((ids) => ids.split(','));
const rules = mutants();
const unknown = only?.filter((asked) => !rules.some(({ id }) => id === asked)) ?? [];
if (only?.length === 0 || unknown.length > 0) {
  console.error(
    (only?.length === 0 ? '--only needs the id of a broken rule' : `no broken rule is called ${unknown.join(', ')}`) +
      '; test/races/mutants.json has their ids',
  );
  process.exit(2);
}
/** A test that has not ended by then will not: a broken rule often means waiting for ever. */
const limitMs = 240_000;

await setupOrExit({ test: true });
const copy = mkdtempSync(join(tmpdir(), 'heartbead-mutants-'));
const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const child of running) process.kill(-child.pid, 'SIGKILL');
    rmSync(copy, { recursive: true, force: true });
    process.exit(1);
  });
}
for (const path of execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\0')
  .filter((name) => name !== '')) {
  mkdirSync(dirname(join(copy, path)), { recursive: true });
  cpSync(join(root, path), join(copy, path), { force: true });
}
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
execFileSync('git', ['init', '--quiet'], { cwd: copy });

// With --only, what is known of a rule stays until it has been tried again: also when this run is cut short.
const record = new Map(only === undefined ? [] : results().mutants.map((known) => [known.id, known]));
let missed = 0;
try {
  for (const { id, file, find, replace, kills } of rules) {
    if (only !== undefined && !only.includes(id)) continue;
    const path = join(copy, file);
    const source = readFileSync(path, 'utf8');
    if (source.split(find).length !== 2)
      throw new Error(`mutant ${id}: what it changes is not exactly once in ${file}`);
    writeFileSync(
      path,
      source.replace(find, () => replace),
    );
    const tried = [];
    try {
      for (const test of kills) {
        const began = Date.now();
        const noticed = await fails(test);
        tried.push({ file: test.file, name: test.name, noticed });
        console.log(
          `${noticed ? 'noticed' : 'MISSED '}  ${id}: ${test.name} (${test.file}, ` +
            `${((Date.now() - began) / 1_000).toFixed(0)} s)`,
        );
        if (!noticed) missed += 1;
      }
    } finally {
      writeFileSync(path, source);
    }
    record.set(id, { id, file, kills: tried });
    const known = rules.flatMap((rule) => record.get(rule.id) ?? []);
    writeFileSync(
      join(root, 'test/races/results.json'),
      `${JSON.stringify({ date: new Date().toISOString().slice(0, 10), mutants: known }, undefined, 1)}\n`,
    );
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`${rules.filter(({ id }) => record.has(id)).length} broken rules, ${missed} missed`);
process.exitCode = missed === 0 ? 0 : 1;

/** @returns whether the test ran and failed. A run without a report (it does not even compile) is no proof. */
async function fails({ project, file, name }) {
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  const pattern = name.split(/[%$]/)[0].replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const child = spawn(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--project',
      project,
      file,
      '--retry',
      '0',
      '-t',
      pattern,
      '--reporter=json',
      `--outputFile.json=${report}`,
    ],
    {
      cwd: copy,
      stdio: 'ignore',
      detached: true,
    },
  );
  running.add(child);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    process.kill(-child.pid, 'SIGKILL');
  }, limitMs);
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  running.delete(child);
  if (late) return true;
  try {
    return JSON.parse(readFileSync(report, 'utf8')).numFailedTests > 0;
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}
