/**
 * `npm run bench [-- core|scale|board|ground|all]`: the figures, as a table and as JSON (`bench/results.json`), written
 * into `docs/benchmarks.md`. Ratios are taken in one run; absolute times are of this machine and this moment.
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { startDevServer } from '../../server/index.js';
import { quietRuntime } from '../../testing/quiet-runtime.js';
import { boardFigures, boardSizes } from './board.js';
import { chart } from './chart.js';
import { groundFigures } from './ground.js';
import { machine, round, table } from './figures.js';
import type { Figure } from './figures.js';
import { orchestration } from './orchestration.js';
import { processes } from './processes.js';
import { scale } from './scale.js';
import { virtual } from './virtual.js';

const suites = ['core', 'scale', 'board', 'ground', 'all'];
const [suite = 'all', ...flags] = process.argv.slice(2);
if (!suites.includes(suite)) {
  console.error(`bench: there is no suite ${suite}; there are ${suites.join(', ')}\n  next: npm run bench -- core`);
  process.exit(2);
}
/** @returns the number behind a flag; undefined where it is not given. */
const numberOf = (flag: string): number | undefined =>
  flags.includes(flag) ? Number(flags[flags.indexOf(flag) + 1]) : undefined;
/** `--beads N`: the suites scale and board go no further; the largest size takes minutes to start. */
const mostBeads = numberOf('--beads') ?? 5_000;
// Without a worker nobody would shut it down again, and the process would stay; `scale` has its worker in another one.
if (suite === 'core' || suite === 'all') quietRuntime();
const say = (text: string): void => console.error(`bench: ${text}`);

const figures: Figure[] = [];
/** Of the board and of the ground, which have tables of their own. */
const board: Figure[] = [];
const ground: Figure[] = [];
// `--commits N`, `--files N`, `--landed N` set the sizes of the ground; 0 leaves that part out.
if (suite === 'ground' || suite === 'all')
  ground.push(
    ...(await groundFigures({
      say,
      commits: numberOf('--commits'),
      files: numberOf('--files'),
      beads: numberOf('--landed'),
    })),
  );
if (suite !== 'ground') await onServer();

async function onServer(): Promise<void> {
  const server = await startDevServer({ uiPort: false, log: say });
  try {
    if (suite === 'core' || suite === 'all') {
      say('beads against a bare workflow');
      figures.push(...(await orchestration(server)));
      say('real processes: sling to spawn, death to respawn');
      figures.push(...(await processes(server, { say })));
    }
    if (suite === 'board' || suite === 'all')
      board.push(...(await boardFigures(server, { say, sizes: boardSizes.filter((size) => size <= mostBeads) })));
    if (suite === 'scale' || suite === 'all')
      figures.push(...(await scale(server, { say, sizes: [100, 1_000, 5_000].filter((size) => size <= mostBeads) })));
  } finally {
    await server.stop();
  }
}
if (suite === 'core' || suite === 'all') {
  say('virtual time: events per agent-hour, detection, a slow start');
  figures.push(...(await virtual()));
}

const where = machine();
console.log(`${table([...figures, ...board, ...ground])}\n`);
const results = {
  machine: where,
  figures: [...figures, ...board, ...ground],
  ...Object.fromEntries(
    [...figures, ...board, ...ground].map(({ name, value, ratio, report }) => [
      name,
      round(report === 'value' ? value : (ratio ?? value)),
    ]),
  ),
};
console.log(JSON.stringify(results, undefined, 2));
const top = fileURLToPath(new URL('../../../', import.meta.url));
const page = `${top}docs/benchmarks.md`;
/** The figures of the board and of the ground: sections by themselves, so that they can be measured by themselves. */
const heads = { board: '## The board', ground: '## The ground' };
const sectionOf = (name: keyof typeof heads, own: readonly Figure[]): string =>
  [
    heads[name],
    '',
    `Written by \`npm run bench -- ${name}\` on ${where.date} at commit ${where.commit}: ${where.cores} cores, ` +
      `${where.memoryGiB} GiB, Node ${where.node}; load average ${loadavg()[0]?.toFixed(1) ?? '?'} at its end.`,
    '',
    table(own),
    '',
    ...own.map(({ name, how }) => `- **${name}**: ${how}.`),
    '',
  ].join('\n');
if ((suite === 'board' || suite === 'ground') && !flags.includes('--dry')) {
  const section = sectionOf(suite, suite === 'board' ? board : ground);
  const [before = '', after] = readFileSync(page, 'utf8').split(heads[suite]);
  // What comes after it, from the next section on.
  const rest = after === undefined || !after.includes('\n## ') ? '' : after.slice(after.indexOf('\n## '));
  writeFileSync(page, `${before.trimEnd()}\n\n${section.trimEnd()}\n${rest}`);
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
      sectionOf('board', board),
      sectionOf('ground', ground),
    ].join('\n'),
  );
  writeFileSync(`${top}docs/images/benchmarks.svg`, chart(figures));
  say('written: bench/results.json, docs/benchmarks.md');
}
