import type { Clocks } from './types.js';

/**
 * Clocks whose names said something else than they do, and what they are called now. The former names are still read
 * wherever they may come from: inputs and carried states of workflows, settings of rigs, inputs of activities, files of
 * attempts, the command line.
 */
export const formerClockNames = {
  lostAfter: 'stopSilentAfter',
  orphanGrace: 'leaseFor',
  suspectGrace: 'giveUpAfter',
} as const satisfies Record<string, keyof Clocks>;

type Former = { [Name in keyof typeof formerClockNames]: number };
const former = Object.entries(formerClockNames);

/**
 * @param given by former names, new ones or both; where both are given the new one counts. Unchecked otherwise: unknown
 * names stay, for `clocksProblem` to find.
 * @returns the clocks by their names of today.
 */
export function readClocks<C extends Partial<Clocks>>(given: C): C {
  const clocks: Record<string, unknown> = { ...given };
  for (const [old, name] of former) {
    if (!(old in clocks)) continue;
    clocks[name] ??= clocks[old];
    delete clocks[old];
  }
  return clocks as C;
}

/**
 * @returns the clocks by former names: what a build of before 0.2 accepts, which refuses names that it does not know.
 */
export function formerClocks<C extends Partial<Clocks>>(clocks: C): Partial<Clocks> & Partial<Former> {
  const renamed: Record<string, unknown> = { ...clocks };
  for (const [old, name] of former) {
    if (clocks[name] === undefined) continue;
    renamed[old] = clocks[name];
    delete renamed[name];
  }
  return renamed;
}

/** @returns the clocks by both names, for a reader of any build that does not mind names which it does not know. */
export const clocksForAnyBuild = <C extends Partial<Clocks>>(clocks: C): C & Partial<Former> => ({
  ...formerClocks(clocks),
  ...clocks,
});
