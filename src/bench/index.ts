/**
 * `npm run bench [-- core|scale|all]`: the figures, as a table and as JSON (`bench/results.json`), written into
 * `docs/benchmarks.md`. Ratios are taken in one run; absolute times are of this machine and this moment.
 * @module
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startDevServer } from '../server/index.js';
import { quietRuntime } from '../testing/quiet-runtime.js';
import { chart } from './chart.js';
import { machine, round, table } from './figures.js';
import type { Figure } from './figures.js';
import { orchestration } from './orchestration.js';
import { processes } from './processes.js';
import { scale } from './scale.js';
import { virtual } from './virtual.js';

const suites = ['core', 'scale', 'all'];
const [suite = 'all', ...flags] = process.argv.slice(2);
if (!suites.includes(suite)) {
  console.error(`bench: there is no suite ${suite}; there are ${suites.join(', ')}\n  next: npm run bench -- core`);
  process.exit(2);
}
/** `--beads N`: the scale suite goes no further; the largest size takes minutes to start. */
const mostBeads = Number(flags[flags.indexOf('--beads') + 1] ?? 5_000) || 5_000;
// Without a worker nobody would shut it down again, and the process would stay; `scale` has its worker in another one.
if (suite !== 'scale') quietRuntime();
const say = (text: string): void => console.error(`bench: ${text}`);

const server = await startDevServer({ uiPort: false, log: say });
const figures: Figure[] = [];
try {
  if (suite !== 'scale') {
    say('beads against a bare workflow');
    figures.push(...(await orchestration(server)));
    say('real processes: sling to spawn, death to respawn');
    figures.push(...(await processes(server, { say })));
  }
  if (suite !== 'core')
    figures.push(...(await scale(server, { say, sizes: [100, 1_000, 5_000].filter((size) => size <= mostBeads) })));
} finally {
  await server.stop();
}
if (suite !== 'scale') {
  say('virtual time: events per agent-hour, detection, a slow start');
  figures.push(...(await virtual()));
}

const where = machine();
console.log(`${table(figures)}\n`);
const results = {
  machine: where,
  figures,
  ...Object.fromEntries(
    figures.map(({ name, value, ratio, report }) => [name, round(report === 'value' ? value : (ratio ?? value))]),
  ),
};
console.log(JSON.stringify(results, undefined, 2));
// A part of it would overwrite the rest.
if (suite === 'all' && !flags.includes('--dry')) {
  const top = fileURLToPath(new URL('../../', import.meta.url));
  mkdirSync(`${top}bench`, { recursive: true });
  writeFileSync(`${top}bench/results.json`, `${JSON.stringify(results, undefined, 2)}\n`);
  writeFileSync(
    `${top}docs/benchmarks.md`,
    [
      '# Benchmarks',
      '',
      `Written by \`npm run bench\` on ${where.date} at commit ${where.commit}: ${where.cores} cores, ${where.memoryGiB} GiB, Node ${where.node}.`,
      'Ratios were taken in one run, the two sides in turn; absolute times are of that machine and that moment.',
      '',
      '![Ratios](images/benchmarks.svg)',
      '',
      table(figures),
      '',
      ...figures.map(({ name, how }) => `- **${name}**: ${how}.`),
      '',
    ].join('\n'),
  );
  writeFileSync(`${top}docs/images/benchmarks.svg`, chart(figures));
  say('written: bench/results.json, docs/benchmarks.md');
}
