import { cpus, totalmem } from 'node:os';
import { execaSync } from 'execa';

/** One figure: what was measured, against what, and their ratio, all taken in one run. */
export interface Figure {
  name: string;
  /** Of Heartbead. */
  value: number;
  unit: string;
  /** What it is compared with in the same run. */
  against?: { what: string; value: number };
  /** value / against, or the other way round where the name says so. */
  ratio?: number;
  /** How it was measured, in one sentence. */
  how: string;
  /** What `results.json` has under its name: the ratio where there is one, unless the value is asked for. */
  report?: 'value';
}

/** @returns the middle of the values (the lower one of two). @throws RangeError when there are none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) throw new RangeError('the median of nothing');
  return middle;
}

/** @returns the value below which so many percent lie. @throws RangeError when there are none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const found = sorted[Math.min(Math.floor((sorted.length * percent) / 100), sorted.length - 1)];
  if (found === undefined) throw new RangeError('a percentile of nothing');
  return found;
}

export const round = (value: number, digits = 3): number => Number(value.toPrecision(digits));

/** Figures mean nothing without the machine they were taken on. */
export function machine(): { cores: number; memoryGiB: number; node: string; date: string; commit: string } {
  const { stdout } = execaSync('git', ['rev-parse', '--short=12', 'HEAD'], {
    cwd: new URL('.', import.meta.url),
    reject: false,
  });
  return {
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    commit: stdout ?? 'unknown',
  };
}

/** The figures as a table for a terminal or for Markdown. */
export function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, value, unit, against, ratio }) => [
    name,
    `${round(value)} ${unit}`,
    against ? `${round(against.value)} ${unit} (${against.what})` : '',
    ratio === undefined ? '' : String(round(ratio)),
  ]);
  return [
    '| figure | Heartbead | against | ratio |',
    '|---|---|---|---|',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');
}
