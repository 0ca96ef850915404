import { z } from 'zod';
import type { CellOfHost } from '../../cell/index.js';
import { stateDirectory } from '../../client/home.js';
import { DEFAULT_TASK_QUEUE } from '../../contract/index.js';
import { counted } from '../../domain/words.js';
import { wholeNumber } from '../args.js';
import type { Context } from '../context.js';
import { exitCodes, failure } from '../exit.js';
import { untilInterrupted } from '../../operator/interrupt.js';
import type { TownUp } from '../local/up.js';
import { flag, option, verb } from '../verb.js';
import { workerOptions } from '../worker-options.js';

const portNumber = (flag: '--port' | '--ui-port', says: string) =>
  option(`${flag} <port>`, says, wholeNumber(flag, 1, 65_535).optional());

export const up = verb({
  name: 'up',
  description:
    'start what is not up: a Temporal server (unless one is configured), its search attributes, a worker, and ' +
    'the board; they go on after this command',
  options: {
    worker: option('--no-worker', 'no worker', z.boolean().default(true)),
    board: option('--no-board', 'no board', z.boolean().default(true)),
    maxAgents: workerOptions.maxAgents,
    startLimit: workerOptions.startLimit,
    port: portNumber('--port', 'of the server (default: 7233, or another when that is taken)'),
    uiPort: portNumber('--ui-port', 'of its Web UI (default: 8233, or another when that is taken)'),
    taskQueue: workerOptions.taskQueue,
    versioning: workerOptions.versioning,
    metricsPort: workerOptions.metricsPort,
    metricsHost: workerOptions.metricsHost,
    codecPort: workerOptions.codecPort,
    foreground: flag('--foreground', 'stay until Ctrl-C, then stop what this command has started'),
  },
  run: async (context, _, { worker, board, port, uiPort, taskQueue, foreground, ...ofWorker }) => {
    const { maxAgents } = ofWorker;
    const { bringUp } = await import('../local/up.js');
    const home = stateDirectory(context.io.env);
    const {
      server,
      worker: started,
      board: shown,
      registered,
      town,
    } = await bringUp({
      home,
      env: context.io.env,
      taskQueue: taskQueue ?? context.io.env['HEARTBEAD_TASK_QUEUE'] ?? DEFAULT_TASK_QUEUE,
      log: (line) => context.note(line),
      port,
      uiPort,
      board,
      worker: worker ? ofWorker : undefined,
    });
    await town.close();
    const up = { server, registered, worker: started, board: shown };
    const { addressWithToken } = await import('../../board/serve.js');
    const { describeCell } = await import('../../cell/index.js');
    const cell = describeCell(home, context.io.env);
    const address = shown === undefined ? undefined : addressWithToken(shown.record);
    context.print({ ...result(home, up, address), sandbox: cell.agents }, page(home, up, address, cell));
    if (started?.state === 'running' && maxAgents !== undefined && maxAgents !== started.record.maxAgents)
      context.note(
        `--max-agents ${maxAgents} was ignored: the worker that runs takes at most ` +
          `${started.record.maxAgents}; to change it, \`heartbead down\` first`,
      );
    if (!foreground) return exitCodes.fine;
    return stay(context, home, up);
  },
});

type Up = Omit<TownUp, 'town'>;

const result = (home: string, { server, worker, board, registered }: Up, address: string | undefined) => ({
  home,
  board:
    board === undefined ? null : { state: board.state, url: address, pid: board.record.pid, log: board.record.log },
  server: {
    state: server.state,
    address: server.settings.address,
    namespace: server.settings.namespace,
    uiAddress: server.settings.uiAddress ?? null,
    pid: server.record?.pid,
    source: server.record?.source,
    log: server.record?.log,
  },
  worker:
    worker === undefined
      ? null
      : {
          state: worker.state,
          pid: worker.record.pid,
          taskQueue: worker.record.taskQueue,
          maxAgents: worker.record.maxAgents,
          log: worker.record.log,
        },
  registered,
});

function page(
  home: string,
  { server, worker, board }: Up,
  address: string | undefined,
  { text, next }: CellOfHost,
): string {
  const { settings, record } = server;
  const said = { configured: 'configured', running: 'already up', started: 'started' }[server.state];
  return [
    ...(board === undefined ? [] : [`board   ${board.state === 'running' ? 'already up' : 'started'}: ${address}`]),
    `server  ${said}: ${settings.address}, namespace ` +
      `${settings.namespace}${record === undefined ? '' : `, pid ${record.pid}`}`,
    ...(settings.uiAddress === undefined ? [] : [`web UI  ${settings.uiAddress}`]),
    worker === undefined
      ? 'worker  none (heartbead worker starts one)'
      : `worker  ${worker.state === 'running' ? 'already up' : 'started'}: task queue ` +
        `${worker.record.taskQueue}, at most ${worker.record.maxAgents} agents, pid ${worker.record.pid}`,
    `sandbox ${text}${next === undefined ? '' : `; ${next}`}`,
    `state   ${home}`,
  ].join('\n');
}

async function stay(context: Context, home: string, { server, worker, board }: Up): Promise<0> {
  const { bringDown } = await import('../local/down.js');
  const { isAlive } = await import('../local/processes.js');
  const { setTimeout: sleep } = await import('node:timers/promises');
  const stop = untilInterrupted();
  context.note('Ctrl-C stops it');
  const processes = [
    ...(server.record === undefined ? [] : [{ what: 'server', record: server.record }]),
    ...(worker === undefined ? [] : [{ what: 'worker', record: worker.record }]),
    ...(board === undefined ? [] : [{ what: 'board', record: board.record }]),
  ];
  let died: (typeof processes)[number] | undefined;
  while (!stop.aborted && died === undefined) {
    died = processes.find(({ record }) => !isAlive(record));
    if (died === undefined) {
      await sleep(500, undefined, { signal: stop }).catch((error: unknown) => {
        if (!stop.aborted) throw error;
      });
    }
  }
  const { agentsAlive } = await bringDown(home, {
    worker: worker?.state === 'started',
    server: server.state === 'started',
    board: board?.state === 'started',
  });
  context.note(
    agentsAlive.length === 0
      ? 'stopped'
      : `stopped; ${counted(agentsAlive.length, 'agent')} ${agentsAlive.length === 1 ? 'lives' : 'live'} on and ` +
          `${agentsAlive.length === 1 ? 'continues' : 'continue'} after the next \`heartbead up\``,
  );
  if (died !== undefined)
    throw failure(`the ${died.what} (pid ${died.record.pid}) has ended by itself`, `read its log: ${died.record.log}`);
  return exitCodes.fine;
}
