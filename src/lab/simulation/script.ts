/**
 * One simulated day of a town, written down: what its agents do, and what goes wrong when. Plain JSON, so that a
 * failing one can be kept, cut down and played again.
 * @module
 */
import { seeded } from '../../agents/seeded.js';
import { convoyPolicies, convoyTargets } from '../../contract/index.js';
import type { ConvoyPolicy, ConvoyTarget } from '../../contract/index.js';
import type { AgentScript } from '../../testing/index.js';

const fleetFaults = [
  'pauseRig',
  'resumeRig',
  'startConvoy',
  'pauseConvoy',
  'resumeConvoy',
  'retryConvoyBead',
  'cancelConvoy',
] as const;
export type FleetFault = (typeof fleetFaults)[number];

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
  | { do: 'serverAway' | 'serverBack' }
  /** What operators do to a rig and a convoy. */
  | { do: FleetFault };

/** Rigs for all beads of the day, and perhaps a convoy; only the model plays them. */
export interface FleetScript {
  /** How many agents each rig runs at once. */
  maxAgents: number;
  /** How many share the beads out among themselves, and the first has the convoy; one when absent. */
  rigs?: number;
  convoy?: {
    /** For each of its beads, the ones before it that it needs. */
    needs: number[][];
    /** For each, what its attempts do. */
    agents: AgentScript[][];
    policy: ConvoyPolicy;
    target: ConvoyTarget;
    staged: boolean;
  };
}

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
  fleet?: FleetScript;
  steps: Step[];
}

const minute = 60_000;

type Drawn = Exclude<Fault['do'], 'remoteRefuses' | 'remoteTakes' | FleetFault>;
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
  const script: Script = { seed, hosts, maxAgents, beads, steps: withRefusals(seed, steps) };
  return server ? withFleet(script) : script;
}

/** One day in three has a rig, and two in three of these a convoy; likewise drawn by numbers of their own. */
function withFleet(script: Script): Script {
  const next = seeded(script.seed ^ 0x2545f491);
  const whole = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  const pick = <T>(list: readonly [T, ...T[]]): T => list[Math.floor(next() * list.length)] ?? list[0];
  if (next() >= 1 / 3) return script;
  const fleet: FleetScript = { maxAgents: whole(1, 3) };
  if (next() < 2 / 3) {
    const needs = Array.from({ length: whole(1, 4) }, (_, n) =>
      Array.from({ length: n }, (__, m) => m).filter(() => next() < 0.5),
    );
    const agents = needs.map(() =>
      Array.from({ length: whole(1, 2) }, (): AgentScript => {
        const drawn = agent(whole, pick);
        return next() < 0.6 ? { ...drawn, ends: 'done', silence: undefined } : drawn;
      }),
    );
    for (const list of agents) if (!mayEnd(list)) list.push({ works: minute, ends: 'done' });
    fleet.convoy = { needs, agents, policy: pick(convoyPolicies), target: pick(convoyTargets), staged: next() < 0.2 };
  }
  const steps = [...script.steps];
  // Those of the convoy come after the others.
  const beads = script.beads.length + (fleet.convoy?.needs.length ?? 0);
  for (let more = whole(0, 5); more > 0; more -= 1)
    steps.splice(whole(0, steps.length), 0, {
      after: pick([whole(0, minute), whole(minute, 40 * minute)]),
      fault:
        next() < 0.6
          ? { do: pick(fleetFaults) }
          : { do: pick(['cancel', 'cancel', 'pause', 'resume', 'retry', 'killRunner']), bead: whole(0, beads - 1) },
    });
  return { ...script, fleet, steps };
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
