import { startDevServer } from '../../server/dev-server.js';
import type { DevServer, DevServerOptions } from '../../server/dev-server.js';

/** A dev server on a file: killed, it comes back on the same file and port, and knows all that it knew. */
export class ChaosServer {
  private constructor(
    private server: DevServer,
    private readonly options: DevServerOptions,
  ) {}

  static async start(dbFile: string, log?: (line: string) => void): Promise<ChaosServer> {
    const options: DevServerOptions = {
      dbFile,
      uiPort: false,
      logFile: `${dbFile}.log`,
      log,
    };
    const server = await startDevServer(options);
    return new ChaosServer(server, { ...options, port: Number(server.address.split(':')[1]), program: server.program });
  }

  get address(): string {
    return this.server.address;
  }

  get namespace(): string {
    return this.server.namespace;
  }

  get pid(): number {
    return this.server.pid;
  }

  kill(): Promise<void> {
    return this.server.kill();
  }

  async startAgain(): Promise<void> {
    this.server = await startDevServer(this.options);
  }
}
