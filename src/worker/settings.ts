import { versionings } from './version-plan.js';
import type { Versioning } from './version-plan.js';

/** What a worker can be told, by `node dist/worker.js` and by `heartbead worker` alike. */
export interface WorkerSettings {
  /** The state directory. */
  home?: string;
  taskQueue?: string;
  maxAgents?: number;
  /** Bytes. */
  diskFloor?: number;
  startLimit?: number;
  healthPort?: number;
  /** Serves metrics for Prometheus on this port; none when absent. */
  metricsPort?: number;
  /** Where it does: the loopback interface when absent. */
  metricsHost?: string;
  /** Opens and seals payloads for the Web UI and the `temporal` command line on this port; none when absent. */
  codecPort?: number;
  versioning?: Versioning;
}

/** A flag whose value is a whole number within bounds. `times` turns the flag's unit into the setting's. */
export interface NumberFlag {
  flag: string;
  takes: string;
  says: string;
  least: number;
  most: number;
  times?: number;
}
/** A flag that takes one of these words. */
export interface ChoiceFlag {
  flag: string;
  takes: string;
  says: string;
  words: readonly string[];
}
export interface TextFlag {
  flag: string;
  takes: string;
  says: string;
}

/** The flags of a worker: a new setting does not compile before it has one. */
export const workerFlags = {
  maxAgents: {
    flag: '--max-agents',
    takes: 'n',
    says: 'at most so many agents on this host (default: 4)',
    least: 1,
    most: 1_000,
  },
  home: { flag: '--home', takes: 'dir', says: 'the state directory (default: HEARTBEAD_HOME)' },
  taskQueue: { flag: '--task-queue', takes: 'name', says: "the town's task queue" },
  diskFloor: {
    flag: '--disk-floor',
    takes: 'MiB',
    says: 'start nothing new below so much free space (default: 512)',
    least: 0,
    most: 1_000_000_000,
    times: 1024 * 1024,
  },
  startLimit: {
    flag: '--start-limit',
    takes: 'n',
    says:
      'start no more beads without a rig when so many paid starts within an hour have led to no finished work ' +
      '(default: 120)',
    least: 1,
    most: 1_000_000,
  },
  healthPort: {
    flag: '--health-port',
    takes: 'port',
    says: 'answer probes on this port of the loopback interface',
    least: 0,
    most: 65_535,
  },
  metricsPort: {
    flag: '--metrics-port',
    takes: 'port',
    says: 'serve metrics for Prometheus on this port, at /metrics (default: none)',
    least: 0,
    most: 65_535,
  },
  metricsHost: {
    flag: '--metrics-host',
    takes: 'address',
    says: 'serve them on this address (default: 127.0.0.1); they tell names of rigs and hosts to whoever reaches it',
  },
  codecPort: {
    flag: '--codec-port',
    takes: 'port',
    says:
      'open encrypted payloads for the Web UI and the temporal CLI on this port of the loopback interface ' +
      '(default: none)',
    least: 0,
    most: 65_535,
  },
  versioning: {
    flag: '--versioning',
    takes: versionings.join('|'),
    says:
      'whether its build of the workflows is a version of the town, and takes over by itself when it is new ' +
      '(default: as the town does)',
    words: versionings,
  },
} as const satisfies {
  [K in keyof WorkerSettings]-?: string extends WorkerSettings[K]
    ? TextFlag
    : WorkerSettings[K] extends string | undefined
      ? ChoiceFlag
      : NumberFlag;
};

/** @returns the value of a flag in its setting's unit. @throws Error when it is no whole number within the bounds. */
export function numberOf({ flag, least, most, times = 1 }: NumberFlag, given: string): number {
  const value = Number(given);
  if (!/^\d+$/.test(given) || value < least || value > most)
    throw new Error(`${flag} is a whole number from ${least} to ${most}, not ${JSON.stringify(given)}`);
  return value * times;
}

/** @returns the word that was given to a flag. @throws Error when it is none of them. */
export function wordOf<W extends string>({ flag, words }: { flag: string; words: readonly W[] }, given: string): W {
  const found = words.find((word) => word === given);
  if (found === undefined) throw new Error(`${flag} is one of ${words.join(', ')}, not ${JSON.stringify(given)}`);
  return found;
}
