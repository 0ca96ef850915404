import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isMissing } from '../edge/errors.js';
import { AttemptDir } from '../runner/attempt/attempt-dir.js';
import { createDurably } from './durable-file.js';

/** A state directory that is ready for use. */
export interface StateDirectory {
  /** Absolute path. */
  home: string;
  /** Stable over restarts: the name of the host's own task queue is made of it. */
  hostId: string;
  /** What had to be mended in it, for the log. */
  mended?: string;
}

/**
 * Makes the folders of a state directory (0700: inputs, tokens and work are nobody else's business) and its host id.
 * Idempotent; safe when two processes do it at once.
 * @throws Error when the folder cannot be made or holds a damaged host id.
 */
export async function openStateDirectory(home: string): Promise<StateDirectory> {
  for (const folder of [home, join(home, 'attempts'), join(home, 'mirrors')])
    await mkdir(folder, { recursive: true, mode: 0o700 });
  await closeToOthers(home);
  return { home, ...(await readOrMakeHostId(home)) };
}

/** Any right of the group or of others. */
export const forOthers = 0o077;

/** A directory that somebody made before keeps the mode it has: others could read every prompt in it. */
export async function closeToOthers(home: string): Promise<void> {
  const { mode, uid } = await stat(home);
  if ((mode & forOthers) !== 0 && uid === process.getuid?.()) await chmod(home, 0o700);
}

/** Fits `HeartbeatSignal.host` (`contract/heartbeat.ts` reads no other). */
const hostIdPattern = /^[\w.-]{1,100}$/;

/**
 * The id of this host: its name, and six hex digits, since names are not unique (containers, clones of one image). One
 * that a power cut has damaged is found again in what else the host has written: another id would leave every attempt
 * of this host to itself.
 */
async function readOrMakeHostId(home: string): Promise<Pick<StateDirectory, 'hostId' | 'mended'>> {
  const file = join(home, 'host-id');
  const name =
    hostname()
      .replace(/[^\w.-]/g, '-')
      .slice(0, 60) || 'host';
  let mended: string | undefined;
  for (;;) {
    const found = await readText(file);
    const hostId = found?.trim();
    if (hostId !== undefined && hostIdPattern.test(hostId)) return { hostId, mended };
    let fresh = `${name}-${randomBytes(3).toString('hex')}`;
    if (found !== undefined) {
      const known = await formerHostId(home);
      if (known === undefined && (await AttemptDir.list(home)).length > 0)
        throw new Error(
          `${file} does not hold a host id (letters, digits, "_", "." and "-"), and nothing else in ${home} ` +
            "tells it: write the id that `heartbead show` names for this host's attempts into it, or remove " +
            'it when none of them matters any more',
        );
      fresh = known ?? fresh;
      mended =
        `${file} was damaged; it holds ${fresh} ` +
        `again${known === undefined ? ', a new id, since no attempt of this host is known' : ''}`;
      await rm(file, { force: true });
    }
    // Where two processes make one at once, both take the id of the first.
    await createDurably(file, `${fresh}\n`);
  }
}

/** @returns the id of this host as its worker or an attempt's set-up has written it down. */
async function formerHostId(home: string): Promise<string | undefined> {
  const told = await readText(join(home, 'worker-state.json'));
  const ids = [told === undefined ? undefined : hostIdIn(told)];
  for (const dir of await AttemptDir.list(home)) ids.push((await dir.readSetup().catch(() => undefined))?.host);
  return ids.find((id) => id !== undefined && hostIdPattern.test(id));
}

function hostIdIn(text: string): string | undefined {
  try {
    const { hostId } = JSON.parse(text) as { hostId?: unknown };
    return typeof hostId === 'string' ? hostId : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
