import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { isMissing } from '../../edge/errors.js';
import { processAlive, processStartTime } from '../../runner/processes/process.js';
import { CliError, exitCodes } from '../exit.js';
import { bringDown } from '../local/down.js';
import { endAttempts } from './kill.js';

const file = 'demo.json';

/**
 * Takes the demo's state directory for this process. What a demo that was killed has left there is ended and removed; a
 * running one is left alone.
 * @throws CliError (refused) while another demo runs there.
 */
export async function takeDemoHome(home: string): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  const holder = await readHolder(home);
  if (holder !== undefined && processAlive(holder.pid, holder.startTime)) {
    throw new CliError({
      code: exitCodes.refused,
      message: `a demo is already running here (pid ${holder.pid})`,
      next: 'end it with Ctrl-C in its terminal, or set HEARTBEAD_HOME to another directory for a second one',
    });
  }
  await writeFileAtomic(
    join(home, file),
    JSON.stringify({ pid: process.pid, startTime: processStartTime(process.pid) }),
    { mode: 0o600 },
  );
  await bringDown(home);
  await endAttempts(home);
  // Each demo begins on an empty stage: all this was made by a demo, for a demo.
  for (const name of await readdir(home))
    if (name !== file) await rm(join(home, name), { recursive: true, force: true });
}

/** Gives the directory back. */
export async function releaseDemoHome(home: string): Promise<void> {
  await rm(join(home, file), { force: true });
}

async function readHolder(home: string): Promise<{ pid: number; startTime?: string } | undefined> {
  try {
    return JSON.parse(await readFile(join(home, file), 'utf8')) as { pid: number; startTime?: string };
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
