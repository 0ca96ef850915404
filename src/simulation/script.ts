/**
 * One simulated day of a town, written down: what its agents do, and what goes wrong when. Plain JSON, so that a
 * failing one can be kept, cut down and played again.
 * @module
 */
import { seeded } from '../agents/seeded.js';
import type { AgentScript } from '../testing/index.js';

/** What can go wrong with a host, and what an operator or the network can do, at an instant. */
export type Fault =
  | {
      do:
        | 'freezeWorker'
        | 'thawWorker'
        | 'hangWorker'
        | 'killWorker'
        | 'startWorker'
        | 'die'
        | 'revive'
        | 'reviveEmpty'
        | 'heal'
        | 'cutOffRunners'
        | 'loseNextReport';
      host: number;
    }
  | { do: 'partition'; host: number; remoteToo: boolean }
  | {
      do: 'killRunner' | 'pause' | 'resume' | 'nudge' | 'retry' | 'cancel' | 'lateDone' | 'oldHeartbeat' | 'rubbish';
      bead: number;
    }
  | { do: 'remoteAway' | 'remoteBack' | 'remoteTakes' }
  /** Finished branches are refused: by a rule of the remote, or for now. */
  | { do: 'remoteRefuses'; mayPass: boolean }
  /** Temporal itself; only the model can lose it and have it again. */
  | { do: 'serverAway' | 'serverBack' };

export interface Step {
  /** Virtual milliseconds after the step before. */
  after: number;
  fault: Fault;
}

export interface Script {
  seed: number;
  hosts: number;
  maxAgents: number;
  /** For each bead, what its attempts do; the last one counts for all that follow. */
  beads: AgentScript[][];
  steps: Step[];
}

const minute = 60_000;

type Drawn = Exclude<Fault['do'], 'remoteRefuses' | 'remoteTakes'>;
const kinds: [Drawn, ...Drawn[]] = [
  'freezeWorker',
  'freezeWorker',
  'thawWorker',
  'hangWorker',
  'killWorker',
  'startWorker',
  'die',
  'revive',
  'reviveEmpty',
  'partition',
  'partition',
  'heal',
  'cutOffRunners',
  'loseNextReport',
  'killRunner',
  'killRunner',
  'pause',
  'resume',
  'nudge',
  'retry',
  'cancel',
  'lateDone',
  'oldHeartbeat',
  'rubbish',
  'remoteAway',
  'remoteBack',
];

/**
 * @returns whether a bead whose attempts go like that can come to rest. A provider that refuses for ever is waited for
 * for ever, and agents that get on and are killed are followed by others; in a script both give in.
 */
export const mayEnd = (agents: readonly AgentScript[]): boolean =>
  agents.length > 0 && agents.at(-1)?.ends !== 'rate_limited' && !losesForEver(agents.at(-1));

/** Each attempt leaves saved work and is lost: the bead gets on, and never to an end. */
const losesForEver = (last: AgentScript | undefined): boolean =>
  last?.ends === 'killed' && last.changesNothing !== true;

/** @returns the script of a seed; the same one for ever. `server`: also with Temporal away. */
export function scriptOf(seed: number, { server = false }: { server?: boolean } = {}): Script {
  const next = seeded(seed);
  const whole = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  const pick = <T>(list: readonly [T, ...T[]]): T => list[Math.floor(next() * list.length)] ?? list[0];
  const hosts = whole(1, 2);
  const beads = Array.from({ length: whole(1, 2) }, () =>
    Array.from({ length: whole(1, 2) }, () => agent(whole, pick)),
  );
  for (const agents of beads) if (!mayEnd(agents)) agents.push({ works: minute, ends: 'done' });
  const host = (): number => whole(0, hosts - 1);
  const bead = (): number => whole(0, beads.length - 1);
  const steps = Array.from({ length: whole(2, 7) }, (): Step => {
    const after = pick([
      whole(0, 2_000),
      whole(2_000, minute),
      whole(minute, 6 * minute),
      whole(6 * minute, 40 * minute),
    ]);
    const kind = pick<Drawn>(server ? [...kinds, 'serverAway', 'serverBack', 'serverBack'] : kinds);
    switch (kind) {
      case 'partition':
        return { after, fault: { do: kind, host: host(), remoteToo: next() < 0.5 } };
      case 'remoteAway':
      case 'remoteBack':
      case 'serverAway':
      case 'serverBack':
        return { after, fault: { do: kind } };
      case 'killRunner':
      case 'pause':
      case 'resume':
      case 'nudge':
      case 'retry':
      case 'cancel':
      case 'lateDone':
      case 'oldHeartbeat':
      case 'rubbish':
        return { after, fault: { do: kind, bead: bead() } };
      default:
        return { after, fault: { do: kind, host: host() } };
    }
  });
  const maxAgents = whole(1, 3);
  return { seed, hosts, maxAgents, beads, steps: withRefusals(seed, steps) };
}

/** Drawn by numbers of their own: what else happens on the day of a seed stays what it was. */
function withRefusals(seed: number, steps: readonly Step[]): Step[] {
  const next = seeded(~seed);
  const all = [...steps];
  if (next() >= 0.25) return all;
  const begin = Math.floor(next() * all.length);
  all.splice(begin, 0, { after: 0, fault: { do: 'remoteRefuses', mayPass: next() < 0.7 } });
  if (next() < 0.7) all.splice(begin + 1 + Math.floor(next() * (all.length - begin)), 0, takes(next() * 40 * minute));
  return all;
}

const takes = (after: number): Step => ({ after: Math.floor(after), fault: { do: 'remoteTakes' } });

function agent(whole: (low: number, high: number) => number, pick: <T>(list: readonly [T, ...T[]]) => T): AgentScript {
  const ends = pick<AgentScript['ends']>([
    'done',
    'done',
    'done',
    'no_changes',
    'escalated',
    'rate_limited',
    'auth_failed',
    'crashed',
    'silently',
    'killed',
  ]);
  const script: AgentScript = {
    coldStart: pick([whole(1_000, 5_000), whole(60_000, 15 * minute)]),
    works: whole(minute, 25 * minute),
    ends: ends ?? 'done',
    heedsMessages: pick([true, false]),
    ignoresSigterm: pick([false, false, true]),
  };
  if (ends === 'rate_limited') script.retryAfter = whole(minute, 20 * minute);
  if (ends === 'killed') script.changesNothing = pick([false, true]);
  if (pick([false, false, true]))
    script.silence = {
      from: whole(0, 10 * minute),
      until: pick([true, false]) ? whole(10 * minute, 40 * minute) : undefined,
    };
  return script;
}
