/**
 * The record of the figures, `bench/results.json`, and what is made of it: the page `docs/benchmarks.md` and its
 * picture. A suite that is measured replaces its own part of the record; the others keep theirs, with the machine and
 * the commit that they were taken on.
 * @module
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { chart } from './chart.js';
import { machine, figureTable } from './figures.js';
import type { Figure } from './figures.js';

/** Each with the head of its section on the page, in the order of the page. */
const heads = {
  core: 'Beads',
  scale: 'Many beads',
  large: 'Large towns',
  actions: 'Billable actions',
  board: 'The board',
  ground: 'The ground',
} as const;

export type Suite = keyof typeof heads;
export const suites = Object.keys(heads) as Suite[];

/** One suite as it was measured. `load`: the machine's load average when it was done; older records lack it. */
export interface Measured {
  machine: ReturnType<typeof machine>;
  load?: number;
  figures: Figure[];
}

export type Results = Partial<Record<Suite, Measured>>;

const top = fileURLToPath(new URL('../../../', import.meta.url));
const record = `${top}bench/results.json`;

/** @returns figures with the machine and the moment. */
export const measured = (figures: Figure[]): Measured => ({
  machine: machine(),
  load: Number((loadavg()[0] ?? 0).toFixed(1)),
  figures,
});

/** Puts suites into the record, and writes the page and its picture anew. */
export function write(fresh: Results): void {
  const results = { ...read(), ...fresh };
  mkdirSync(`${top}bench`, { recursive: true });
  writeFileSync(record, `${JSON.stringify(results, undefined, 2)}\n`);
  writeFileSync(`${top}docs/benchmarks.md`, pageOf(results));
  writeFileSync(`${top}docs/images/benchmarks.svg`, chart(results.core?.figures ?? []));
}

const read = (): Results => (existsSync(record) ? (JSON.parse(readFileSync(record, 'utf8')) as Results) : {});

function pageOf(results: Results): string {
  const sections = suites.flatMap((suite) => {
    const found = results[suite];
    return found === undefined ? [] : [sectionOf(suite, found)];
  });
  const intro =
    'Ratios were taken in one run, the two sides in turn; absolute times are of that machine and that moment.';
  return `${['# Benchmarks', intro, '![Ratios](images/benchmarks.svg)', ...sections].join('\n\n')}\n`;
}

function sectionOf(suite: Suite, { machine: where, load, figures }: Measured): string {
  return [
    `## ${heads[suite]}`,
    `Written by \`npm run bench -- ${suite}\` on ${where.date} at commit ${where.commit}: ${where.cores} cores, ` +
      `${where.memoryGiB} GiB, Node ${where.node}${load === undefined ? '' : `; load average ${load} at its end`}.`,
    figureTable(figures),
    figures.map(({ name, how }) => `- **${name}**: ${how}.`).join('\n'),
  ].join('\n\n');
}
