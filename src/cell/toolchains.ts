import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, delimiter, dirname, isAbsolute, join } from 'node:path';
import { systemFolders } from './host-rooms.js';

/** @returns whether a folder is that path, or what it lies in. */
export const holds = (folder: string, path: string): boolean =>
  `${path}/`.startsWith(folder === '/' ? folder : `${folder}/`);

/** Where people keep compilers and interpreters in their home: programs, not what those know of their user. */
const toolchains = [
  '.asdf',
  '.bun/bin',
  '.cargo/bin',
  '.deno/bin',
  '.dotnet',
  '.fnm',
  '.ghcup/bin',
  '.ghcup/ghc',
  '.local/bin',
  '.local/lib',
  '.local/share/fnm',
  '.local/share/mise',
  '.local/share/pipx',
  '.local/share/uv',
  '.nvm',
  '.pyenv',
  '.rbenv',
  '.rustup',
  '.sdkman/candidates',
  '.volta',
  'go/bin',
] as const;

/**
 * @param hidden folders that are never shown as a whole, nor what they lie in, whatever the PATH says.
 * @returns what is shown of the user's programs: what the PATH names, and what those programs are part of.
 */
export function programRooms(env: Readonly<Record<string, string>>, hidden: readonly string[]): string[] {
  const home = env['HOME'] ?? '';
  const named = (env['PATH'] ?? '').split(delimiter).filter((path) => isAbsolute(path) && isFolder(path));
  const homes = isAbsolute(home) && home !== '/' ? toolchains.map((path) => join(home, path)) : [];
  return [...new Set([...named.flatMap(roomsOfPathEntry), ...homes.filter(isFolder)])].filter(
    (path) => !hidden.some((folder) => holds(path, folder)) && !systemFolders.some((folder) => holds(folder, path)),
  );
}

function roomsOfPathEntry(folder: string): string[] {
  const parent = dirname(folder);
  if (basename(folder) !== 'bin') return [folder];
  // A virtual environment of Python: its programs are scripts of an interpreter that lies beside, or is a link.
  if (existsSync(join(parent, 'pyvenv.cfg'))) {
    const python = join(folder, 'python');
    return [parent, ...(existsSync(python) ? [dirname(dirname(realpathSync(python)))] : [])];
  }
  // A prefix of npm: its programs are links into the packages.
  const packages = join(parent, 'lib', 'node_modules');
  return existsSync(packages) ? [folder, packages] : [folder];
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
