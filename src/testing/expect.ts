/** Assertions in the words of the domain. Each throws an `AssertionError` that tells what was seen. @module */
import { AssertionError } from 'node:assert';
import type { AgentStatus, BeadStatus } from '../contract/index.js';
import type { Status, TownBead } from './town-bead.js';

function fail(message: string): never {
  throw new AssertionError({ message, stackStartFn: fail });
}

const tell = (bead: TownBead, statuses: readonly Status[] = bead.statuses): string =>
  statuses
    .map(
      ({ at, bead: status, agent }) => `  +${((at - bead.slungAt) / 60_000).toFixed(1)} min: ${status}, agent ${agent}`,
    )
    .join('\n');

/** Exactly one agent process was ever spawned for it, by anybody. */
export function expectOneAgent(bead: TownBead): void {
  if (bead.agents.length !== 1)
    fail(
      `bead ${bead.id} had ${bead.agents.length} agents: ` +
        `${bead.agents.map(({ attempt, host }) => `${attempt} on ${host}`).join(', ')}`,
    );
}

/** At no moment did two agents run for it; a frozen one cannot touch anything. */
export function expectNeverTwoAgents(bead: TownBead): void {
  if (bead.maxAgentsAtOnce > 1)
    fail(
      `bead ${bead.id} had ${bead.maxAgentsAtOnce} agents running at once: ` +
        `${bead.agents.map(({ attempt, host }) => `${attempt} on ${host}`).join(', ')}`,
    );
}

/** Once it was in progress it was never offered for work again. */
export function expectNeverOpenAgain(bead: TownBead): void {
  const begun = bead.statuses.findIndex(({ bead: status }) => status === 'in_progress');
  if (begun === -1) fail(`bead ${bead.id} was never in progress:\n${tell(bead)}`);
  if (bead.statuses.slice(begun).some(({ bead: status }) => status === 'open'))
    fail(`bead ${bead.id} was reset to open:\n${tell(bead)}`);
}

/**
 * From its first heartbeat to its end, no other agent status than `working` was ever shown while it was in progress.
 */
export function expectWorkingThroughout(bead: TownBead): void {
  const since = bead.statuses.findIndex(({ agent }) => agent === 'working');
  if (since === -1) fail(`the agent of bead ${bead.id} was never shown working:\n${tell(bead)}`);
  if (bead.statuses.slice(since).some(({ bead: status, agent }) => status === 'in_progress' && agent !== 'working'))
    fail(`the agent of bead ${bead.id} was not working all the time:\n${tell(bead)}`);
}

/** What it is now, as operators see it. */
export async function expectStatus(bead: TownBead, status: BeadStatus, agent?: AgentStatus): Promise<void> {
  const state = await bead.state();
  if (state.status !== status || (agent !== undefined && state.agent !== agent)) {
    fail(
      `bead ${bead.id} is ${state.status} with agent ${state.agent}, not ` +
        `${status}${agent === undefined ? '' : ` with agent ${agent}`}: ${state.reason}\n${tell(bead)}`,
    );
  }
}

/** The agent statuses it has shown, in order, without repetitions. */
export function agentStatuses(bead: TownBead): AgentStatus[] {
  return bead.statuses.map(({ agent }) => agent).filter((agent, index, all) => agent !== all[index - 1]);
}
