/**
 * What a host has been found to lack for an agent: its program, or the walls that it has to run in. The first bead that
 * meets it asks a person; the next ones are given back, so that they go to another host.
 * @module
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { z } from 'zod';
import { clip } from '../../contract/index.js';
import { isMissing } from '../../edge/errors.js';

/** Its file in the state directory: a worker that is started again still knows. Only the host's worker writes it. */
const file = 'host-troubles.json';
/** So many different ones at once are nobody's list any more; the oldest are met anew. */
const mostTroubles = 50;

export const hostLacks = ['program', 'walls'] as const;

/** Instants are milliseconds of the host's clock. */
export interface HostTrouble {
  lack: (typeof hostLacks)[number];
  agent: string;
  reason: string;
  /** The bead that asks a person for all. */
  bead: string;
  since: number;
}

const troubleList: z.ZodType<HostTrouble[]> = z.array(
  z.object({
    lack: z.enum(hostLacks),
    agent: z.string(),
    reason: z.string(),
    bead: z.string(),
    since: z.number(),
  }),
);

/** The troubles of one host. One ends when a look finds its cause gone, or begins anew with a bead that is retried. */
export class HostTroubles {
  readonly #path: string;

  /** @param home the state directory. */
  constructor(
    home: string,
    private readonly now: () => number = Date.now,
  ) {
    this.#path = join(home, file);
  }

  /** @returns all that this host has found and not yet seen gone. */
  all(): HostTrouble[] {
    try {
      const read = troubleList.safeParse(JSON.parse(readFileSync(this.#path, 'utf8')));
      // What cannot be read holds nobody back: the next bead finds out anew.
      return read.success ? read.data : [];
    } catch (error) {
      if (error instanceof SyntaxError || isMissing(error)) return [];
      throw error;
    }
  }

  /**
   * A bead has met what its host lacks.
   * @param retriedAt when an operator last retried that bead.
   * @returns whether it is the one that asks a person; the others are given back.
   */
  met(trouble: Omit<HostTrouble, 'since'>, retriedAt?: number): 'asks' | 'given back' {
    const reason = clip(trouble.reason, 500);
    const same = (other: HostTrouble): boolean =>
      other.lack === trouble.lack && other.agent === trouble.agent && other.reason === reason;
    const all = this.all();
    const known = all.find(same);
    if (known !== undefined && known.bead !== trouble.bead && (retriedAt ?? 0) <= known.since) return 'given back';
    this.#write([...all.filter((other) => !same(other)), { ...trouble, reason, since: this.now() }]);
    return 'asks';
  }

  /** A look has found it there. */
  gone(lack: HostTrouble['lack'], agent: string): void {
    const all = this.all();
    const left = all.filter((other) => other.lack !== lack || other.agent !== agent);
    if (left.length < all.length) this.#write(left);
  }

  #write(troubles: HostTrouble[]): void {
    writeFileAtomic.sync(this.#path, JSON.stringify(troubles.slice(-mostTroubles)), { mode: 0o600 });
  }
}
