import { stateDirectory } from '../../client/home.js';
import { exitCodes } from '../exit.js';
import { wantsColors } from '../io.js';
import { atMost } from '../shared-options.js';
import { verb } from '../verb.js';

/** The terminal's other page: what was on the screen before is there again afterwards. */
const enter = '\u001b[?1049h\u001b[H';
const leave = '\u001b[?1049l';

export const top = verb({
  name: 'top',
  description:
    'beads, problems, hosts and queues, live on the whole screen, with keys; a plain page when it is no terminal',
  options: { limit: atMost(500, 100, 'at most so many beads, newest first') },
  json: 'print JSON, once',
  run: async (context, _, { limit }) => {
    const town = await context.town();
    const beads = await context.beads();
    const { lookAtTown } = await import('../../operator/town-facts.js');
    const { problemsOf } = await import('../../domain/telling/problems.js');
    const look = async () => {
      const { facts, summaries } = await lookAtTown(town, { deadline: context.deadline, limit, attentive: limit });
      return { facts, summaries, problems: problemsOf(facts) };
    };
    const where = `${town.namespace} at ${town.address}`;
    const { io } = context;
    if (context.json || !io.tty || !process.stdin.isTTY) {
      const { plainScreen } = await import('../top/screen.js');
      const data = await look();
      context.print(
        {
          beads: data.summaries,
          hosts: data.facts.hosts,
          problems: data.problems,
          notLookedAt: data.facts.left,
        },
        plainScreen(data, where, io.width),
      );
      return exitCodes.fine;
    }
    // Loaded here: a library for screens costs every other verb its time otherwise.
    const [{ render }, { default: React }, { Top }, { act }, { NoServerError }] = await Promise.all([
      import('ink'),
      import('react'),
      import('../top/app.js'),
      import('../top/commands.js'),
      import('../../client/errors.js'),
    ]);
    process.stdout.write(enter);
    try {
      const props = {
        where,
        colors: wantsColors(io.env, io.tty),
        look: () =>
          look().catch((error: unknown) => {
            // A server that is restarted comes back; who watches wants to see that.
            if (error instanceof NoServerError) return undefined;
            throw error;
          }),
        act: (command: Parameters<typeof act>[0], data: Parameters<typeof act>[1]) =>
          act(command, data, beads, stateDirectory(io.env)),
      };
      await render(React.createElement(Top, props), { exitOnCtrlC: false, patchConsole: false }).waitUntilExit();
    } finally {
      process.stdout.write(leave);
    }
    return exitCodes.fine;
  },
});
