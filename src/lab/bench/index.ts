/**
 * `npm run bench [-- core|scale|board|all]`: the figures, as a table and as JSON (`bench/results.json`), written into
 * `docs/benchmarks.md`. Ratios are taken in one run; absolute times are of this machine and this moment.
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { startDevServer } from '../../server/index.js';
import { quietRuntime } from '../../testing/quiet-runtime.js';
import { boardFigures, boardSizes } from './board.js';
import { chart } from './chart.js';
import { machine, round, table } from './figures.js';
import type { Figure } from './figures.js';
import { orchestration } from './orchestration.js';
import { processes } from './processes.js';
import { scale } from './scale.js';
import { virtual } from './virtual.js';

const suites = ['core', 'scale', 'board', 'all'];
const [suite = 'all', ...flags] = process.argv.slice(2);
if (!suites.includes(suite)) {
  console.error(`bench: there is no suite ${suite}; there are ${suites.join(', ')}\n  next: npm run bench -- core`);
  process.exit(2);
}
/** `--beads N`: the suites scale and board go no further; the largest size takes minutes to start. */
const mostBeads = Number(flags[flags.indexOf('--beads') + 1] ?? 5_000) || 5_000;
// Without a worker nobody would shut it down again, and the process would stay; `scale` has its worker in another one.
if (suite !== 'scale' && suite !== 'board') quietRuntime();
const say = (text: string): void => console.error(`bench: ${text}`);

const server = await startDevServer({ uiPort: false, log: say });
const figures: Figure[] = [];
/** Of the board, which have a table of their own. */
const board: Figure[] = [];
try {
  if (suite !== 'scale' && suite !== 'board') {
    say('beads against a bare workflow');
    figures.push(...(await orchestration(server)));
    say('real processes: sling to spawn, death to respawn');
    figures.push(...(await processes(server, { say })));
  }
  if (suite === 'board' || suite === 'all')
    board.push(...(await boardFigures(server, { say, sizes: boardSizes.filter((size) => size <= mostBeads) })));
  if (suite !== 'core' && suite !== 'board')
    figures.push(...(await scale(server, { say, sizes: [100, 1_000, 5_000].filter((size) => size <= mostBeads) })));
} finally {
  await server.stop();
}
if (suite !== 'scale' && suite !== 'board') {
  say('virtual time: events per agent-hour, detection, a slow start');
  figures.push(...(await virtual()));
}

const where = machine();
console.log(`${table([...figures, ...board])}\n`);
const results = {
  machine: where,
  figures: [...figures, ...board],
  ...Object.fromEntries(
    [...figures, ...board].map(({ name, value, ratio, report }) => [
      name,
      round(report === 'value' ? value : (ratio ?? value)),
    ]),
  ),
};
console.log(JSON.stringify(results, undefined, 2));
const top = fileURLToPath(new URL('../../../', import.meta.url));
const page = `${top}docs/benchmarks.md`;
/** The board's figures: a section by itself, so that it can be measured by itself. */
const boardHead = '## The board';
const boardSection = [
  boardHead,
  '',
  `Written by \`npm run bench -- board\` on ${where.date} at commit ${where.commit}: ${where.cores} cores, ` +
    `${where.memoryGiB} GiB, Node ${where.node}; load average ${loadavg()[0]?.toFixed(1) ?? '?'} at its end.`,
  '',
  table(board),
  '',
  ...board.map(({ name, how }) => `- **${name}**: ${how}.`),
  '',
].join('\n');
if (suite === 'board' && !flags.includes('--dry')) {
  const [rest = ''] = readFileSync(page, 'utf8').split(boardHead);
  writeFileSync(page, `${rest.trimEnd()}\n\n${boardSection}`);
  say('written: docs/benchmarks.md');
}
// A part of it would overwrite the rest.
if (suite === 'all' && !flags.includes('--dry')) {
  mkdirSync(`${top}bench`, { recursive: true });
  writeFileSync(`${top}bench/results.json`, `${JSON.stringify(results, undefined, 2)}\n`);
  writeFileSync(
    page,
    [
      '# Benchmarks',
      '',
      `Written by \`npm run bench\` on ${where.date} at commit ${where.commit}: ${where.cores} cores, ` +
        `${where.memoryGiB} GiB, Node ${where.node}.`,
      'Ratios were taken in one run, the two sides in turn; absolute times are of that machine and that moment.',
      '',
      '![Ratios](images/benchmarks.svg)',
      '',
      table(figures),
      '',
      ...figures.map(({ name, how }) => `- **${name}**: ${how}.`),
      '',
      boardSection,
    ].join('\n'),
  );
  writeFileSync(`${top}docs/images/benchmarks.svg`, chart(figures));
  say('written: bench/results.json, docs/benchmarks.md');
}
