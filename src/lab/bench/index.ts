/**
 * `npm run bench [-- core|scale|board|actions|ground|all]`: the figures, as a table and as JSON
 * (`bench/results.json`), written into `docs/benchmarks.md`. Ratios are taken in one run; absolute times are of this
 * machine and this moment.
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { startDevServer } from '../../server/index.js';
import { quietRuntime } from '../../testing/quiet-runtime.js';
import { World } from '../../testing/index.js';
import { actionFigures } from './actions.js';
import { boardFigures, boardSizes } from './board.js';
import { chart } from './chart.js';
import { groundFigures } from './ground.js';
import { machine, round, table } from './figures.js';
import type { Figure } from './figures.js';
import { orchestration } from './orchestration.js';
import { processes } from './processes.js';
import { scale } from './scale.js';
import { virtual } from './virtual.js';

const suites = ['core', 'scale', 'board', 'actions', 'ground', 'all'];
/** Those that have a section of their own on the page, so that they can be measured by themselves. */
const heads = { actions: '## Billable actions', board: '## The board', ground: '## The ground' };
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
/** Those of the suites that have tables of their own. */
const own: Record<keyof typeof heads, Figure[]> = { actions: [], board: [], ground: [] };
// `--commits N`, `--files N`, `--landed N` set the sizes of the ground (0: not at all), `--rounds N` how often.
if (suite === 'ground' || suite === 'all')
  own.ground.push(
    ...(await groundFigures({
      say,
      commits: numberOf('--commits'),
      files: numberOf('--files'),
      beads: numberOf('--landed'),
      rounds: numberOf('--rounds'),
    })),
  );
if (suite !== 'ground' && suite !== 'actions') await onServer();

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
      own.board.push(...(await boardFigures(server, { say, sizes: boardSizes.filter((size) => size <= mostBeads) })));
    if (suite === 'scale' || suite === 'all')
      figures.push(...(await scale(server, { say, sizes: [100, 1_000, 5_000].filter((size) => size <= mostBeads) })));
  } finally {
    await server.stop();
  }
}
if (suite === 'actions' || suite === 'all') {
  say('virtual time: what would be paid for on Temporal Cloud');
  const world = await World.open();
  try {
    own.actions.push(...(await actionFigures(world)));
  } finally {
    await world.close();
  }
}
if (suite === 'core' || suite === 'all') {
  say('virtual time: events per agent-hour, detection, a slow start');
  figures.push(...(await virtual()));
}

const where = machine();
const all = [...figures, ...own.actions, ...own.board, ...own.ground];
console.log(`${table(all)}\n`);
const results = {
  machine: where,
  figures: all,
  ...Object.fromEntries(
    all.map(({ name, value, ratio, report }) => [name, round(report === 'value' ? value : (ratio ?? value))]),
  ),
};
console.log(JSON.stringify(results, undefined, 2));
const top = fileURLToPath(new URL('../../../', import.meta.url));
const page = `${top}docs/benchmarks.md`;
const sectionOf = (name: keyof typeof heads): string =>
  [
    heads[name],
    '',
    `Written by \`npm run bench -- ${name}\` on ${where.date} at commit ${where.commit}: ${where.cores} cores, ` +
      `${where.memoryGiB} GiB, Node ${where.node}; load average ${loadavg()[0]?.toFixed(1) ?? '?'} at its end.`,
    '',
    table(own[name]),
    '',
    ...own[name].map(({ name: figure, how }) => `- **${figure}**: ${how}.`),
    '',
  ].join('\n');
/** Puts a section into its place on the page, and leaves the others as they are. */
function replaceSection(name: keyof typeof heads): void {
  const parts = readFileSync(page, 'utf8')
    .split(/^(?=## )/m)
    .map((part) => part.trimEnd());
  const [head = '', ...others] = parts.filter((part) => !part.startsWith(heads[name]));
  const sections = [...others, sectionOf(name).trimEnd()].sort();
  writeFileSync(page, `${[head, ...sections].join('\n\n')}\n`);
  say('written: docs/benchmarks.md');
}
if (!flags.includes('--dry') && suite in heads) replaceSection(suite as keyof typeof heads);
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
      sectionOf('actions'),
      sectionOf('board'),
      sectionOf('ground'),
    ].join('\n'),
  );
  writeFileSync(`${top}docs/images/benchmarks.svg`, chart(figures));
  say('written: bench/results.json, docs/benchmarks.md');
}
