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
  // A parent is mounted before what is in it, otherwise it would hide that again; of one path the later kind counts.
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

/** What bubblewrap prints when it cannot make the cell, or our shell when it does not find the program in it. */
const complaint = /^(?:bwrap|gate): (?:execvp (.+): No such file or directory|(.+))$/;

/**
 * Whoever hears of the cell's own words has to know that nothing else can have said them (`sayingFirst`).
 * @param lastLines of the output of a program that ended with status 1, and that has not begun.
 * @returns the error that kept the program from starting, if the cell did: `ENOENT`, or bubblewrap's words.
 */
export function cellFailure(code: number | undefined, lastLines: readonly string[]): string | undefined {
  const said = complaint.exec(lastLines.at(-1) ?? '');
  if (code !== 1 || said === null) return undefined;
  return said[1] === undefined ? `its cell: ${said[2]}` : 'ENOENT';
}

/** In the cell, before anything of the agent's: is its program there, and may it be run? */
const first =
  'word=$1; shift; ' +
  'no() { echo "bwrap: execvp $1: $2" >&2; exit 1; }; ' +
  'case $1 in ' +
  '*/*) [ -e "$1" ] || no "$1" "No such file or directory"; [ -x "$1" ] || no "$1" "Permission denied";; ' +
  '*) command -v "$1" >/dev/null 2>&1 || no "$1" "No such file or directory";; esac; ' +
  'echo "$word"; exec "$@"';

/**
 * @returns the command, which says the word on a line of its standard output before its program runs. What the program
 * prints, by whatever way, comes after that line, and it cannot take it back: as long as nobody has said the word, only
 * the cell has spoken.
 */
export const sayingFirst = (word: string, { file, args }: CellCommand): CellCommand => ({
  file: '/bin/sh',
  args: ['-c', first, 'sh', word, file, ...args],
});
