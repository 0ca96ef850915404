import type { Command } from 'commander';
import { beadIdProblem } from '../../contract/index.js';
import { completionScript, idKinds, shells } from '../completion.js';
import type { IdKind } from '../completion.js';
import { action } from '../context.js';
import type { Context } from '../context.js';
import { exitCodes, usageError } from '../exit.js';

/** Somebody waits at a prompt: what has not come by then is not completed. */
const within = 2_000;
/** The newest ones; a shell that lists more helps nobody. */
const most = 200;

export function completion(program: Command): void {
  program
    .command('completion')
    .description('a completion script for your shell: source <(heartbead completion bash)')
    .argument('<shell>', `${shells.join(', ')}; or, for what such a script asks: ${idKinds.join(', ')}`)
    .action(
      action(async (context, given: string) => {
        const kind = idKinds.find((known) => known === given);
        if (kind !== undefined) {
          // A shell puts these on a command line: whatever else a server says is no id.
          const ids = (await idsOf(context, kind).catch(() => [])).filter((id) => beadIdProblem(id) === undefined);
          if (ids.length > 0) context.io.out(ids.join('\n'));
          return exitCodes.fine;
        }
        const shell = shells.find((known) => known === given);
        if (shell === undefined)
          throw usageError(
            `there is no completion for ${JSON.stringify(given)}; there is one for ${shells.join(', ')}`,
            'see `heartbead completion --help`',
          );
        context.io.out(completionScript(program, shell).trimEnd());
        return exitCodes.fine;
      }),
    );
}

/** @throws Error when no server answers in time: then there is nothing to complete, and nothing to say at a prompt. */
async function idsOf({ io }: Context, kind: IdKind): Promise<string[]> {
  const { connect } = await import('../../client/connect.js');
  const town = await connect({ env: io.env, connectTimeout: within });
  try {
    if (kind === 'beads') {
      const { listBeads } = await import('../../client/list.js');
      return (await listBeads(town, { all: true, limit: most, deadline: within })).beads.map(({ bead }) => bead);
    }
    const { FleetClient } = await import('../../client/fleet.js');
    return (
      await new FleetClient(town, within).list(kind === 'rigs' ? 'rig' : 'convoy', { all: false, limit: most })
    ).map(({ id }) => id);
  } finally {
    await town.close();
  }
}
