import { seeded } from '../../agents/seeded.js';
import type { Clocks } from '../../contract/index.js';

/**
 * The clocks of a chaos run: the defaults about a tenth as long (`maxRuntime` aside), so that ten minutes hold what a
 * day does otherwise. Their proportions hold (`clocksProblem`); none is so short that a machine with two busy cores
 * breaks it by being slow.
 */
export const chaosClocks: Clocks = {
  beatEvery: 1_000,
  heartbeatTimeout: 10_000,
  signalEvery: 5_000,
  firstProgressWithin: 90_000,
  stalledAfter: 60_000,
  stopSilentAfter: 180_000,
  adoptWithin: 15_000,
  leaseFor: 25_000,
  giveUpAfter: 50_000,
  maxRuntime: 7_200_000,
  checkpointEvery: 5_000,
  stopGrace: 2_000,
};

/**
 * What can go wrong. `…-kill` is a SIGKILL; `…-freeze` a SIGSTOP, and a SIGCONT after `lasts`; killed workers and
 * servers are started again after `lasts`.
 */
export const faultKinds = [
  'worker-kill',
  'worker-freeze',
  'runner-kill',
  'runner-freeze',
  'agent-kill',
  'agent-freeze',
  /** Runner and agent at once. */
  'attempt-kill',
  /** A power cut: the worker and all runners and agents of a host. */
  'host-kill',
  /** A laptop that sleeps: the same, and all wake up at once. */
  'host-freeze',
  'server-kill',
  'server-freeze',
  /** A remote takes no pushes: see `refusals`. */
  'remote-refuses',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** How a remote refuses: all that is pushed, whoever holds that token, names of ours, or by not being there. */
export const refusals = ['read-only', 'token-expired', 'ref-restricted', 'gone'] as const;
export type Refusal = (typeof refusals)[number];

export interface FaultPlan {
  kind: FaultKind;
  /** Milliseconds from the start of the faults. */
  at: number;
  /** Milliseconds until it is made good again; kills of runners and agents are made good by nobody but the town. */
  lasts: number;
  /** From 0 up to 1: which of those that are there when its time has come. */
  pick: number;
  /** A remote that refuses does so until finished work of a bead has met it, at most 90 s longer. */
  untilMet?: boolean;
}

export interface BeadPlan {
  bead: string;
  /** Index of its repository. */
  repo: number;
  /** Milliseconds from the start of the faults. */
  slingAt: number;
  steps: number;
  stepMs: number;
  commits: number;
  seed: number;
  ignoreSigterm: boolean;
}

export interface ChaosPlan {
  seed: number;
  hosts: number;
  maxAgents: number;
  repos: number;
  /** Repositories with a number below this have a rig and are merged; the work in the others is only pushed. */
  rigs: number;
  beads: BeadPlan[];
  faults: FaultPlan[];
  /**
   * Milliseconds after the last bead was slung and the last fault has ended, within which everything must have come to
   * its end.
   */
  settleWithin: number;
}

export interface ChaosSize {
  seed: number;
  minutes: number;
  beads: number;
  repos: number;
  hosts: number;
  /** Faults of these kinds only; of all when absent. */
  kinds?: readonly FaultKind[] | undefined;
}

/** How often which fault comes, among all. Attempts are what there is most of. */
const weights: Record<FaultKind, number> = {
  'worker-kill': 4,
  'worker-freeze': 3,
  'runner-kill': 4,
  'runner-freeze': 3,
  'agent-kill': 3,
  'agent-freeze': 2,
  'attempt-kill': 3,
  'host-kill': 2,
  'host-freeze': 2,
  'server-kill': 2,
  'server-freeze': 1,
  'remote-refuses': 5,
};

/** Faults take this part of the time; in the rest all comes to its end. */
const faultyPart = 0.65;
/** One fault in so many milliseconds: the town is to get on in between. */
const faultEvery = 7_000;
const maxAgents = 4;

/** @returns what is done in a run: the same for the same numbers. */
export function chaosPlan({ seed, minutes, beads, repos, hosts, kinds = faultKinds }: ChaosSize): ChaosPlan {
  const random = seeded(seed);
  const between = (from: number, to: number): number => Math.round(from + random() * (to - from));
  const faultsFor = minutes * 60_000 * faultyPart;
  const faults: FaultPlan[] = [];
  for (let at = between(4_000, 10_000); at < faultsFor; at += between(faultEvery * 0.4, faultEvery * 1.6)) {
    const kind = weighted(random(), kinds);
    const fault = { kind, at, lasts: Math.min(lasts(kind, between), Math.max(2_000, faultsFor - at)), pick: random() };
    // Few agents end in half a minute: a remote that took pushes again by then would have refused nobody.
    faults.push(kind === 'remote-refuses' ? { ...fault, untilMet: true } : fault);
  }
  // Work for all places through most of the faults: the time of an agent is that of a place, shared by the beads that
  // come to it.
  const each = (faultsFor * Math.min(hosts * maxAgents, beads)) / beads;
  return {
    seed,
    hosts,
    maxAgents,
    repos,
    rigs: Math.ceil(repos / 2),
    faults,
    beads: Array.from({ length: beads }, (_, index): BeadPlan => {
      const stepMs = between(400, 1_500);
      const steps = Math.max(6, Math.round((each * (0.5 + random() * 0.6)) / stepMs));
      return {
        bead: `b${index + 1}`,
        repo: index % repos,
        slingAt: index < beads / 2 ? 0 : between(0, faultsFor * 0.5),
        steps,
        stepMs,
        commits: between(3, Math.min(steps, 12)),
        seed: between(1, 1_000_000),
        ignoreSigterm: random() < 0.15,
      };
    }),
    settleWithin: Math.max(240_000, minutes * 45_000),
  };
}

function weighted(at: number, kinds: readonly FaultKind[]): FaultKind {
  let left = at * kinds.reduce((sum, kind) => sum + weights[kind], 0);
  for (const kind of kinds) {
    left -= weights[kind];
    if (left < 0) return kind;
  }
  return kinds[0] ?? 'agent-kill';
}

function lasts(kind: FaultKind, between: (from: number, to: number) => number): number {
  const { heartbeatTimeout, giveUpAfter } = chaosClocks;
  switch (kind) {
    case 'runner-kill':
    case 'agent-kill':
    case 'attempt-kill':
      return 0;
    case 'agent-freeze':
      return between(2_000, 40_000);
    case 'server-kill':
    case 'server-freeze':
      return between(1_000, 20_000);
    case 'remote-refuses':
      return between(5_000, 40_000);
    case 'worker-kill':
    case 'host-kill':
      return between(500, 25_000);
    case 'worker-freeze':
    case 'runner-freeze':
    case 'host-freeze':
      // One in three outlasts the bead's patience: somebody else goes on, and the frozen one comes back.
      return between(0, 2) === 0 ? between(giveUpAfter, giveUpAfter * 1.5) : between(2_000, heartbeatTimeout * 3);
  }
}
