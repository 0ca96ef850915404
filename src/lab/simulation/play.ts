/**
 * Plays a script on a town under virtual time, and checks after every step what must always hold.
 * @module
 */
import { isFinal, messages } from '../../contract/index.js';
import type { BeadView, Clocks, ConvoyState, ConvoyStatus, RigState } from '../../contract/index.js';
import { personNeeded } from '../../domain/index.js';
import type { AgentLife, AgentScript, Duration, FakeHost, FakeRemote, Status, World } from '../../testing/index.js';
import { ModelTown } from './model/town.js';
import { Broken, problemOf, restProblem } from './rules.js';
import type { Fault, FleetFault, FleetScript, Script } from './script.js';

/** A bead, as far as a script needs it: one of the test kit's (the real workflow on a server), or one of the model. */
export interface PlayedBead {
  readonly id: string;
  readonly ended: boolean;
  readonly agents: readonly AgentLife[];
  readonly maxAgentsAtOnce: number;
  readonly statuses: readonly Status[];
  state(): Promise<BeadView>;
  cancel(): Promise<void>;
  signal(name: string, payload: unknown): Promise<void>;
  nudge(text: string): Promise<string>;
  retry(): Promise<string>;
  pause(): Promise<string>;
  resume(): Promise<string>;
}

/** Likewise a town. */
export interface PlayedTown {
  readonly clock: { now(): number };
  readonly remote: Pick<FakeRemote, 'away' | 'refuses'>;
  /** Takes Temporal away, or brings it back; absent where that cannot be. */
  server?(away: boolean): Promise<void>;
  readonly serverAway?: boolean;
  /** Rig and convoy, and all beads, those of the convoy too; absent where they are not played. */
  addFleet?(fleet: FleetScript): void;
  readonly playedFleet?: PlayedFleet | undefined;
  readonly beads?: readonly PlayedBead[];
  lives?(workflowId: string): boolean;
  host(name: string): FakeHost;
  sling(options: { agent: readonly [AgentScript, ...AgentScript[]] }): Promise<PlayedBead>;
  advance(duration: Duration): Promise<void>;
  settle(): Promise<void>;
  /** All faults are over: what was drawn by chance goes well from now on. */
  mended?(): void;
  close(): Promise<void>;
}

interface PlayedRig {
  readonly state: RigState;
  pause(): void;
  resume(): void;
}

export interface PlayedFleet {
  /** The first one, which operators turn to. */
  readonly rig: PlayedRig;
  readonly rigs: readonly PlayedRig[];
  readonly convoy:
    | (Record<'start' | 'pause' | 'resume' | 'cancel' | 'retryBead', () => void> & { readonly state: ConvoyState })
    | undefined;
}

export interface Played {
  attempts: number;
  strays: number;
  statuses: string[];
  /** How its convoy stands at the end. */
  convoy?: ConvoyStatus;
}

const setting = { budgets: { agentFailures: 3 } };
const hostsOf = (script: Script): string[] => Array.from({ length: script.hosts }, (_, n) => `host${n}`);

/** The default clocks; a beat just before the timeout costs the fewest steps. */
const quick = { beatStep: 80_000 };
/**
 * Two days in three live by slower clocks, as a large fleet would set them: what runs well costs fewer steps, and what
 * goes wrong meets other numbers than the defaults.
 */
const slower = {
  beatStep: 170_000,
  clocks: { heartbeatTimeout: 180_000, signalEvery: 240_000, stalledAfter: 600_000 },
};

/** On the real workflows and a time-skipping server. @throws {Broken} when a rule does not hold. */
export async function playOnServer(world: World, script: Script): Promise<Played> {
  return play(
    await world.town({
      hosts: hostsOf(script),
      maxAgents: script.maxAgents,
      sharedWorker: true,
      ...setting,
      ...(script.seed % 3 === 0 ? quick : slower),
    }),
    script,
  );
}

/**
 * On the domain alone and a model of Temporal; the rules are looked at after every event. `steps`: how many those were.
 */
export async function playOnModel(script: Script, clocks: Partial<Clocks> = {}): Promise<Played & { steps: number }> {
  const { seed, maxAgents } = script;
  const town = new ModelTown({ hosts: hostsOf(script), maxAgents, clocks, seed, ...setting, ...quick });
  return { ...(await play(town, script)), steps: town.steps };
}

/** When all faults are over, so much virtual time is enough for every bead to end, or to be blocked with a reason. */
const settlesWithin = 48 * 3_600_000;

/** @throws {Broken} when a rule does not hold. @returns what happened, for the sums at the end. */
async function play(town: PlayedTown, script: Script): Promise<Played> {
  try {
    if (script.fleet !== undefined) town.addFleet?.(script.fleet);
    const slung: PlayedBead[] = [];
    const beads = town.beads ?? slung;
    for (const agents of script.beads) {
      const [first = {}, ...more] = agents;
      slung.push(await town.sling({ agent: [first, ...more] }));
    }
    for (const { after, fault } of script.steps) {
      await town.advance(after);
      await check(beads);
      await cause(town, beads, fault, script);
      await check(beads);
    }
    await mend(town, beads, script);
    await finish(town, beads);
    const views = await check(beads);
    return {
      attempts: views.reduce((sum, { attempts }) => sum + attempts.length, 0),
      strays: views.reduce((sum, { strays }) => sum + strays, 0),
      statuses: views.map(({ status }) => status),
      convoy: town.playedFleet?.convoy?.state.status,
    };
  } finally {
    await town.close();
  }
}

async function cause(town: PlayedTown, beads: readonly PlayedBead[], fault: Fault, script: Script): Promise<void> {
  switch (fault.do) {
    case 'remoteAway':
    case 'remoteBack':
      town.remote.away = fault.do === 'remoteAway';
      return;
    case 'remoteRefuses':
      town.remote.refuses = fault.mayPass ? 'for now' : 'by a rule';
      return;
    case 'remoteTakes':
      town.remote.refuses = undefined;
      return;
    case 'serverAway':
    case 'serverBack':
      return town.server?.(fault.do === 'serverAway');
    case 'partition':
      return town.host(`host${fault.host}`).partition({ remoteToo: fault.remoteToo });
    case 'revive':
    case 'reviveEmpty':
      return town.host(`host${fault.host}`).revive({ emptyDisk: fault.do === 'reviveEmpty' });
    case 'freezeWorker':
    case 'thawWorker':
    case 'hangWorker':
    case 'killWorker':
    case 'startWorker':
    case 'die':
    case 'heal':
    case 'cutOffRunners':
    case 'loseNextReport':
      return void town.host(`host${fault.host}`)[fault.do]();
    case 'pauseRig':
    case 'resumeRig':
    case 'startConvoy':
    case 'pauseConvoy':
    case 'resumeConvoy':
    case 'retryConvoyBead':
    case 'cancelConvoy':
      if (town.playedFleet !== undefined && town.serverAway !== true) operate(town.playedFleet, fault.do);
      return town.settle();
    default: {
      const bead = beads[fault.bead];
      if (bead !== undefined && !bead.ended) await meddle(town, bead, fault.do, script.hosts);
    }
  }
}

function operate({ rig, convoy }: PlayedFleet, what: FleetFault): void {
  switch (what) {
    case 'pauseRig':
      return rig.pause();
    case 'resumeRig':
      return rig.resume();
    case 'startConvoy':
      return convoy?.start();
    case 'pauseConvoy':
      return convoy?.pause();
    case 'resumeConvoy':
      return convoy?.resume();
    case 'retryConvoyBead':
      return convoy?.retryBead();
    case 'cancelConvoy':
      return convoy?.cancel();
    default:
      return what satisfies never;
  }
}

async function meddle(
  town: PlayedTown,
  bead: PlayedBead,
  what: Extract<Fault, { bead: number }>['do'],
  hosts: number,
): Promise<void> {
  const old = async (): Promise<string> => (await bead.state()).attempts.at(-1)?.id ?? '9-stranger';
  switch (what) {
    case 'killRunner':
      for (let n = 0; n < hosts; n += 1) town.host(`host${n}`).killRunner(bead.id);
      return;
    case 'cancel':
      return bead.cancel();
    case 'lateDone':
      return bead.signal(messages.note, { attempt: await old(), text: 'I was done long ago', kind: 'note' });
    case 'oldHeartbeat':
      return bead.signal(messages.heartbeat, { attempt: await old(), kind: 'progress' });
    case 'rubbish':
      return bead.signal(messages.heartbeat, [42]);
    default:
      // An operator may be refused; that is an answer, and has to harm nothing.
      await (
        what === 'nudge'
          ? bead.nudge('how is it going?')
          : what === 'retry'
            ? bead.retry()
            : what === 'pause'
              ? bead.pause()
              : bead.resume()
      ).catch((error: unknown) => {
        if (!(error instanceof Error) || error.name !== 'WorkflowUpdateFailedError') throw error;
      });
  }
}

/** All faults are over: every machine is up and reachable, nobody is paused. */
async function mend(town: PlayedTown, beads: readonly PlayedBead[], script: Script): Promise<void> {
  town.remote.away = false;
  town.remote.refuses = undefined;
  await town.server?.(false);
  for (let n = 0; n < script.hosts; n += 1) {
    const host = town.host(`host${n}`);
    host.heal();
    host.thawWorker();
    host.startWorker();
  }
  if (town.playedFleet !== undefined) {
    town.mended?.();
    for (const what of ['resumeRig', 'startConvoy', 'resumeConvoy'] as const) operate(town.playedFleet, what);
  }
  for (const bead of beads)
    if (!bead.ended && (await bead.state()).paused) await meddle(town, bead, 'resume', script.hosts);
  await town.settle();
}

async function finish(town: PlayedTown, beads: readonly PlayedBead[]): Promise<void> {
  const until = town.clock.now() + settlesWithin;
  const fleet = town.playedFleet;
  for (let rests = false; ;) {
    const views = await check(beads);
    const rested = rests;
    rests = views.every((view) => atRest(view, fleet)) && convoyRests(fleet);
    // What is over stays over. A rig may find that a cause is mended, and then what it had blocked begins again.
    if (rests && rested) break;
    if (town.clock.now() > until)
      throw new Broken(
        'two days after the last fault a bead is neither ended nor blocked: ' +
          JSON.stringify(views.map(({ bead, status, agent, reason, wait }) => ({ bead, status, agent, reason, wait }))),
      );
    await town.advance(rests ? '1h' : '10m');
  }
  if (fleet !== undefined) {
    // The last one of several with one id counts: it was started anew.
    const merged = new Map<string, string | undefined>();
    for (const bead of beads) merged.set(bead.id, (await bead.state()).landing?.mergedSha);
    for (const rig of fleet.rigs) {
      const problem = restProblem(
        rig.state,
        fleet.convoy?.state,
        (workflowId) => town.lives?.(workflowId) !== true,
        (bead) => merged.get(bead),
      );
      if (problem !== undefined) throw new Broken(problem);
    }
  }
  // No agent may be left, but for one that finds out whether a cause still holds.
  for (const bead of beads) {
    const { status, current } = await bead.state();
    const trying = isFinal(status) || status === 'blocked' ? undefined : current?.id;
    const living = bead.agents.filter(({ endedAt, attempt }) => endedAt === undefined && attempt !== trying);
    if (living.length > 0)
      throw new Broken(
        `bead ${bead.id} has come to rest, and an agent of it still lives: ` +
          `${living.map(({ attempt, host }) => `${attempt} on ${host}`).join(', ')}`,
      );
  }
}

/** Ended, or a person is needed: for the bead itself, or for the rig that starts nothing any more. */
function atRest({ bead, status, wait, rig }: BeadView, fleet: PlayedFleet | undefined): boolean {
  if (isFinal(status) || status === 'blocked') return true;
  const state = fleet?.rigs.find((one) => one.state.rig === rig)?.state;
  if (state?.attention !== 'stopped') return false;
  // One of them finds out now and then whether the cause still holds.
  return wait?.for === 'grant' || state.grants.some((grant) => grant.bead === bead && grant.ahead === true);
}

/** Likewise: what has not begun waits for what a person has to mend. */
function convoyRests(fleet: PlayedFleet | undefined): boolean {
  const state = fleet?.convoy?.state;
  if (fleet === undefined || state === undefined || state.endedAt !== undefined) return true;
  return personNeeded(state).length > 0 || fleet.rig.state.attention === 'stopped';
}

/** What holds at every moment, whatever happens. */
async function check(beads: readonly PlayedBead[]): Promise<BeadView[]> {
  return Promise.all(
    beads.map(async (bead) => {
      const view = await bead.state();
      const broken = problemOf(bead, view);
      if (broken !== undefined) throw new Broken(`bead ${bead.id}: ${broken}`);
      return view;
    }),
  );
}
