import { Client, Connection } from '@temporalio/client';
import { BeadClient } from '../../../src/client/beads.js';
import { FleetClient } from '../../../src/client/fleet.js';
import { startDevServer } from '../../../src/server/dev-server.js';
import type { DevServer } from '../../../src/server/dev-server.js';
import { Cli, lineOf } from '../../cli/support/cli.js';
import { Repository, goodAgent } from '../../cli/support/repository.js';

/** Works until it has heard "finish", and says what it does; all that it hears it writes down. */
const parserAgent =
  'echo reading the grammar; heartbead agent heartbeat "writes the parser" >/dev/null; until heartbead agent ' +
  'messages --json | tee -a heard.json | grep -q finish; do heartbead agent heartbeat "writes the parser" ' +
  '>/dev/null; sleep 1; done; heartbead agent messages --ack; git add . && git -c user.name=A -c ' +
  'user.email=a@localhost commit -qm heard && heartbead agent done heard';

/** A town with a Web UI, and a bead in each state that its pictures show. */
export class UiTown {
  readonly #server: DevServer;
  readonly #connection: Connection;
  readonly #cli: Cli;
  readonly #repository = new Repository();
  readonly beads: BeadClient;

  private constructor(server: DevServer, connection: Connection) {
    this.#server = server;
    this.#connection = connection;
    this.#cli = new Cli({ TEMPORAL_ADDRESS: server.address, TEMPORAL_NAMESPACE: server.namespace });
    this.beads = new BeadClient({ client: new Client({ connection, namespace: server.namespace }) });
  }

  static async start(): Promise<UiTown> {
    const server = await startDevServer();
    const town = new UiTown(server, await Connection.connect({ address: server.address }));
    try {
      await town.#fill();
    } catch (error) {
      await town.end();
      throw error;
    }
    return town;
  }

  /** Where the Web UI is. */
  get uiAddress(): string {
    return this.#server.uiAddress ?? '';
  }

  /** The state of a bead, once it is as wanted. */
  async until(
    bead: string,
    wanted: (view: Awaited<ReturnType<BeadClient['view']>>) => boolean,
    within = 90_000,
  ): Promise<Awaited<ReturnType<BeadClient['view']>>> {
    for (const giveUp = Date.now() + within; ; await new Promise((resolve) => setTimeout(resolve, 300))) {
      const view = await this.beads.view(bead);
      if (wanted(view)) return view;
      if (Date.now() > giveUp) throw new Error(`${bead} is still ${view.status}, agent ${view.agent}: ${view.reason}`);
    }
  }

  async end(): Promise<void> {
    await this.#cli.end();
    await this.#connection.close();
    await this.#server.stop();
    this.#repository.remove();
  }

  async #sling(id: string, title: string, where: string[]): Promise<void> {
    const { code, stderr } = await this.#cli.run(['sling', title, '--id', id, ...where]);
    if (code !== 0) throw new Error(`sling ${id}: ${stderr}`);
  }

  async #fill(): Promise<void> {
    await lineOf(this.#cli.start(['worker']), 'stderr', /the worker polls/);
    const fleet = new FleetClient({
      client: new Client({ connection: this.#connection, namespace: this.#server.namespace }),
    });
    await fleet.addRig(
      'app',
      {
        repo: this.#repository.path,
        base: 'main',
        agent: { adapter: 'shell', command: goodAgent },
        maxAgents: 2,
        checks: [],
        strategy: 'merge',
        approval: false,
      },
      'heartbead',
    );
    await this.#sling('parser', 'Write the parser of the new grammar', [
      '--repo',
      this.#repository.path,
      '--command',
      parserAgent,
      '--priority',
      '1',
      '--clock',
      'signalEvery=3s',
    ]);
    await this.#sling('docs', 'Describe the grammar', [
      '--repo',
      // Of a path the command line itself would refuse a base that is not there.
      `file://${this.#repository.path}`,
      '--command',
      goodAgent,
      '--base',
      'mian',
    ]);
    await this.#sling('typo', 'Fix the typo in the greeting', ['--rig', 'app']);
    await Promise.all([
      this.until('parser', ({ current }) => current?.firstProgressAt !== undefined),
      this.until('docs', ({ status }) => status === 'blocked'),
      this.until('typo', ({ status }) => status === 'closed'),
    ]);
  }
}
