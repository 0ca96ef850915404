/**
 * `npm run race`: one slow start, run by the old design and by Heartbead's own workflows, side by side, minute by
 * minute.
 * @module
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { createColors } from 'picocolors';
import { errorMessage } from '../../edge/errors.js';
import { milliseconds } from '../../testing/duration.js';
import { readOptions } from '../tool-options.js';
import { quietRuntime } from '../../testing/quiet-runtime.js';
import { runNewDesign } from './new-design.js';
import { OldDesign } from './old-design.js';
import { svg } from './svg.js';
import { raceTable } from './table.js';
import { raceVerdict } from './verdict.js';

const minute = 60_000;
/**
 * The scene of the bug report: six cycles of the old design. After a longer start there must be time to see the agent
 * work.
 */
const shortest = 30 * minute;
const afterStart = 10 * minute;
const longest = 24 * 60 * minute;

function duration(text: string): number {
  try {
    const ms = milliseconds(text);
    if (ms < 1_000 || ms > longest) throw new RangeError('a cold start takes from 1s to 24h');
    return ms;
  } catch (error) {
    throw new InvalidArgumentError(errorMessage(error));
  }
}

/** @returns the exit code. */
async function main(argv: string[]): Promise<number> {
  const command = new Command('race')
    .description('One slow start, run by the old design and by Heartbead, side by side.')
    .option('--cold-start <duration>', 'how long the clone and the worktree take: 75s, 10m, 60m', duration, 75_000)
    .option('--svg <file>', 'also write the picture to this file');
  const options = readOptions<{ coldStart: number; svg?: string }>(command, argv);
  if (typeof options === 'number') return options;
  const { coldStart, svg: file } = options;
  const total = Math.max(shortest, Math.ceil((coldStart + afterStart) / minute) * minute);
  const colors = createColors(process.env['NO_COLOR'] ? false : process.stdout.isTTY && process.env['TERM'] !== 'dumb');

  quietRuntime();
  const old = new OldDesign(coldStart);
  old.advance(total);
  const started = performance.now();
  const shown = process.stderr.isTTY;
  if (shown) process.stderr.write('starting the time-skipping server\r');
  const lane = await runNewDesign(coldStart, total, (share) => {
    if (shown)
      process.stderr.write(`${Math.round((share * total) / minute)} of ${total / minute} virtual minutes      \r`);
  });
  if (shown) process.stderr.write(`${' '.repeat(40)}\r`);
  const took = (performance.now() - started) / 1_000;

  console.log(
    [
      ...raceTable(old.lane, lane, total, colors),
      '',
      raceVerdict(old.lane, total),
      raceVerdict(lane, total),
      `${total / minute} virtual minutes of Heartbead's own workflows took ${took.toFixed(1)} s.`,
    ].join('\n'),
  );
  if (file !== undefined) {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, svg([old.lane, lane], coldStart, total));
    console.log(`The picture is in ${file}.`);
  }
  return 0;
}

process.exitCode = await main(process.argv);
