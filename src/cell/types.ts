/**
 * What a cell lets its program reach: a room of the host, told by what is in it and not by what is kept out. @module
 */

/** The outer walls of a program: none, ours (bubblewrap), or a command of the operator's that runs it. */
export type Launcher = 'none' | 'sandbox' | readonly string[];

/** What a host's settings may say of it. `auto`: the sandbox where this host can make one, else none. */
export type LauncherSetting = Launcher | 'auto';

/**
 * `all`: the host's own network, loopback included. `none`: nothing at all. Or a list of hosts, which are reached by a
 * proxy: the cell has a network of its own.
 */
export const cellNetworks = ['all', 'none'] as const;
export type CellNetwork = (typeof cellNetworks)[number] | { allow: readonly string[] };

/** All paths are absolute, and the same inside and outside. What is named nowhere is not there. */
export interface Cell {
  /** Read-only. A path that is missing on the host is left out. */
  read: readonly string[];
  /** Read and write. The same. */
  write: readonly string[];
  /** Empty, writable, in memory, and gone with the cell. */
  fresh: readonly string[];
  /** Read and write, each with what lies at `from` on the host: a home of the cell's own. */
  own: readonly { path: string; from: string }[];
  /** What of `read` is hidden: files that look empty, folders that are empty. */
  masked: readonly { path: string; folder: boolean }[];
  /** Links of the host's root, such as `/bin` to `usr/bin`. */
  links: readonly { path: string; target: string }[];
  cwd: string;
  network: CellNetwork;
}

/** How much of its host one attempt may use; what is absent is not limited. */
export interface CellLimits {
  /** Memory of all its processes together, in megabytes; what several of them share counts once. */
  memoryMb?: number;
  /** Processes and threads, as the kernel counts them. */
  processes?: number;
  /** What its folder may take, in megabytes: work tree, repository, home and temporary files. */
  diskMb?: number;
}

/** How the programs of one attempt, or one check, are run; found once, and kept as long as they live. */
export interface CellPlan {
  launcher: Launcher;
  network: CellNetwork;
  /** Further paths that the sandbox shows, and those that may be written in it too. */
  read: readonly string[];
  write: readonly string[];
  /** Absent in plans of earlier versions. */
  limits?: CellLimits;
}

/** A command as it is spawned. */
export interface CellCommand {
  file: string;
  args: string[];
}
