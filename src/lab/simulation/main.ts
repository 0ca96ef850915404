/**
 * `npm run simulate`: random faults and messages, by seed, under virtual time, with every rule checked after every
 * step. In two layers: by default the pure domain on a model of Temporal, a million events a minute; with `--workflows`
 * the real workflows on the time-skipping server. A seed that breaks a rule is cut down to the shortest script that
 * still breaks it, and printed; `--script FILE` plays such a one again.
 * @module
 */
import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { readOptions } from '../tool-options.js';
import { brokenOnModel, simulateOnModel } from './on-model.js';
import type { Script } from './script.js';

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1, please');
  return value;
};

interface Options {
  seeds: number;
  first: number;
  script?: string;
  workflows?: boolean;
  servers: number;
}

async function main(argv: string[]): Promise<number> {
  const command = new Command('simulate')
    .description('Random faults and messages by seed; every rule is checked after every step.')
    .option('--seeds <n>', 'how many', whole, 1_000)
    .option('--first <seed>', 'the first one', whole, 1)
    .option(
      '--workflows',
      'over the real workflows on the time-skipping server, instead of the domain on a model of it',
    )
    .option('--servers <n>', 'with --workflows: so many servers at once', whole, 4)
    .option('--script <file>', 'play one script again');
  const options = readOptions<Options>(command, argv);
  if (typeof options === 'number') return options;
  const { seeds, first, script: file, workflows = false, servers } = options;
  // The SDK's worker takes a second to load, and the model does without it.
  const onServer = workflows ? await import('./on-server.js') : undefined;
  // Signals are for this process: the runtime would wait for workers that nobody stops.
  if (workflows) (await import('../../testing/quiet-runtime.js')).quietRuntime({ shutdownSignals: [] });
  if (file !== undefined) {
    const script = JSON.parse(await readFile(file, 'utf8')) as Script;
    const problem = await (onServer?.brokenOnServer ?? brokenOnModel)(script);
    console.log(problem ?? 'every rule held');
    return problem === undefined ? 0 : 1;
  }
  const failed = await (onServer === undefined
    ? simulateOnModel(first, seeds)
    : onServer.simulateOnServer(first, seeds, servers));
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv);
