import { execFileSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { BeadClient } from '../../../src/client/beads.js';
import { FleetClient } from '../../../src/client/fleet.js';
import { searchAttributes, workflowTypes } from '../../../src/contract/index.js';
import type { BeadView, RigSettings } from '../../../src/contract/index.js';
import { readConvoyFile } from '../../../src/operator/convoy-file.js';
import { serveBoard } from '../../../src/board/serve.js';
import type { ServedBoard, ServeOptions } from '../../../src/board/serve.js';
import { Cli, lineOf } from '../../cli/support/cli.js';
import { Repository } from '../../cli/support/repository.js';

/** Where a town of a test is. */
export interface TestServer {
  address: string;
  namespace: string;
}

/** A run of a bead, by Temporal's own account. */
export interface BeadRun {
  bead: string;
  status: string;
  closedAt?: number;
}

/** A town with a worker of its own on a server of the tests, and the board that looks at it. */
export class BoardTown {
  readonly queue = `board-${randomBytes(4).toString('hex')}`;
  readonly repository = new Repository();
  readonly cli: Cli;
  readonly beads: BeadClient;
  readonly fleet: FleetClient;
  readonly #server: TestServer;
  readonly #connection: Connection;
  readonly #client: Client;
  readonly #boards = new Set<ServedBoard>();
  readonly #environment: Record<string, string>;
  readonly #far: Cli[] = [];
  #maxAgents = 4;
  #worker: ChildProcess | undefined;

  private constructor(server: TestServer, connection: Connection) {
    this.#server = server;
    this.#connection = connection;
    this.#environment = {
      TEMPORAL_ADDRESS: server.address,
      TEMPORAL_NAMESPACE: server.namespace,
      HEARTBEAD_TASK_QUEUE: this.queue,
    };
    this.cli = new Cli(this.#environment);
    this.#client = new Client({ connection, namespace: server.namespace });
    this.beads = new BeadClient({ client: this.#client });
    this.fleet = new FleetClient({ client: this.#client });
  }

  static async start(server: TestServer, { worker = true, maxAgents = 4 } = {}): Promise<BoardTown> {
    const town = new BoardTown(server, await Connection.connect({ address: server.address }));
    town.#maxAgents = maxAgents;
    if (worker) await town.startWorker();
    return town;
  }

  async startWorker(): Promise<void> {
    this.#worker = this.cli.start(['worker', '--max-agents', String(this.#maxAgents)]);
    await lineOf(this.#worker, 'stderr', /the worker polls/);
  }

  /** Its runners and agents live on. */
  async killWorker(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) throw new Error('this town has no worker');
    const gone = new Promise((resolve) => worker.once('exit', resolve));
    worker.kill('SIGKILL');
    await gone;
  }

  /** The board of another machine, which shares nothing with the town but the server. */
  async farBoard(): Promise<ServedBoard> {
    const far = new Cli(this.#environment);
    this.#far.push(far);
    return this.board({ home: far.home, env: far.environment() });
  }

  async board(options: Partial<ServeOptions> = {}): Promise<ServedBoard> {
    const served = await serveBoard({
      home: this.cli.home,
      env: this.cli.environment(),
      port: 0,
      host: '127.0.0.1',
      readOnly: false,
      trustProxy: false,
      version: 'test',
      log: (line) => console.error(line),
      ...options,
    });
    const board: ServedBoard = {
      ...served,
      close: async () => {
        this.#boards.delete(board);
        await served.close();
      },
    };
    this.#boards.add(board);
    return board;
  }

  async rig(rig: string, settings: Partial<RigSettings> = {}): Promise<void> {
    await this.fleet.addRig(
      rig,
      {
        repo: this.repository.path,
        base: 'main',
        agent: { adapter: 'shell', command: 'true' },
        maxAgents: 3,
        checks: [],
        strategy: 'merge',
        approval: false,
        ...settings,
      },
      this.queue,
    );
  }

  /** A bead with a shell command, or with the agent of its rig. @returns its id. */
  async sling(
    bead: string,
    title: string,
    what: { rig: string } | { command: string; base?: string },
  ): Promise<string> {
    const { path: repo } = this.repository;
    const more =
      'rig' in what
        ? { rig: what.rig, agent: { adapter: 'rig' } }
        : { base: what.base, agent: { adapter: 'shell', command: what.command } };
    await this.beads.start({ bead, title, repo, ...more }, this.queue);
    return bead;
  }

  async convoy(text: string): Promise<void> {
    await this.fleet.createConvoy(readConvoyFile(text, 'line'), this.queue);
  }

  /** The state of a bead, once it is as wanted. */
  async until(bead: string, wanted: (view: BeadView) => boolean, within = 90_000): Promise<BeadView> {
    for (const giveUp = Date.now() + within; ; await new Promise((resolve) => setTimeout(resolve, 200))) {
      const view = await this.beads.view(bead).catch((error: unknown) => {
        if (Date.now() > giveUp) throw error;
        return undefined;
      });
      if (view !== undefined && wanted(view)) return view;
      if (Date.now() > giveUp)
        throw new Error(
          `${bead} is still ${view?.status ?? 'unknown'}, agent ${view?.agent ?? '?'}: ${view?.reason ?? ''}`,
        );
    }
  }

  /** All runs of beads, by Temporal's own account. */
  async beadRuns(): Promise<BeadRun[]> {
    const runs: BeadRun[] = [];
    const query = `WorkflowType = '${workflowTypes.bead}' AND TaskQueue = '${this.queue}' AND ExecutionStatus != 'ContinuedAsNew'`;
    for await (const run of this.#client.workflow.list({ query }))
      runs.push({
        bead: run.workflowId.replace(/^bead-/, ''),
        status: String(run.searchAttributes[searchAttributes.beadStatus]?.[0]),
        closedAt: run.closeTime?.getTime(),
      });
    return runs;
  }

  git(...args: string[]): string {
    return execFileSync('git', ['-C', this.repository.path, ...args], { encoding: 'utf8' }).trim();
  }

  get server(): TestServer {
    return this.#server;
  }

  async end(): Promise<void> {
    for (const board of [...this.#boards]) await board.close();
    for (const far of this.#far) await far.end();
    await this.cli.end();
    await this.#connection.close();
    this.repository.remove();
  }
}

/** A commit by an agent: `commit('file', 'words')` writes and commits, and `done` reports it. */
export const commit = (file: string, text: string): string =>
  `printf '%s\\n' '${text}' > '${file}' && git add -A && git -c user.name=A -c user.email=a@localhost commit ` +
  `-qm 'change ${file}'`;
