import { cpSync, existsSync, lstatSync, mkdirSync, realpathSync, rmSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { removeTree, removeTreeSync } from '../edge/remove-tree.js';
import { findProgram } from '../agents/find-program.js';
import { compiledFile } from '../package/compiled.js';
import { cellFailure, inBubblewrap, sayingFirst } from './bubblewrap.js';
import { gitRooms, programRoom } from './git-rooms.js';
import { systemRooms } from './host-rooms.js';
import { findBubblewrap } from './probe.js';
import { holds, programRooms } from './toolchains.js';
import type { Cell, CellCommand, CellPlan } from './types.js';

/** What is to be run, and what of the host it needs beside programs and libraries. */
export interface Tenant {
  command: CellCommand;
  env: Readonly<Record<string, string>>;
  /** Where it works: its own to write, with the repository in it. */
  worktree: string;
  /** Folders of objects which that repository borrows, as they were known before anything foreign ran there. */
  borrowed?: readonly string[] | undefined;
  /** The state directory, of which it sees nothing but what is named here. */
  home: string;
  read: readonly string[];
  write: readonly string[];
  /** A program that the command runs. */
  program?: string;
  /** Files and folders of the host's home of which it has a copy: what it changes in them is gone with it. */
  copy?: readonly string[];
  /** Folders of the host that it writes, and that are made where they are missing. */
  keep?: readonly string[];
  /** Folders that it has for itself, empty at first, also where they are not in the home. */
  own?: readonly string[];
  /** The socket of its gate (`openGate`), where its plan lists hosts. */
  gate?: string | undefined;
  /** Where its home and its temporary files lie on the disk; in memory where no folder is named. */
  rooms?: string;
  /** What a sandbox says on a line of standard output right before the program runs (`Launch.begun`). */
  begun?: string;
}

/** How a program is spawned, behind its walls. */
export interface Launch extends CellCommand {
  env: Record<string, string>;
  /** Set when it cannot be run as it was asked for: it is not run at all then. */
  refused?: string;
  /** The first line of its standard output when its program runs: what comes before that is the walls' own. */
  begun?: string | undefined;
  /** @returns the error by which its walls kept it from starting, or undefined. Of a program that has not begun. */
  failure(code: number | undefined, lastLines: readonly string[]): string | undefined;
}

/** Variables that the program does not get: the keys of the user who is logged in are behind this one. */
const notInside = ['SSH_AUTH_SOCK'];

/** In a network of its own no port is taken. */
const gatePort = 3128;
const proxyVariables = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'].flatMap((name) => [name, name.toLowerCase()]);

/** @returns how a program is spawned, as the plan says. */
export function launch(plan: CellPlan | { refused: string }, tenant: Tenant): Launch {
  const env = { ...tenant.env };
  const failure = (): undefined => undefined;
  if ('refused' in plan) return { ...tenant.command, env, failure, refused: plan.refused };
  const kind = plan.launcher;
  if (kind === 'none') return { ...tenant.command, env, failure };
  if (kind !== 'sandbox') {
    const [file = '', ...args] = kind.map((word) => filled(word, tenant));
    return { file, args: [...args, tenant.command.file, ...tenant.command.args], env, failure };
  }
  // Whoever made the plan has tried it; should it not work any more, its own words say so (`failure`).
  const found = findBubblewrap(env);
  if ('problem' in found) return { ...tenant.command, env, failure, refused: found.problem };
  for (const name of notInside) delete env[name];
  env['TMPDIR'] = '/tmp';
  const { begun } = tenant;
  let inside = tenant;
  if (begun !== undefined)
    inside = {
      ...tenant,
      program: tenant.program ?? tenant.command.file,
      command: sayingFirst(begun, tenant.command),
    };
  if (typeof plan.network === 'object') {
    const { gate } = tenant;
    if (gate === undefined)
      return {
        ...tenant.command,
        env,
        failure,
        refused: 'its network is a list of hosts, and nothing lets it out to them',
      };
    const program = compiledFile('cell/gate-inside');
    for (const name of proxyVariables) env[name] = `http://127.0.0.1:${gatePort}`;
    Object.assign(env, { NO_PROXY: 'localhost,127.0.0.1', no_proxy: 'localhost,127.0.0.1', NODE_USE_ENV_PROXY: '1' });
    const { file, args } = inside.command;
    inside = {
      ...inside,
      program: inside.program ?? file,
      command: { file: process.execPath, args: [program, gate, String(gatePort), file, ...args] },
      read: [...inside.read, program],
      write: [...inside.write, gate],
    };
  }
  const limited = withProcessLimit(inside, plan.limits?.processes, env);
  return {
    ...inBubblewrap(found.program, furnished(limited, env, plan), limited.command),
    env,
    begun,
    failure: cellFailure,
  };
}

/**
 * The kernel counts the processes and threads of a user in each user namespace: in a cell these are the cell's alone.
 * Twice the limit is a wall for what forks faster than it is looked at; what goes beyond the limit itself is ended with
 * words. A worker that runs as root has no such wall.
 */
function withProcessLimit(tenant: Tenant, limit: number | undefined, env: Readonly<Record<string, string>>): Tenant {
  const program = limit === undefined ? undefined : findProgram('prlimit', { ...env });
  if (limit === undefined || program === undefined) return tenant;
  const { file, args } = tenant.command;
  return {
    ...tenant,
    program: tenant.program ?? file,
    command: { file: program, args: [`--nproc=${2 * limit}`, '--', file, ...args] },
  };
}

const filled = (word: string, { worktree }: Tenant): string => word.replaceAll('{worktree}', worktree);

/** Makes what of its cell must be there before it, and @returns what the cell has. */
function furnished(tenant: Tenant, env: Readonly<Record<string, string>>, plan: CellPlan): Cell {
  for (const path of tenant.keep ?? []) mkdirSync(path, { recursive: true, mode: 0o700 });
  const cell = cellOf(tenant, env, plan);
  for (const { from } of cell.own) mkdirSync(from, { recursive: true, mode: 0o700 });
  const roomsOf = (path: string): { from: string; at: string }[] =>
    cell.own
      .filter((room) => path.startsWith(`${room.path}/`))
      .map((room) => ({ from: room.from, at: join(room.from, path.slice(room.path.length)) }));
  // Set-up steps and earlier runs had these rooms before. A link that they left would lead the place where something is
  // to be shown, and which is made where it is missing, to where it points: outside, as long as the cell is being made.
  for (const path of [...cell.own.map((room) => room.path), ...cell.read, ...cell.write])
    for (const { from, at } of roomsOf(path)) withoutLinks(from, at);
  for (const path of tenant.copy ?? []) {
    const [place] = roomsOf(path);
    if (place === undefined || !existsSync(path)) continue;
    const { from, at: copy } = place;
    // So it would our copy.
    withoutLinks(from, copy);
    removeTreeSync(copy);
    mkdirSync(dirname(copy), { recursive: true, mode: 0o700 });
    // Links, too, as what they lead to: that may be nowhere in the cell.
    cpSync(path, copy, { recursive: true, dereference: true });
  }
  return cell;
}

/** Removes links on the way from a folder to a path in it, and at the path. */
function withoutLinks(folder: string, path: string): void {
  let at = folder;
  for (const name of path.slice(folder.length + 1).split('/')) {
    at = join(at, name);
    const found = lstatSync(at, { throwIfNoEntry: false });
    if (found === undefined) return;
    if (found.isSymbolicLink() || (at !== path && !found.isDirectory())) rmSync(at, { force: true });
  }
}

/** Takes away what a cell had for itself. Its programs have ended. */
export const clearRooms = (rooms: string): Promise<void> => removeTree(rooms);

/** @returns what the tenant's cell has. */
export function cellOf(
  { command, program = command.file, worktree, borrowed = [], home, read, write, keep = [], rooms, own = [] }: Tenant,
  env: Readonly<Record<string, string>>,
  plan: Pick<CellPlan, 'read' | 'write' | 'network'>,
): Cell {
  const system = systemRooms();
  const userHome = env['HOME'];
  const certificates = ['SSL_CERT_FILE', 'SSL_CERT_DIR', 'NODE_EXTRA_CA_CERTS'].flatMap((name) => env[name] ?? []);
  const homes = userHome !== undefined && isAbsolute(userHome) && userHome !== '/' ? [userHome] : [];
  const places = [
    ...homes.map((path) => ({ path, name: 'home' })),
    ...['/tmp', '/var/tmp'].map((path) => ({ path, name: 'tmp' })),
    // What lies in the home is in its own one already.
    ...own
      .filter((path) => !homes.some((folder) => path.startsWith(`${folder}/`)))
      .map((path, index) => ({ path, name: `own-${index}` })),
  ];
  const hidden = [home, ...homes];
  const shown = [
    ...system.read,
    ...programRooms(env, hidden),
    ...ownPrograms(program, env, hidden),
    ...certificates,
    ...read,
    ...gitRooms(borrowed, home),
    ...plan.read,
  ].filter(exists);
  const writable = [worktree, ...write, ...keep, ...plan.write].filter(exists);
  return {
    ...system,
    read: withoutCovered(shown, [...writable, ...places.map(({ path }) => path)]),
    write: writable,
    fresh: rooms === undefined ? places.map(({ path }) => path) : [],
    own: rooms === undefined ? [] : places.map(({ path, name }) => ({ path, from: join(rooms, name) })),
    cwd: worktree,
    network: plan.network,
  };
}

/**
 * @returns the paths without those that another of them shows already. A link in a folder that is read-only could not
 * be mounted once more.
 */
function withoutCovered(paths: readonly string[], others: readonly string[]): string[] {
  const unique = [...new Set(paths)];
  const nearest = (path: string, among: readonly string[]): number =>
    Math.max(-1, ...among.filter((folder) => path.startsWith(`${folder}/`)).map((folder) => folder.length));
  return unique.filter((path) => nearest(path, unique) <= nearest(path, others));
}

const exists = (path: string): boolean => existsSync(path);

/**
 * Node, which runs Heartbead's own part in the cell, and the program itself, where a user has installed them: with the
 * folder that they are in, unless that would show the home or the state directory as a whole.
 */
function ownPrograms(file: string, env: Readonly<Record<string, string>>, hidden: readonly string[]): string[] {
  const found = findProgram(file, { ...env });
  const paths = [process.execPath, ...(found === undefined ? [] : [found, realpathSync(found)])];
  return paths
    .filter((path) => !path.startsWith('/usr/') && !path.startsWith('/bin/'))
    .map((path) => {
      const room = programRoom(path);
      return lstatSync(path).isSymbolicLink() || hidden.some((folder) => holds(room, folder)) ? path : room;
    });
}

/** Names in an attempt's folder that are the runner's and its host's alone. */
const ofTheRunner =
  /^(?:cell|connection\.json|token|control\.sock|input\.json|setup\.json|result\.json|report\.json|tidied|forgotten|(?:runner|agent)\..*|.*\.log|.*\.keeper\.git|worktree|\..*)$/;

/**
 * @param names of what lies in an attempt's folder right before its agent is spawned.
 * @returns what of it the agent's program may use: what its adapter has put there, the prompt, its `heartbead`.
 */
export function roomsOfFolder(folder: string, names: readonly string[]): { read: string[]; write: string[] } {
  const shown = names.filter((name) => !ofTheRunner.test(name)).map((name) => join(folder, name));
  // Folders hold what programs keep while they work; files are what they are told.
  const folders = shown.filter((path) => lstatSync(path).isDirectory() && !path.endsWith('/bin'));
  return { read: shown.filter((path) => !folders.includes(path)), write: folders };
}
