import { createInterface } from 'node:readline/promises';
import type { Context } from './context.js';
import { usageError } from './exit.js';

/** Asks a person. @throws CliError (usage) where there is none: nothing was done. */
export async function confirmed(context: Context, question: string): Promise<boolean> {
  if (context.json || !context.io.errTty || !process.stdin.isTTY)
    throw usageError('nothing was done: this is no terminal that could be asked', 'add --yes to do it');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `);
    if (/^y(es)?$/i.test(answer.trim())) return true;
    context.note('nothing was done');
    return false;
  } finally {
    terminal.close();
  }
}
