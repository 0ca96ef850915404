/**
 * `npm run bench [-- core|scale|large|actions|board|ground|all]`: the figures, as a table and as JSON
 * (`bench/results.json`), written into `docs/benchmarks.md`; with `--dry` only printed. Ratios are taken in one run;
 * absolute times are of this machine and this moment.
 * @module
 */
import { startDevServer } from '../../server/index.js';
import { quietRuntime } from '../../testing/quiet-runtime.js';
import { World } from '../../testing/index.js';
import { actionFigures } from './actions.js';
import { boardFigures, boardSizes } from './board.js';
import { groundFigures } from './ground.js';
import { largeFigures } from './large.js';
import { machine, round, figureTable } from './figures.js';
import { modelDayFigures } from './model-days.js';
import type { Figure } from './figures.js';
import { orchestration } from './orchestration.js';
import { measured, suites, write } from './page.js';
import type { Suite } from './page.js';
import { processes } from './processes.js';
import { scale } from './scale.js';
import { virtual } from './virtual.js';

const [asked = 'all', ...flags] = process.argv.slice(2);
if (asked !== 'all' && !suites.some((one) => one === asked)) {
  const known = [...suites, 'all'].join(', ');
  console.error(`bench: there is no suite ${asked}; there are ${known}\n  next: npm run bench -- core`);
  process.exit(2);
}
const wanted = (suite: Suite): boolean => asked === 'all' || asked === suite;
/** @returns the number behind a flag; undefined where it is not given. */
const numberOf = (flag: string): number | undefined =>
  flags.includes(flag) ? Number(flags[flags.indexOf(flag) + 1]) : undefined;
/** `--beads N`: the suites scale and board go no further; the largest size takes minutes to start. */
const mostBeads = numberOf('--beads') ?? 5_000;
// Without a worker nobody would shut it down again, and the process would stay; `scale` has its worker in another one.
if (wanted('core') || wanted('large')) quietRuntime();
const say = (text: string): void => console.error(`bench: ${text}`);

const results: Partial<Record<Suite, Figure[]>> = {};
// `--commits N`, `--files N`, `--landed N` set the sizes of the ground (0: not at all), `--rounds N` how often.
if (wanted('ground'))
  results.ground = await groundFigures({
    say,
    commits: numberOf('--commits'),
    files: numberOf('--files'),
    beads: numberOf('--landed'),
    rounds: numberOf('--rounds'),
  });
if (wanted('core') || wanted('board') || wanted('scale') || wanted('large')) await onServer();
if (wanted('actions')) {
  say('virtual time: what would be paid for on Temporal Cloud');
  const world = await World.open();
  try {
    results.actions = await actionFigures(world);
  } finally {
    await world.close();
  }
}
if (wanted('core')) {
  say('virtual time: events per agent-hour, detection, a slow start');
  results.core = [...(results.core ?? []), ...(await virtual())];
}

async function onServer(): Promise<void> {
  const server = await startDevServer({ uiPort: false, log: say });
  try {
    if (wanted('core')) {
      say('beads against a bare workflow');
      const beads = await orchestration(server);
      say('real processes: sling to spawn, death to respawn');
      results.core = [...beads, ...(await processes(server, { say }))];
    }
    if (wanted('board'))
      results.board = await boardFigures(server, { say, sizes: boardSizes.filter((size) => size <= mostBeads) });
    // `--convoy N`, `--rigs N`, `--waiting N`, `--hosts N` set its sizes.
    if (wanted('large'))
      results.large = [
        ...(await largeFigures(server, {
          say,
          beads: numberOf('--convoy'),
          rigs: numberOf('--rigs'),
          waiting: numberOf('--waiting'),
        })),
        ...(await modelDayFigures({ say, hosts: numberOf('--hosts') })),
      ];
    if (wanted('scale'))
      results.scale = await scale(server, { say, sizes: [100, 1_000, 5_000].filter((size) => size <= mostBeads) });
  } finally {
    await server.stop();
  }
}

const all = suites.flatMap((one) => results[one] ?? []);
console.log(`${figureTable(all)}\n`);
console.log(
  JSON.stringify(
    {
      machine: machine(),
      figures: all,
      ...Object.fromEntries(
        all.map(({ name, value, ratio, report }) => [name, round(report === 'value' ? value : (ratio ?? value))]),
      ),
    },
    undefined,
    2,
  ),
);
if (!flags.includes('--dry')) {
  write(Object.fromEntries(Object.entries(results).map(([one, figures]) => [one, measured(figures)])));
  say('written: bench/results.json, docs/benchmarks.md');
}
