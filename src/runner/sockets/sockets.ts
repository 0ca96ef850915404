import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { AttemptDir } from '../attempt/attempt-dir.js';
import type { RunnerRecord } from '../types.js';

type Sockets = NonNullable<RunnerRecord['sockets']>;

/** `sun_path` holds 104 bytes on macOS and 108 on Linux, the final NUL included. */
const pathBytes = 103;
const pair = (folder: string): Sockets => ({
  control: join(folder, 'control.sock'),
  agent: join(folder, 'agent.sock'),
});
const fits = ({ control }: Sockets): boolean => Buffer.byteLength(control) <= pathBytes;

/**
 * @returns where a runner's sockets go: into the attempt's folder, or, when its path is too long for a socket, a new
 * folder (0700) under the temporary one.
 */
export async function chooseSockets(dir: AttemptDir): Promise<Sockets> {
  const near = pair(dir.path);
  if (fits(near)) return near;
  const far = pair(await mkdtemp(join(tmpdir(), 'hb-')));
  return fits(far) ? far : pair(await mkdtemp('/tmp/hb-'));
}

/** Removes what a runner's sockets have left. */
export async function removeSockets(dir: AttemptDir, sockets: Sockets): Promise<void> {
  await rm(sockets.control, { force: true });
  await rm(sockets.agent, { force: true });
  const folder = dirname(sockets.control);
  if (folder !== dir.path) await rm(folder, { recursive: true, force: true });
}
