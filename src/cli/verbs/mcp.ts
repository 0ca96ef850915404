import type { Command } from 'commander';
import { action } from '../context.js';
import { exitCodes, failure } from '../exit.js';

export function mcp(program: Command): void {
  program
    .command('mcp')
    .description('for agents inside an attempt: the verbs of `heartbead agent` as MCP tools over stdio')
    .action(
      action(async ({ io }) => {
        const { serveMcp } = await import('../../mcp/main.js');
        try {
          await serveMcp(io.env);
        } catch (error) {
          throw failure(
            error instanceof Error ? error.message : String(error),
            'this command is started by an agent program that Heartbead runs',
            error,
          );
        }
        return exitCodes.fine;
      }),
    );
}
