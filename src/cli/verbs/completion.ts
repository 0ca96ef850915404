import { z } from 'zod';
import { completionScript, idKinds, shells } from '../completion.js';
import type { IdKind } from '../completion.js';
import type { Context } from '../context.js';
import { exitCodes, usageError } from '../exit.js';
import { argument, verb } from '../verb.js';

/** Somebody waits at a prompt: what has not come by then is not completed. */
const within = 2_000;
/** The newest ones; a shell that lists more helps nobody. */
const most = 200;

/** Ids of beads, rigs and convoys; names of agents; hosts are named after their machines. */
const isName = (id: string): boolean => /^[a-z0-9][a-z0-9._-]{0,99}$/.test(id);

export const completion = verb({
  name: 'completion',
  description: 'a completion script for your shell: source <(heartbead completion bash)',
  arguments: [
    argument('<shell>', `${shells.join(', ')}; or, for what such a script asks: ${idKinds.join(', ')}`, z.string()),
  ],
  json: false,
  run: async (context, [given]) => {
    const kind = idKinds.find((known) => known === given);
    if (kind !== undefined) {
      // A shell puts these on a command line: whatever else a server says is no id.
      const ids = (await idsOf(context, kind).catch(() => [])).filter((id) => isName(id));
      if (ids.length > 0) context.io.out(ids.join('\n'));
      return exitCodes.fine;
    }
    const shell = shells.find((known) => known === given);
    if (shell === undefined)
      throw usageError(
        `there is no completion for ${JSON.stringify(given)}; there is one for ${shells.join(', ')}`,
        'see `heartbead completion --help`',
      );
    // Loaded here, since this verb is one of them.
    const [{ createProgram }, { verbs }] = await Promise.all([import('../program.js'), import('./index.js')]);
    context.io.out(completionScript(createProgram(verbs), shell).trimEnd());
    return exitCodes.fine;
  },
});

/** @throws Error when no server answers in time: then there is nothing to complete, and nothing to say at a prompt. */
async function idsOf({ io }: Context, kind: IdKind): Promise<string[]> {
  if (kind === 'agents') {
    const { allAdapters } = await import('../../agents/index.js');
    const { stateDirectory } = await import('../../client/home.js');
    return Object.keys(allAdapters(stateDirectory(io.env)));
  }
  const { connect } = await import('../../client/connect.js');
  const town = await connect({ env: io.env, connectTimeout: within });
  try {
    if (kind === 'beads') {
      const { listBeads } = await import('../../client/list.js');
      return (await listBeads(town, { all: true, limit: most, deadline: within })).beads.map(({ bead }) => bead);
    }
    if (kind === 'hosts') {
      const { hostsOf } = await import('../../operator/town-facts.js');
      return (await hostsOf(town, within)).up;
    }
    const { FleetClient } = await import('../../client/fleet.js');
    return (
      await new FleetClient(town, within).list(kind === 'rigs' ? 'rig' : 'convoy', { all: false, limit: most })
    ).map(({ id }) => id);
  } finally {
    await town.close();
  }
}
