import { execa } from 'execa';
import { readFile } from 'node:fs/promises';
import { readRecord } from '../../client/records.js';
import { onPath } from '../../edge/programs.js';
import { ok, warn } from './check.js';
import type { DoctorCheck } from './check.js';

const answersWithinMs = 5_000;

/**
 * Whether logging out ends what works here: systemd does so to everything of a session where `KillUserProcesses` is
 * set, also to what was started detached.
 * @param home the state directory whose server and worker are to outlive a session.
 */
export async function checkLogout(
  home: string,
  env: NodeJS.ProcessEnv,
  cgroupOf: (pid: number) => Promise<string> = readCgroup,
): Promise<DoctorCheck> {
  const name = 'logout';
  const busctl = onPath('busctl', env);
  if (busctl === undefined) return ok(name, 'no systemd here that would end processes with their session');
  const { failed, stdout } = await execa(
    busctl,
    [
      'get-property',
      'org.freedesktop.login1',
      '/org/freedesktop/login1',
      'org.freedesktop.login1.Manager',
      'KillUserProcesses',
    ],
    { env, extendEnv: false, stdin: 'ignore', reject: false, timeout: answersWithinMs },
  );
  if (failed) return ok(name, 'no login manager here that would end processes with their session');
  if (stdout.trim() !== 'b true') return ok(name, 'logging out ends nothing (KillUserProcesses is off)');
  const records = [await readRecord(home, 'server'), await readRecord(home, 'worker')];
  const groups = await Promise.all(
    records.map((record) => (record === undefined ? Promise.resolve('') : cgroupOf(record.pid))),
  );
  if (!groups.some((group) => /\/session-[^/]+\.scope/.test(group)))
    return ok(name, 'KillUserProcesses is on, and nothing here runs in a login session');
  return warn(
    name,
    'KillUserProcesses is on: when you log out, systemd ends the server, the worker and the agents that were ' +
      'started from this session',
    'let a service run them: `heartbead service install`, and `loginctl enable-linger`',
  );
}

/** @returns the line of the process's control group, or nothing for one that has ended. */
async function readCgroup(pid: number): Promise<string> {
  try {
    return await readFile(`/proc/${pid}/cgroup`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}
