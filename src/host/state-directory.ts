import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** A state directory that is ready for use. */
export interface StateDirectory {
  /** Absolute path. */
  home: string;
  /** Stable over restarts: the name of the host's own task queue is made of it. */
  hostId: string;
}

/**
 * Makes the folders of a state directory (0700: inputs, tokens and work are nobody else's business) and its host id.
 * Idempotent; safe when two processes do it at once.
 * @throws Error when the folder cannot be made or holds a damaged host id.
 */
export async function openStateDirectory(home: string): Promise<StateDirectory> {
  for (const folder of [home, join(home, 'attempts'), join(home, 'mirrors')])
    await mkdir(folder, { recursive: true, mode: 0o700 });
  return { home, hostId: await readOrMakeHostId(home) };
}

/** Fits `HeartbeatSignal.host` (`contract/heartbeat.ts` reads no other). */
const hostIdPattern = /^[\w.-]{1,100}$/;

/**
 * @returns the id of this host: its name, and six hex digits, since names are not unique (containers, clones of one
 * image).
 */
async function readOrMakeHostId(home: string): Promise<string> {
  const file = join(home, 'host-id');
  const name =
    hostname()
      .replace(/[^\w.-]/g, '-')
      .slice(0, 60) || 'host';
  const draft = join(home, `.host-id-${randomBytes(6).toString('hex')}`);
  for (;;) {
    try {
      const id = (await readFile(file, 'utf8')).trim();
      if (!hostIdPattern.test(id))
        throw new Error(
          `${file} does not hold a host id (letters, digits, "_", "." and "-"): mend it, or remove it when no attempt of this host is running`,
        );
      return id;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    // Written in full before it gets its name, and never over another one: of two processes both take the id of the
    // first.
    await writeFile(draft, `${name}-${randomBytes(3).toString('hex')}\n`, { mode: 0o600 });
    try {
      await link(draft, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      await rm(draft, { force: true });
    }
  }
}
