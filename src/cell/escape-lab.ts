import { execa } from 'execa';
import { spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
  existsSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { agentEnvironment } from '../contract/index.js';
import { createWorktree, resolveBase, updateMirror } from '../git/index.js';
import { packageRoot } from '../package/compiled.js';
import { shimPath, writeShim } from '../package/agent-shim.js';
import { comforts, escapes } from './escapes.js';
import type { Escape, EscapeLab } from './escapes.js';
import { packageRooms } from './git-rooms.js';
import { launch, roomsOfFolder } from './launch.js';
import type { CellNetwork, Launcher } from './types.js';

/** What came of each row, by id: whether an escape got out, whether what must work works. */
export interface EscapeFindings {
  out: Record<string, boolean>;
  works: Record<string, boolean>;
}

const attempt = '1-aaaa1111';
const bead = 'inmate';
/** A row that hangs is one that has not got out. */
const rowSeconds = 20;
const allWithinMs = 300_000;
const dyingWithinMs = 5_000;
const secrets = [
  '.ssh/id_ed25519',
  '.aws/credentials',
  '.config/gcloud/credentials.db',
  '.kube/config',
  '.docker/config.json',
  '.netrc',
  '.git-credentials',
  '.npmrc',
  '.gnupg/secring.gpg',
  '.mozilla/firefox/x.default/logins.json',
  '.bash_history',
];
/** Connects to a socket: a path, or `@name` for an abstract one. */
const reachFunction =
  'reach() { node -e \'require("net").connect(process.argv[1].replace(/^@/, "\\0")).on("connect", () => ' +
  'process.exit(0)).on("error", () => process.exit(1))\' "$1"; }';

/**
 * A place on this host that looks like a state directory with two attempts, with a home full of secrets, processes and
 * sockets, in which a hostile agent tries every way out.
 */
export class EscapeGround {
  readonly #undo: (() => unknown)[] = [];

  private constructor(
    readonly lab: EscapeLab,
    readonly home: string,
  ) {}

  static async make(): Promise<EscapeGround> {
    const root = realpathSync(mkdtempSync(join(tmpdir(), 'heartbead-escapes-')));
    const state = join(root, 'state');
    const folder = (name: string): string => join(state, 'attempts', name);
    const lab: EscapeLab = {
      STATE: state,
      OWN: folder(`${attempt}__${bead}`),
      NEIGHBOUR: folder('1-bbbb2222__neighbour'),
      MIRROR: '',
      NEIGHBOUR_GIT: '',
      OWN_KEEPER: '',
      HOST_TMP: join(root, 'tmp'),
      VICTIM: '0',
      RUNNER: '0',
      PORT: '0',
      ABSTRACT: `heartbead-${root.split('-').at(-1)}`,
      SSH_SOCKET: join(root, 'home', '.ssh', 'agent.sock'),
      PACKAGE: packageRoot.replace(/\/$/, ''),
    };
    const ground = new EscapeGround(lab, join(root, 'home'));
    ground.#undo.push(() => rmSync(root, { recursive: true, force: true }));
    try {
      await ground.#furnish();
    } catch (error) {
      await ground.end();
      throw error;
    }
    return ground;
  }

  /** Tries everything behind a launcher. */
  async try(kind: Launcher, network: CellNetwork): Promise<EscapeFindings> {
    const { lab } = this;
    const rows = [...escapes, ...comforts];
    const worktree = join(lab.OWN, 'worktree');
    const scripts = join(lab.OWN, 'rows');
    mkdirSync(scripts, { recursive: true });
    for (const { id, script } of rows) writeFileSync(join(scripts, id), `${reachFunction}\n${script}\n`);
    const driver =
      `for row in ${rows.map(({ id }) => id).join(' ')}; do timeout ${rowSeconds} bash "$OWN/rows/$row" < ` +
      '/dev/null > /dev/null 2>&1; echo "$row $?"; done';
    const env: Record<string, string> = {
      ...lab,
      HOME: this.home,
      PATH:
        `${dirname(shimPath(join(lab.OWN, 'bin')))}:${dirname(process.execPath)}` +
        ':/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
      SSH_AUTH_SOCK: lab.SSH_SOCKET,
      [agentEnvironment.bead]: bead,
      [agentEnvironment.attempt]: attempt,
      [agentEnvironment.socket]: join(lab.OWN, 'agent.sock'),
    };
    const rooms = roomsOfFolder(lab.OWN, readdirSync(lab.OWN));
    const walled = launch(
      { launcher: kind, network, read: [], write: [] },
      {
        command: { file: 'bash', args: ['-c', driver] },
        env,
        worktree,
        borrowed: [join(lab.MIRROR, 'objects')],
        home: lab.STATE,
        read: [...packageRooms(packageRoot), ...rooms.read],
        write: [join(lab.OWN, 'agent.sock'), ...rooms.write],
        rooms: join(lab.OWN, 'cell'),
      },
    );
    if (walled.refused !== undefined) throw new Error(walled.refused);
    const { stdout, stderr, exitCode } = await execa(walled.file, walled.args, {
      cwd: worktree,
      env: walled.env,
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
      timeout: allWithinMs,
    });
    const status = new Map(stdout.split('\n').map((line) => line.split(' ') as [string, string]));
    if (status.size < rows.length)
      throw new Error(
        `only ${status.size} of ${rows.length} ways were tried (status ${exitCode}): ${stderr.slice(-500)}`,
      );
    const out: Record<string, boolean> = {};
    for (const row of escapes) out[row.id] = status.get(row.id) === '0' && (await this.#seenOutside(row));
    return {
      out,
      works: Object.fromEntries(comforts.map(({ id }) => [id, status.get(id) === '0'])),
    };
  }

  async end(): Promise<void> {
    for (const undo of this.#undo.splice(0).reverse()) await undo();
  }

  /** What was written counts when it is there for others; what was left running, when it runs. Both are removed. */
  async #seenOutside({ outside, outlives }: Escape): Promise<boolean> {
    if (outlives !== undefined) {
      // The kernel ends a process table after its first process: on a busy machine one can still see it do so.
      const until = performance.now() + dyingWithinMs;
      let left = processesNamed(this.#filled(outlives));
      while (left.length > 0 && performance.now() < until) {
        await sleep(50);
        left = processesNamed(this.#filled(outlives));
      }
      for (const pid of left) process.kill(pid, 'SIGKILL');
      return left.length > 0;
    }
    if (outside === undefined) return true;
    const file = this.#filled(outside);
    const there = existsSync(file);
    rmSync(file, { force: true });
    return there;
  }

  #filled(text: string): string {
    const values: Record<string, string> = { ...this.lab, HOME: this.home };
    return text.replace(/\$(\w+)/g, (_, name: string) => values[name] ?? '');
  }

  async #furnish(): Promise<void> {
    const { lab } = this;
    const put = (path: string, text = 'secret\n'): void => {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text, { mode: 0o600 });
    };
    for (const name of secrets) put(join(this.home, name));
    for (const name of ['temporal.db', 'host-id', 'server.json', 'notifications.json']) put(join(lab.STATE, name));
    put(join(lab.HOST_TMP, 'secret'));
    await this.#makeRepositories();
    for (const folder of [lab.OWN, lab.NEIGHBOUR]) {
      for (const name of ['connection.json', 'token', 'input.json', 'runner.log', 'agent.log', 'prompt.md'])
        put(join(folder, name));
    }
    put(join(lab.NEIGHBOUR, 'worktree', 'secret.txt'));
    await writeShim(join(lab.OWN, 'bin'));
    lab.VICTIM = String(this.#bystander());
    lab.RUNNER = String(this.#bystander());
    lab.PORT = String(await this.#listen(createTcpServer(), 0));
    await this.#listen(createTcpServer(), `\0${lab.ABSTRACT}`);
    for (const path of [join(lab.OWN, 'control.sock'), join(lab.NEIGHBOUR, 'control.sock'), lab.SSH_SOCKET])
      await this.#listen(createTcpServer(), path);
    await this.#listen(createTcpServer(), join(lab.NEIGHBOUR, 'agent.sock'));
    const runner = createServer((request, response) => {
      request.resume();
      request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
    });
    await this.#listen(runner, join(lab.OWN, 'agent.sock'));
  }

  /** As attempts have them: each a repository of its own, which borrows the objects of one mirror. */
  async #makeRepositories(): Promise<void> {
    const { lab } = this;
    const origin = join(dirname(lab.STATE), 'origin.git');
    const git = (...args: string[]): Promise<unknown> =>
      execa('git', ['-c', 'user.name=lab', '-c', 'user.email=lab@localhost', ...args], {
        env: { HOME: this.home, GIT_CONFIG_NOSYSTEM: '1' },
      });
    const seed = join(dirname(lab.STATE), 'seed');
    await git('init', '-q', '-b', 'main', seed);
    writeFileSync(join(seed, 'file.txt'), 'text\n');
    await git('-C', seed, 'add', '-A');
    await git('-C', seed, 'commit', '-qm', 'first');
    await git('clone', '-q', '--bare', seed, origin);
    const { path: mirror } = await updateMirror({ root: join(lab.STATE, 'mirrors'), repo: origin });
    const { sha: at } = await resolveBase(mirror);
    lab.MIRROR = mirror;
    for (const [folder, branch] of [
      [lab.OWN, 'inmate'],
      [lab.NEIGHBOUR, 'neighbour'],
    ] as const)
      await createWorktree({ mirror, path: join(folder, 'worktree'), branch, at, allowPush: true });
    lab.NEIGHBOUR_GIT = join(lab.NEIGHBOUR, 'worktree', '.git');
    lab.OWN_KEEPER = `${join(lab.OWN, 'worktree')}.keeper.git`;
    const neighbour = join(lab.NEIGHBOUR, 'worktree');
    await git('-C', neighbour, 'commit', '-q', '--allow-empty', '-m', 'of the neighbour');
  }

  /** A process with a secret among its variables, in a group of its own. */
  #bystander(): number {
    const child = spawn('sleep', ['3600'], { detached: true, stdio: 'ignore', env: { LAB_SECRET: 'secret' } });
    this.#undo.push(() => child.kill('SIGKILL'));
    return child.pid as number;
  }

  #listen(server: Server, at: number | string): Promise<number | undefined> {
    this.#undo.push(() => void server.close());
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      const listening = (): void => resolve((server.address() as AddressInfo | null)?.port);
      if (typeof at === 'number') server.listen(at, '127.0.0.1', listening);
      else server.listen(at, listening);
    });
  }
}

function processesNamed(name: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`${name}\0`);
      } catch {
        // It has ended since the folder was read.
        return false;
      }
    });
}
