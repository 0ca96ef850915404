import type { AttemptSource } from './attempt-reader.js';
import { AttemptReader } from './attempt-reader.js';
import { taskQueues } from '../contract/index.js';
import type { BeadView } from '../contract/index.js';
import type { TownConnection } from './connect.js';
import { AttemptUnreadableError, ClientError, HostAwayError, NoWorkerError } from './errors.js';
import { pollersOf } from './pollers.js';

/** The end of what the checks of a bead have printed, over all its merges. */
export interface CheckOutput {
  /** The host that ran them last. */
  host: string;
  /** As much as a piece holds (180 kB). */
  bytes: Buffer;
  /** Something stands before it. */
  cut: boolean;
  /** When it was last written to; milliseconds. */
  changedAt: number;
  /** Where to read all of it. */
  source: AttemptSource;
}

/** Nobody who answers has the output of these checks. */
export class NoCheckOutputError extends ClientError {}

/** More hosts than that are not asked at once: each question is a small workflow. */
const mostHosts = 64;

/**
 * Asks the hosts that merge for the output of a bead's checks. It lies where they ran, which nobody notes: all that
 * serve the refinery's queue are asked, and the one that wrote last is believed.
 * @throws NoCheckOutputError when the bead has no rig or attempt, or none of the hosts has any.
 */
export async function checkOutput(
  town: Pick<TownConnection, 'client' | 'connection' | 'namespace' | 'taskQueue'>,
  { bead, rig, attempts, current }: Pick<BeadView, 'bead' | 'rig' | 'attempts' | 'current'>,
): Promise<CheckOutput> {
  const attempt = attempts.at(-1)?.id ?? current?.id;
  if (rig === undefined || attempt === undefined)
    throw new NoCheckOutputError(
      `bead ${bead} has had no checks: ${rig === undefined ? 'it belongs to no rig' : 'it has had no attempt yet'}`,
      `see how it stands with \`heartbead show ${bead}\``,
    );
  const hosts = await mergingHosts(town);
  const asked = await Promise.all(
    hosts.slice(0, mostHosts).map(async (host) => {
      const source: AttemptSource = { bead, attempt, host, part: 'check-log', rig };
      try {
        return { host, source, piece: await new AttemptReader(town, source, true).next() };
      } catch (error) {
        if (error instanceof AttemptUnreadableError || error instanceof HostAwayError || error instanceof NoWorkerError)
          return { host, error };
        throw error;
      }
    }),
  );
  const found = asked
    .flatMap(({ host, piece, source }) =>
      piece === undefined
        ? []
        : [{ host, bytes: piece.bytes, cut: piece.skipped ?? false, changedAt: piece.changedAt ?? 0, source }],
    )
    .sort((a, b) => b.changedAt - a.changedAt);
  const newest = found[0];
  if (newest !== undefined) return newest;
  const away = asked.flatMap(({ host, error }) => (error instanceof AttemptUnreadableError ? [] : [host]));
  throw new NoCheckOutputError(
    hosts.length === 0
      ? `no host that merges is up: the output of the checks of bead ${bead} lies on the one that ran them`
      : `none of the hosts that merge has output of checks of bead ${bead} (asked: ` +
          asked.map(({ host }) => host).join(', ') +
          `${away.length === 0 ? '' : `; without an answer: ${away.join(', ')}`})`,
    `see how it stands with \`heartbead show ${bead}\`; a host that is away may have it`,
  );
}

async function mergingHosts(town: Pick<TownConnection, 'connection' | 'namespace' | 'taskQueue'>): Promise<string[]> {
  const pollers = await pollersOf(town, taskQueues.merge(town.taskQueue), 'activity');
  return [...new Set(pollers.flatMap(({ identity }) => /^heartbead@(\S+) \d+$/.exec(identity)?.[1] ?? []))].sort();
}

/**
 * Keeps of the output of a bead's checks the lines of one of them, over all merges: from the refinery's line that names
 * the check to the one that says how it went.
 */
export class OneCheck {
  #within = false;

  constructor(private readonly name: string) {}

  /** @returns those of the lines that are the check's. */
  of(lines: readonly string[]): string[] {
    return lines.filter((line) => {
      const said = /^--- \d{4}-\d\d-\d\dT[\d:.]+Z (.*)$/.exec(line)?.[1];
      if (said === undefined) return this.#within;
      if (said.startsWith(`check ${this.name}: `)) return (this.#within = true);
      if (!this.#within) return false;
      this.#within = false;
      return said.startsWith(`check ${this.name} `);
    });
  }
}
