import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { findProgram } from '../agents/find-program.js';
import { cellFailure, inBubblewrap } from './bubblewrap.js';
import { gitRooms, programRoom } from './git-rooms.js';
import { systemRooms } from './host-rooms.js';
import { probeCell } from './probe.js';
import { CellSettingsError, readCellSettings } from './settings.js';
import type { CellSettings } from './settings.js';
import type { CellCommand, CellNetwork, Launcher } from './types.js';

/** What is to be run, and what of the host it needs beside programs and libraries. */
export interface Tenant {
  command: CellCommand;
  env: Readonly<Record<string, string>>;
  /** Where it works: its own to write, with the repository that belongs to it. */
  worktree: string;
  /** The state directory, of which it sees nothing but what is named here. */
  home: string;
  read: readonly string[];
  write: readonly string[];
}

/** How a program is spawned, behind its walls. */
export interface Launch extends CellCommand {
  env: Record<string, string>;
  /** Set when it cannot be run as it was asked for: it is not run at all then. */
  refused?: string;
  /** @returns the error by which its walls kept it from starting, or undefined. */
  failure(code: number | undefined, lastLines: readonly string[]): string | undefined;
}

/** Of what the program finds in its environment: the keys of whoever is logged in are behind this. */
const notInside = ['SSH_AUTH_SOCK'];

/** @returns how a program is spawned behind its launcher. */
export function launch(kind: Launcher, tenant: Tenant, settings: CellSettings): Launch {
  const env = { ...tenant.env };
  const failure = (): undefined => undefined;
  if (kind === 'none') return { ...tenant.command, env, failure };
  if (kind !== 'sandbox') {
    const [file = '', ...args] = kind.map((word) => filled(word, tenant));
    return { file, args: [...args, tenant.command.file, ...tenant.command.args], env, failure };
  }
  const probe = probeCell(env);
  if ('problem' in probe) return { ...tenant.command, env, failure, refused: probe.problem };
  for (const name of notInside) delete env[name];
  env['TMPDIR'] = '/tmp';
  return {
    ...inBubblewrap(probe.program, cellOf(tenant, env, settings), tenant.command),
    env,
    failure: cellFailure,
  };
}

/**
 * @param given what the bead or the rig asks for, before what the host's own file says.
 * @returns how a program is spawned on the host whose state directory the tenant names. A file that cannot be used is
 * no permission: nothing is run then.
 */
export function launchHere(which: 'agents' | 'checks', tenant: Tenant, given?: Launcher): Launch {
  try {
    const settings = readCellSettings(tenant.home);
    return launch(given ?? settings[which], tenant, settings);
  } catch (error) {
    if (!(error instanceof CellSettingsError)) throw error;
    return { ...tenant.command, env: { ...tenant.env }, failure: () => undefined, refused: error.message };
  }
}

const filled = (word: string, { worktree }: Tenant): string => word.replaceAll('{worktree}', worktree);

/** @returns what the tenant's cell has. */
export function cellOf(
  { command, worktree, home, read, write }: Tenant,
  env: Readonly<Record<string, string>>,
  settings: Pick<CellSettings, 'read' | 'write' | 'network'>,
): Parameters<typeof inBubblewrap>[1] {
  const system = systemRooms();
  const git = gitRooms(worktree, home);
  const userHome = env['HOME'];
  const certificates = ['SSL_CERT_FILE', 'SSL_CERT_DIR', 'NODE_EXTRA_CA_CERTS'].flatMap((name) => env[name] ?? []);
  return {
    ...system,
    read: [
      ...system.read,
      ...ownPrograms(command, env),
      ...certificates,
      ...read,
      ...git.read,
      ...settings.read,
    ].filter(exists),
    write: [worktree, ...write, ...git.write, ...settings.write].filter(exists),
    fresh: [
      '/tmp',
      '/var/tmp',
      ...(userHome !== undefined && isAbsolute(userHome) && userHome !== '/' ? [userHome] : []),
    ],
    cwd: worktree,
    network: settings.network satisfies CellNetwork,
  };
}

const exists = (path: string): boolean => existsSync(path);

/** Node, which runs Heartbead's own part in the cell, and the program itself, where a user has installed them. */
function ownPrograms({ file }: CellCommand, env: Readonly<Record<string, string>>): string[] {
  const found = findProgram(file, { ...env });
  const paths = [process.execPath, ...(found === undefined ? [] : [found, realpathSync(found)])];
  return paths
    .filter((path) => !path.startsWith('/usr/') && !path.startsWith('/bin/'))
    .map((path) => (lstatSync(path).isSymbolicLink() ? path : programRoom(path)));
}

/** Names in an attempt's folder that are the runner's and its host's alone. */
const ofTheRunner =
  /^(?:connection\.json|token|control\.sock|input\.json|setup\.json|result\.json|report\.json|(?:runner|agent)\..*|worktree|\..*)$/;

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
