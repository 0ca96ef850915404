import { spawnSync } from 'node:child_process';
import { findProgram } from '../agents/find-program.js';
import { systemRooms } from './host-rooms.js';
import { inBubblewrap } from './bubblewrap.js';

/** Whether this host can make cells, found out by making one. */
export type CellProbe = { program: string } | { problem: string };

const probeWithinMs = 20_000;

/** @returns bubblewrap's path, or why there can be no cell here; without a try. */
export function findBubblewrap(env: NodeJS.ProcessEnv): CellProbe {
  if (process.platform !== 'linux')
    return { problem: `the sandbox is made by bubblewrap, which is there for Linux only, not for ${process.platform}` };
  const program = findProgram('bwrap', env);
  return program === undefined
    ? { problem: 'bubblewrap (`bwrap`) is not installed: apt-get install bubblewrap' }
    : { program };
}

/** @returns bubblewrap's path, or why there can be no cell here: it makes one. */
export function probeCell(env: NodeJS.ProcessEnv): CellProbe {
  const found = findBubblewrap(env);
  if ('problem' in found) return found;
  const { program } = found;
  const trial = inBubblewrap(
    program,
    { ...systemRooms(), write: [], fresh: ['/tmp'], own: [], cwd: '/', network: 'none' },
    { file: 'true', args: [] },
  );
  const { status, stderr, error } = spawnSync(trial.file, trial.args, {
    encoding: 'utf8',
    timeout: probeWithinMs,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: env['PATH'] ?? '/usr/bin:/bin' },
  });
  if (status === 0) return { program };
  const why = error?.message ?? (stderr.trim().split('\n').at(-1) || `it ended with status ${status ?? 'unknown'}`);
  return { problem: `bubblewrap cannot make a cell here (${why}): it needs user namespaces` };
}
