import { stateDirectory } from '../../client/home.js';
import { exitCodes } from '../exit.js';
import { verb } from '../verb.js';

export const down = verb({
  name: 'down',
  description:
    'stop the board, the worker and the server that `heartbead up` started here; agents live on and continue after ' +
    'the next `up`',
  run: async (context) => {
    const home = stateDirectory(context.io.env);
    const { bringDown } = await import('../local/down.js');
    const done = await bringDown(home, {}, ({ pid }) =>
      context.note(`waiting for \`heartbead up\` or a backup (pid ${pid})`),
    );
    const agents = done.agentsAlive.length;
    context.print(
      { home, ...done },
      [
        `board   ${done.board}`,
        `worker  ${done.worker}`,
        `server  ${done.server}`,
        ...(agents === 0
          ? []
          : [
              `agents  ${agents} ${agents === 1 ? 'lives' : 'live'} on: they save their work and freeze ` +
                'when their lease runs out (10 min by default), and continue after the next `heartbead up`',
            ]),
      ].join('\n'),
    );
    return exitCodes.fine;
  },
});
