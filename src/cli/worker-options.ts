import { z } from 'zod';
import { numberOf, workerFlags } from '../worker/settings.js';
import type { ChoiceFlag, NumberFlag, TextFlag } from '../worker/settings.js';
import { option } from './verb.js';

const text = ({ flag, takes, says }: TextFlag) =>
  option(`${flag} <${takes}>`, says, z.string().min(1).max(4_000).optional());

const number = (known: NumberFlag) =>
  option(
    `${known.flag} <${known.takes}>`,
    known.says,
    z
      .string()
      .transform((given, issues) => {
        try {
          return numberOf(known, given);
        } catch (error) {
          issues.addIssue({ code: 'custom', message: (error as Error).message });
          return z.NEVER;
        }
      })
      .optional(),
  );

const choice = <W extends string>({ flag, takes, says, words }: Omit<ChoiceFlag, 'words'> & { words: readonly W[] }) =>
  option(
    `${flag} <${takes}>`,
    says,
    z
      .enum(words, { error: ({ input }) => `${flag} is one of ${words.join(', ')}, not ${JSON.stringify(input)}` })
      .optional(),
  );

/** The flags of a worker as options of the command line. */
export const workerOptions = {
  maxAgents: number(workerFlags.maxAgents),
  home: text(workerFlags.home),
  taskQueue: text(workerFlags.taskQueue),
  diskFloor: number(workerFlags.diskFloor),
  startLimit: number(workerFlags.startLimit),
  healthPort: number(workerFlags.healthPort),
  metricsPort: number(workerFlags.metricsPort),
  metricsHost: text(workerFlags.metricsHost),
  codecPort: number(workerFlags.codecPort),
  versioning: choice(workerFlags.versioning),
};
