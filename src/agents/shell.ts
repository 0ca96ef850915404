import { z } from 'zod';
import type { AgentAdapter, AgentExit } from './types.js';

/** What `sh` says of a command it does not find (`sh: 1: foo: not found`, `bash: line 1: foo: command not found`). */
function missingCommand({ lastLines }: AgentExit): string | undefined {
  for (const line of [...lastLines].reverse()) {
    const match = /(?:^|[:\s])\s*([^\s:]+): (?:command )?not found\s*$/.exec(line);
    if (match?.[1] !== undefined) return match[1];
  }
  return undefined;
}

/**
 * Any command line, given to `sh -c`. The prompt is on its stdin and in the file that `HEARTBEAD_PROMPT_FILE` names.
 * Every line of output is progress.
 */
export const shell: AgentAdapter = {
  name: 'shell',
  description: 'any command line, run by sh -c with the prompt on stdin',
  options: z.strictObject({}),
  check: (spec) =>
    Promise.resolve(
      spec.command === undefined || spec.command.trim() === ''
        ? { kind: 'bad_options', problem: 'the shell agent needs a command line' }
        : undefined,
    ),
  command: ({ spec, prompt, promptFile }) => ({
    file: 'sh',
    args: ['-c', spec.command ?? ''],
    env: { HEARTBEAD_PROMPT_FILE: promptFile },
    stdin: prompt,
  }),
  parser: () => (line) => (line.trim() === '' ? undefined : { kind: 'progress', activity: line }),
  classify: (exit) => {
    if (exit.code !== 127) return undefined;
    const name = missingCommand(exit);
    return {
      outcome: 'not_installed',
      reason:
        name === undefined
          ? 'the command ended with status 127: command not found'
          : `the command ${name} was not found on this host`,
    };
  },
};
