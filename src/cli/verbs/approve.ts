import { z } from 'zod';
import { limits } from '../../contract/index.js';
import { exitCodes } from '../exit.js';
import { oneBead } from '../shared-options.js';
import { argument, option, verb } from '../verb.js';

const feedback = z
  .string()
  .trim()
  .min(1, 'a request for changes needs a text')
  .max(limits.textChars, `it has at most ${limits.textChars} characters`)
  .refine((given) => !given.includes('\0'), 'a request for changes cannot hold a NUL character');

export const approve = verb({
  name: 'approve',
  description: 'let the verified work of a bead be merged',
  arguments: [oneBead],
  options: { by: option('--by <name>', 'who approves', z.string().optional()) },
  run: async (context, [id], { by }) => {
    const text = await (await context.beads()).approve(id, by);
    context.print({ bead: id, text }, text);
    return exitCodes.fine;
  },
});

export const requestChanges = verb({
  name: 'request-changes',
  description: 'send the work of a bead back with advice, instead of approving it',
  arguments: [oneBead, argument('<text>', 'what is to be changed', feedback)],
  options: { by: option('--by <name>', 'who asks for them', z.string().optional()) },
  run: async (context, [id, advice], { by }) => {
    const text = await (await context.beads()).requestChanges(id, advice, by);
    context.print({ bead: id, text }, text);
    return exitCodes.fine;
  },
});
