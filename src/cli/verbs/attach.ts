import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { agentEnvironmentFrom } from '../../agents/environment.js';
import { AttemptDir } from '../../runner/attempt/attempt-dir.js';
import { beadAccount, placeOf } from '../attempt-place.js';
import { CliError, exitCodes, failure } from '../exit.js';
import { attempt as attemptOption, oneBead } from '../shared-options.js';
import { verb } from '../verb.js';

/**
 * A person's shell where the agent works. It sees what an agent sees of its host's environment, so that no key of
 * Temporal or of a program is carried into what he runs there; and not the agent's socket: he is not the agent.
 */
export const attach = verb({
  name: 'attach',
  description: "open a shell in the worktree of a bead's attempt, on the host where it is",
  arguments: [oneBead],
  options: { attempt: attemptOption('of this attempt (default: the newest)') },
  json: false,
  run: async (context, [bead], { attempt }) => {
    const place = await placeOf(context, bead, attempt, await beadAccount(context, bead), 'working tree');
    if (!(place instanceof AttemptDir))
      throw new CliError({
        code: exitCodes.refused,
        message: `attempt ${place.id} of bead ${bead} is on host ${place.host}, not on this one`,
        next:
          `run \`heartbead attach ${bead}\` there; from here, \`heartbead files ${bead}\` and \`heartbead logs ` +
          `${bead}\` read it`,
      });
    const { worktree } = place;
    if (!existsSync(worktree))
      throw failure(
        `attempt ${place.attempt} of bead ${bead} has no worktree here (yet, or any more)`,
        `see how it stands with \`heartbead show ${bead}\``,
      );
    const { env } = context.io;
    const shell = env['SHELL'] ?? '/bin/sh';
    if ((await place.readResult()) === undefined)
      context.note(
        `the agent of attempt ${place.attempt} may be working here at the same time: \`heartbead pause ` +
          `${bead}\` holds it`,
      );
    const child = spawn(shell, [], {
      cwd: worktree,
      env: agentEnvironmentFrom(env, ['COLORTERM', 'TERM_PROGRAM', 'EDITOR', 'VISUAL', 'PAGER'], { PWD: worktree }),
      stdio: 'inherit',
    });
    // Ctrl-C is meant for what runs in the shell.
    const ignore = (): void => undefined;
    process.on('SIGINT', ignore);
    try {
      await Promise.race([
        once(child, 'close'),
        once(child, 'error').then(([error]) => Promise.reject(error as Error)),
      ]);
      // However the person's last command went: that is nothing that attach has failed at.
      return exitCodes.fine;
    } catch (error) {
      throw failure(
        `the shell ${shell} cannot be started: ${(error as Error).message}`,
        'name another in SHELL',
        error,
      );
    } finally {
      process.off('SIGINT', ignore);
    }
  },
});
