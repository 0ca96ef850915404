import type { Cell, CellCommand } from './types.js';

/** Each way out that stays open costs one line here; `npm run escapes` tries them all. */
const walls = [
  // Nothing outside can be seen, signalled or traced, and with the cell's first process all others end.
  '--unshare-pid',
  '--unshare-ipc',
  '--unshare-uts',
  '--unshare-cgroup-try',
  // A user namespace of its own without another one in it: no rights over anything that is not the user's already.
  '--unshare-user',
  '--disable-userns',
  '--cap-drop',
  'ALL',
  // An agent without its runner has no lease.
  '--die-with-parent',
] as const;

/**
 * @returns the command that runs a program in a cell of bubblewrap. Pure: what is on the host was looked up before.
 * @param program of bubblewrap.
 */
export function inBubblewrap(program: string, cell: Cell, { file, args }: CellCommand): CellCommand {
  // A parent is mounted before what is in it, else it would hide that again; of one path the later kind counts.
  const mounts = [
    ...cell.fresh.map((path) => ({ path, words: ['--tmpfs', path] })),
    ...cell.own.map(({ path, from }) => ({ path, words: ['--bind', from, path] })),
    ...cell.read.map((path) => ({ path, words: ['--ro-bind-try', path, path] })),
    ...cell.write.map((path) => ({ path, words: ['--bind-try', path, path] })),
  ].sort((a, b) => depth(a.path) - depth(b.path));
  return {
    file: program,
    args: [
      ...walls,
      ...(cell.network !== 'all' ? ['--unshare-net'] : []),
      ...cell.links.flatMap(({ path, target }) => ['--symlink', target, path]),
      '--proc',
      '/proc',
      // A worker that runs as root owns what is in there, whatever rights are taken from it, and the kernel asks no
      // more.
      '--ro-bind',
      '/proc/sys',
      '/proc/sys',
      '--dev',
      '/dev',
      ...mounts.flatMap(({ words }) => words),
      ...cell.masked.flatMap(({ path, folder }) => (folder ? ['--tmpfs', path] : ['--ro-bind', '/dev/null', path])),
      '--chdir',
      cell.cwd,
      '--',
      file,
      ...args,
    ],
  };
}

const depth = (path: string): number => path.split('/').filter((part) => part !== '').length;

/** What bubblewrap prints when it cannot make the cell, or not find the program in it. */
const complaint = /^(?:bwrap|gate): (?:execvp (.+): No such file or directory|(.+))$/;
/** The program that sets a limit says the same of one that it cannot find, by a status of its own. */
const notFound = /^prlimit: failed to execute .+: No such file or directory$/;

/**
 * @param lastLines of the output of a program that ended with status 1.
 * @returns the error that kept the program from starting, if the cell did: `ENOENT`, or bubblewrap's words.
 */
export function cellFailure(code: number | undefined, lastLines: readonly string[]): string | undefined {
  if (code === 127 && notFound.test(lastLines.at(-1) ?? '')) return 'ENOENT';
  const said = complaint.exec(lastLines.at(-1) ?? '');
  if (code !== 1 || said === null) return undefined;
  return said[1] === undefined ? `its cell: ${said[2]}` : 'ENOENT';
}
