/**
 * `npm run bench -- core`: the figures of the core, as a table and as JSON (`bench/results.json`), written into `docs/benchmarks.md`. Ratios are
 * taken in one run; absolute times are of this machine and this moment.
 * @module
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startDevServer } from '../server/index.js';
import { quietRuntime } from '../testing/quiet-runtime.js';
import { machine, round, table } from './figures.js';
import type { Figure } from './figures.js';
import { orchestration } from './orchestration.js';
import { processes } from './processes.js';
import { virtual } from './virtual.js';

const suites = ['core'];
const [suite = 'core', ...flags] = process.argv.slice(2);
if (!suites.includes(suite)) {
  console.error(`bench: there is no suite ${suite}; there is ${suites.join(', ')}\n  next: npm run bench -- core`);
  process.exit(2);
}
quietRuntime();
const say = (text: string): void => console.error(`bench: ${text}`);

const server = await startDevServer({ uiPort: false, log: say });
const figures: Figure[] = [];
try {
  say('beads against a bare workflow');
  figures.push(...(await orchestration(server)));
  say('real processes: sling to spawn, death to respawn');
  figures.push(...(await processes(server)));
} finally {
  await server.stop();
}
say('virtual time: events per agent-hour, a slow start');
figures.push(...(await virtual()));

const where = machine();
console.log(`${table(figures)}\n`);
const results = { machine: where, figures, ...Object.fromEntries(figures.map(({ name, value, ratio }) => [name, round(ratio ?? value)])) };
console.log(JSON.stringify(results, undefined, 2));
if (!flags.includes('--dry')) {
  const top = fileURLToPath(new URL('../../', import.meta.url));
  mkdirSync(`${top}bench`, { recursive: true });
  writeFileSync(`${top}bench/results.json`, `${JSON.stringify(results, undefined, 2)}\n`);
  writeFileSync(
    `${top}docs/benchmarks.md`,
    [
      '# Benchmarks', '', `Written by \`npm run bench -- core\` on ${where.date} at commit ${where.commit}: ${where.cores} cores, ${where.memoryGiB} GiB, Node ${where.node}.`,
      'Ratios were taken in one run, the two sides in turn; absolute times are of that machine and that moment.', '', table(figures), '', ...figures.map(({ name, how }) => `- **${name}**: ${how}.`), '',
    ].join('\n'),
  );
  say('written: bench/results.json, docs/benchmarks.md');
}
