import { z } from 'zod';
import { stateDirectory } from '../../client/home.js';
import { CliError, exitCodes, failure, usageError } from '../exit.js';
import { argument, verb, verbGroup } from '../verb.js';

const test = verb({
  name: 'test',
  description: 'tell the hooks of this host an event that never happened, and say what came of it',
  arguments: [argument('[hook]', 'this hook only', z.string().optional())],
  run: async (context, [only]) => {
    const { deliver, NotificationSettingsError, readHooks, settingsPath } = await import('../../notify/index.js');
    const { env } = context.io;
    const home = stateDirectory(env);
    const path = settingsPath(home, env);
    const hooks = await readHooks(path).catch((error: unknown) => {
      if (error instanceof NotificationSettingsError)
        throw usageError(error.message, 'mend the file; docs/operators.md shows one');
      throw error;
    });
    if (hooks === undefined) throw usageError(`there is no ${path}`, 'docs/operators.md shows one');
    const chosen = hooks.filter(({ name }) => only === undefined || name === only);
    if (chosen.length === 0)
      throw new CliError({
        code: exitCodes.notFound,
        message: only === undefined ? `${path} names no hook` : `${path} names no hook ${only}`,
        next:
          hooks.length === 0
            ? 'docs/operators.md shows a file with hooks'
            : `its hooks: ${hooks.map(({ name }) => name).join(', ')}`,
      });
    const now = Date.now();
    const results = await Promise.all(
      chosen.map(async (hook) => {
        const [event = 'blocked' as const] = hook.on;
        try {
          await deliver(
            hook,
            {
              id: `test:${now}`,
              event,
              kind: 'bead',
              about: 'a-test',
              title: 'A test',
              text: 'this is a test: no bead is concerned',
              at: now,
              namespace: 'none',
              taskQueue: 'none',
            },
            { home, env },
          );
          return { hook: hook.name, ok: true };
        } catch (error) {
          return { hook: hook.name, ok: false, problem: (error as Error).message };
        }
      }),
    );
    context.print(
      { results },
      results.map(({ hook, ok, problem }) => `${hook}: ${ok ? 'told' : (problem ?? 'failed')}`).join('\n'),
    );
    if (results.every(({ ok }) => ok)) return exitCodes.fine;
    throw failure('not every hook could be told', 'mend the hook, or what it calls');
  },
});

export const notify = verbGroup(
  'notify',
  'hooks that are told when a bead is blocked, closed, landed, or has used up its budget',
  [test],
);
