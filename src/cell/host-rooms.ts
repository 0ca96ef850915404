import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Cell } from './types.js';

/** Programs and libraries, and the host's configuration. No home, no `/run`, no `/var`, no `/srv`, no `/sys`. */
export const systemFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/opt', '/nix', '/etc'];
/** Of `/etc`: what holds secrets, which a worker that runs as root could read. */
const secretFiles = ['shadow', 'shadow-', 'gshadow', 'gshadow-', 'sudoers', 'krb5.keytab', 'machine-id'];
const secretFolders = ['sudoers.d', 'heartbead', 'wireguard', 'NetworkManager', 'ssl/private', 'kubernetes', 'docker'];

/** @returns what every cell has of its host. */
export function systemRooms(): Pick<Cell, 'read' | 'links' | 'masked'> {
  const there = systemFolders.filter((path) => existsSync(path));
  const links = there.filter((path) => lstatSync(path).isSymbolicLink());
  return {
    read: [...there.filter((path) => !links.includes(path)), ...nameService()],
    links: links.map((path) => ({ path, target: readlinkSync(path) })),
    masked: [
      ...secretFiles.map((name) => ({ path: join('/etc', name), folder: false })),
      ...secretFolders.map((name) => ({ path: join('/etc', name), folder: true })),
      ...hostKeys().map((path) => ({ path, folder: false })),
    ].filter(({ path, folder }) => existsSync(path) && lstatSync(path).isDirectory() === folder),
  };
}

/** `resolv.conf` is often a link into `/run`. */
function nameService(): string[] {
  try {
    const file = realpathSync('/etc/resolv.conf');
    return file.startsWith('/etc/') ? [] : [file];
  } catch {
    // A host without names.
    return [];
  }
}

function hostKeys(): string[] {
  try {
    return readdirSync('/etc/ssh')
      .filter((name) => /^ssh_host_.*_key$/.test(name))
      .map((name) => join('/etc/ssh', name));
  } catch {
    return [];
  }
}
