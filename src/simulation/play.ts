/**
 * Plays a script on a town under virtual time, over the real workflows, and checks after every step what must always hold.
 * @module
 */
import { isFinal, messages } from '../contract/index.js';
import type { BeadView } from '../contract/index.js';
import type { Town, TownBead, World } from '../testing/index.js';
import type { Fault, Script } from './script.js';

/** A rule that did not hold. */
export class Broken extends Error {}

/** When all faults are over, so much virtual time is enough for every bead to end, or to be blocked with a reason. */
const settlesWithin = 48 * 3_600_000;

/** @throws {Broken} when a rule does not hold. @returns what happened, for the sums at the end. */
export async function play(world: World, script: Script): Promise<{ attempts: number; strays: number; statuses: string[] }> {
  const town = await world.town({ hosts: Array.from({ length: script.hosts }, (_, n) => `host${n}`), maxAgents: script.maxAgents, beatStep: '45s', budgets: { agentFailures: 3 } });
  try {
    const beads: TownBead[] = [];
    for (const agents of script.beads) {
      const [first = {}, ...more] = agents;
      beads.push(await town.sling({ agent: [first, ...more] }));
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
    return { attempts: views.reduce((sum, { attempts }) => sum + attempts.length, 0), strays: views.reduce((sum, { strays }) => sum + strays, 0), statuses: views.map(({ status }) => status) };
  } finally {
    await town.close();
  }
}

async function cause(town: Town, beads: TownBead[], fault: Fault, script: Script): Promise<void> {
  switch (fault.do) {
    case 'remoteAway':
    case 'remoteBack':
      town.remote.away = fault.do === 'remoteAway';
      return;
    case 'partition':
      return town.host(`host${fault.host}`).partition({ remoteToo: fault.remoteToo });
    case 'revive':
    case 'reviveEmpty':
      return town.host(`host${fault.host}`).revive({ emptyDisk: fault.do === 'reviveEmpty' });
    case 'freezeWorker':
    case 'thawWorker':
    case 'killWorker':
    case 'startWorker':
    case 'die':
    case 'heal':
    case 'loseNextReport':
      return void town.host(`host${fault.host}`)[fault.do]();
    default: {
      const bead = beads[fault.bead];
      if (bead !== undefined && !bead.ended) await meddle(town, bead, fault.do, script.hosts);
    }
  }
}

async function meddle(town: Town, bead: TownBead, what: Extract<Fault, { bead: number }>['do'], hosts: number): Promise<void> {
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
      await (what === 'nudge' ? bead.nudge('how is it going?') : what === 'retry' ? bead.retry() : what === 'pause' ? bead.pause() : bead.resume()).catch((error: unknown) => {
        if (!(error instanceof Error) || error.name !== 'WorkflowUpdateFailedError') throw error;
      });
  }
}

/** All faults are over: every machine is up and reachable, nobody is paused. */
async function mend(town: Town, beads: TownBead[], script: Script): Promise<void> {
  town.remote.away = false;
  for (let n = 0; n < script.hosts; n += 1) {
    const host = town.host(`host${n}`);
    host.heal();
    host.thawWorker();
    host.startWorker();
  }
  for (const bead of beads) if (!bead.ended && (await bead.state()).paused) await meddle(town, bead, 'resume', script.hosts);
  await town.settle();
}

async function finish(town: Town, beads: TownBead[]): Promise<void> {
  const until = town.clock.now() + settlesWithin;
  for (;;) {
    const views = await check(beads);
    if (views.every(({ status }) => isFinal(status) || status === 'blocked')) break;
    if (town.clock.now() > until) throw new Broken(`two days after the last fault a bead is neither ended nor blocked: ${JSON.stringify(views.map(({ bead, status, agent, reason, wait }) => ({ bead, status, agent, reason, wait })))}`);
    await town.advance('10m');
  }
  // What is over stays over: no agent may be left, and no late word may change anything.
  await town.advance('1h');
  for (const bead of beads) {
    const living = bead.agents.filter(({ endedAt }) => endedAt === undefined);
    if (living.length > 0) throw new Broken(`bead ${bead.id} has come to rest, and an agent of it still lives: ${living.map(({ attempt, host }) => `${attempt} on ${host}`).join(', ')}`);
  }
}

/** What holds at every moment, whatever happens. */
async function check(beads: TownBead[]): Promise<BeadView[]> {
  return Promise.all(beads.map(async (bead) => {
    const view = await bead.state();
    const broken = problemOf(bead, view);
    if (broken !== undefined) throw new Broken(`bead ${bead.id}: ${broken}`);
    return view;
  }));
}

/** @returns the rule that a bead breaks at this moment, in words. */
export function problemOf(bead: Pick<TownBead, 'maxAgentsAtOnce' | 'statuses'>, view: BeadView): string | undefined {
  const { attempts, used, status, current, wait, deadline, branch } = view;
  if (bead.maxAgentsAtOnce > 1) return `${bead.maxAgentsAtOnce} agents ran at once`;
  const silent = attempts.find(({ outcome, reason }) => outcome === undefined || reason === undefined || reason === '');
  if (silent !== undefined) return `attempt ${silent.id} ended without a reason`;
  const blamed = attempts.find(({ outcome, countedAs }) => outcome === 'lost' && countedAs === 'agent');
  if (blamed !== undefined) return `attempt ${blamed.id} was lost by the infrastructure, and the agent was blamed`;
  if (status === 'closed' && branch === undefined && !attempts.some(({ outcome }) => outcome === 'no_changes')) return 'closed without evidence';
  if (used.agentFailures > attempts.filter(({ countedAs }) => countedAs === 'agent').length) return `${used.agentFailures} failures of agents are counted, more than there were`;
  if (!isFinal(status) && current === undefined && wait === undefined && deadline === undefined && status !== 'in_review') return `${status} with nothing to wait for`;
  if (status === 'blocked' && view.reason === '') return 'blocked without a reason';
  const reset = bead.statuses.find(({ bead: shown, agent }) => shown === 'open' && agent === 'working');
  return reset === undefined ? undefined : 'open while its agent works';
}
