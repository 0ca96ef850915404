/**
 * `npm run chaos -- --minutes 10`: a town of real processes, killed and frozen at random by seed, held against what is
 * promised. Status 0 when every promise was kept, 1 when not, 2 for options that cannot be meant. Ctrl-C ends it with
 * everything it has started.
 * @module
 */
import { Command, InvalidArgumentError } from 'commander';
import { durationText } from '../../domain/words.js';
import { untilInterrupted } from '../../operator/interrupt.js';
import { readOptions } from '../tool-options.js';
import { quietRuntime } from '../../testing/quiet-runtime.js';
import { playChaos } from './chaos.js';
import { chaosClocks, faultKinds, chaosPlan } from './plan.js';
import type { FaultKind } from './plan.js';
import { chaosReport } from './report.js';

const number =
  (least: number, most: number, whole: boolean) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= least && value <= most) || (whole && !Number.isInteger(value)))
      throw new InvalidArgumentError(`a${whole ? ' whole' : ''} number from ${least} to ${most}, please.`);
    return value;
  };

function kindsOf(text: string): FaultKind[] {
  const names = text.split(',').map((name) => name.trim());
  return names.map((name) => {
    const kind = faultKinds.find((known) => known === name);
    if (kind === undefined) throw new InvalidArgumentError(`there is no fault ${JSON.stringify(name)}.`);
    return kind;
  });
}

async function main(argv: string[]): Promise<number> {
  const command = new Command('npm run chaos --')
    .description('real processes, killed and frozen at random, held against what is promised')
    .option(
      '--minutes <n>',
      'about how long; the end is told when the faults are over, and may take as long again',
      number(0.5, 24 * 60, false),
      10,
    )
    .option(
      '--seed <n>',
      'which schedule of beads and faults',
      number(0, 2 ** 32 - 1, true),
      Math.floor(Math.random() * 1_000_000),
    )
    .option('--beads <n>', 'how many', number(1, 1_000, true), 30)
    .option('--repos <n>', 'repositories; half of them have a rig and are merged', number(1, 50, true), 5)
    .option('--hosts <n>', 'workers', number(1, 20, true), 3)
    .option('--faults <kinds>', `only of these kinds, by commas: ${faultKinds.join(', ')}`, kindsOf)
    .option('--keep', 'keep the folder with the server, the hosts and the repositories');
  const options = readOptions<{
    minutes: number;
    seed: number;
    beads: number;
    repos: number;
    hosts: number;
    faults?: FaultKind[];
    keep?: boolean;
  }>(command, argv);
  if (typeof options === 'number') return options;
  if (process.platform !== 'linux') {
    console.error('chaos: only on Linux: elsewhere processes cannot be known by their marks');
    return 2;
  }
  const { keep = false, faults: kinds, ...size } = options;
  quietRuntime({ shutdownSignals: [] });
  const stop = untilInterrupted();
  const plan = chaosPlan({ ...size, kinds });
  const began = Date.now();
  const say = (line: string): void =>
    console.error(`${String(Math.round((Date.now() - began) / 1_000)).padStart(5)} s  ${line}`);
  console.log(
    `chaos: seed ${size.seed}, ${size.minutes} minutes, ${size.beads} beads, ${size.repos} repositories ` +
      `(${plan.rigs} with a rig), ${size.hosts} hosts with ${plan.maxAgents} places each, ${plan.faults.length} ` +
      'faults',
  );
  console.log(
    `clocks: ${Object.entries(chaosClocks)
      .map(([name, ms]) => `${name} ${durationText(ms)}`)
      .join(', ')}`,
  );
  const report = await playChaos({ plan, stop, say, keep });
  console.log(chaosReport(report));
  return report.aborted || report.problems.length > 0 ? 1 : 0;
}

process.exit(await main(process.argv));
