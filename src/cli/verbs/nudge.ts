import type { Command } from 'commander';
import { z } from 'zod';
import { limits } from '../../contract/index.js';
import { beadArgument, parseArgs } from '../args.js';
import { action } from '../context.js';
import { exitCodes } from '../exit.js';

const text = z
  .string()
  .trim()
  .min(1, 'a nudge needs a text')
  .max(
    limits.textChars,
    `a nudge has at most ${limits.textChars} characters; put long material into the repository and name the file`,
  )
  .refine((given) => !given.includes('\0'), 'a nudge cannot hold a NUL character');

export function nudge(program: Command): void {
  program
    .command('nudge')
    .description("give a bead's agent a message; one that has no agent now gives it to the next")
    .argument('<bead>', 'id of the bead')
    .argument('<text>', 'what to say')
    .option('--json', 'print JSON')
    .action(
      action(async (context, givenBead: string, givenText: string) => {
        const bead = parseArgs(beadArgument, givenBead, 'nudge');
        const answer = await (await context.beads()).nudge(bead, parseArgs(text, givenText, 'nudge'));
        context.print({ bead, text: answer }, answer);
        return exitCodes.fine;
      }),
    );
}
