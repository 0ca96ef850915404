/**
 * What must hold whatever happens: after each step of a simulated day, and after each event of a modelled bead. @module
 */
import { convoyBeadId, isFinal } from '../../contract/index.js';
import type { BeadState, ConvoyState, RigState } from '../../contract/index.js';
import { mergedNeeds, nextBeadDeadline, waitingFor, wordToRig } from '../../domain/index.js';
import type { BeadEvent } from '../../domain/index.js';
import { durationText } from '../../domain/words.js';
import type { AgentLife, Status } from '../../testing/index.js';

/** A rule that did not hold. */
export class Broken extends Error {}

/** @returns the rule that a bead breaks at this moment, in words. */
export function problemOf(
  bead: { maxAgentsAtOnce: number; statuses: readonly Status[] },
  state: BeadState,
): string | undefined {
  if (bead.maxAgentsAtOnce > 1) return `${bead.maxAgentsAtOnce} agents ran at once`;
  const reset = bead.statuses.find(({ bead: shown, agent }) => shown === 'open' && agent === 'working');
  if (reset !== undefined) return 'open while its agent works';
  // At rest; while something happens, a dispatch may be about to follow, and a word to its rig may be on its way.
  const { status, current, wait, paused, cancelling, salvage, unpushed } = state;
  if (
    !isFinal(status) &&
    current === undefined &&
    wait === undefined &&
    salvage === undefined &&
    unpushed === undefined &&
    !paused &&
    !cancelling &&
    wordToRig(state) === undefined
  )
    return `${status} with nothing to wait for`;
  return stateProblem(state);
}

/** The same, as far as the state alone shows it. */
export function stateProblem(state: BeadState): string | undefined {
  const { attempts, used, status, reason } = state;
  const silent = attempts.find(({ outcome, reason: why }) => outcome === undefined || why === undefined || why === '');
  if (silent !== undefined) return `attempt ${silent.id} ended without a reason`;
  const blamed = attempts.find(({ outcome, countedAs }) => outcome === 'lost' && countedAs === 'agent');
  if (blamed !== undefined) return `attempt ${blamed.id} was lost by the infrastructure, and the agent was blamed`;
  if (status === 'closed' && (state.branch === undefined || state.sha === undefined)) return 'closed without evidence';
  if (used.agentFailures > attempts.filter(({ countedAs }) => countedAs === 'agent').length)
    return `${used.agentFailures} failures of agents are counted, more than there were`;
  if (!isFinal(status) && nextBeadDeadline(state) === undefined && waitingFor(state) === undefined)
    return `${status} with nothing to wait for`;
  if ((status === 'blocked' || isFinal(status)) && reason === '') return `${status} without a reason`;
  if (status === 'blocked' && (state.wait?.for !== 'person' || state.wait.fix === ''))
    return 'blocked, and nobody is told what to do';
  return undefined;
}

/**
 * @returns the rule that one event has just broken. `agents` are those that really run; Temporal has been there since
 * `thereSince`.
 */
export function eventProblem({
  agents,
  before,
  event,
  after,
  now,
  thereSince,
  heardAt = now,
}: {
  agents: readonly AgentLife[];
  before: BeadState;
  event: BeadEvent;
  after: BeadState;
  now: number;
  thereSince: number;
  /** When the current attempt itself gave its last sign: a beat of its runner, or a signal. */
  heardAt?: number;
}): string | undefined {
  const { current } = before;
  if (
    event.type === 'heartbeat' &&
    current !== undefined &&
    event.signal.attempt === current.id &&
    !isFinal(before.status)
  ) {
    const own =
      current.spawnedAt === undefined || event.signal.host === undefined || event.signal.host === current.host;
    if (own && after.current?.id !== current.id) return `a heartbeat ended attempt ${current.id}`;
    if (
      own &&
      (after.status !== 'in_progress' ||
        after.agent === 'suspect' ||
        after.agent === 'starting' ||
        after.agent === 'none')
    )
      return `after a fresh heartbeat it is ${after.status}, agent ${after.agent}`;
  }
  if (event.type === 'dispatched' && before.current === undefined && before.unpushed !== undefined)
    return `the finished commits of attempt ${before.unpushed.attempt} wait to be pushed, and another agent is started`;
  if (current === undefined || after.current?.id === current.id) {
    const { suspectSince, stopping } = after.current ?? {};
    const since = suspectSince === undefined ? now : Math.max(suspectSince, stopping?.at ?? 0, thereSince);
    // Every adoption may bring one more beat of a host that hangs; more than that is waiting for ever.
    if (now - since > 2 * (after.clocks.giveUpAfter + after.clocks.heartbeatTimeout))
      return `suspect for ${durationText(now - since)}, and not given up`;
    // Whatever the host says meanwhile: silence of the attempt itself ends it.
    const { spawnedAt } = after.current ?? {};
    const silent = now - Math.max(heardAt, stopping?.at ?? 0, thereSince);
    if (spawnedAt !== undefined && silent > 2 * (after.clocks.giveUpAfter + after.clocks.heartbeatTimeout))
      return `no sign of attempt ${current?.id ?? ''} itself for ${durationText(silent)}, and it is not ` + 'given up';
    return stateProblem(after);
  }
  const left = agents.find(
    ({ attempt, endedAt, frozen }) => attempt === current.id && endedAt === undefined && !frozen,
  );
  if (left !== undefined) return `attempt ${current.id} ended while its agent ran on ${left.host}`;
  const record = after.attempts.at(-1);
  const early = current.spawnedAt !== undefined && now - current.lastSignAt < before.clocks.giveUpAfter;
  if (event.type === 'tick' && record?.outcome === 'lost' && early)
    return `attempt ${current.id} was given up ${now - current.lastSignAt} ms after its last sign`;
  if (
    record?.outcome === 'lost' &&
    record.saved !== true &&
    after.used.infraLosses !== before.used.infraLosses + 1 &&
    before.lossRule === 'saved'
  )
    return `attempt ${current.id} was lost without saved work, and the loss does not count`;
  if (record?.countedAs === 'infra' && after.used.agentFailures !== before.used.agentFailures)
    return `the loss of attempt ${current.id} used up the agent's budget`;
  return stateProblem(after);
}

/** @returns the rule that a rig has just broken. */
export function rigRuleProblem(before: RigState, after: RigState): string | undefined {
  const { grants, waiting, merging, queue, settings } = after;
  if (grants.length > Math.max(before.grants.length, settings.maxAgents))
    return `${grants.length} grants, of ${settings.maxAgents}`;
  const holders = [...grants, ...waiting].map(({ bead }) => bead);
  if (new Set(holders).size < holders.length) return `a bead holds two places: ${holders.join(', ')}`;
  const targets = merging.filter(({ withdrawn }) => withdrawn !== true).map(({ target }) => target);
  if (new Set(targets).size < targets.length) return `two merges into one target: ${targets.join(', ')}`;
  const items = [...merging, ...queue].map(({ workflowId, sha }) => `${workflowId} ${sha}`);
  if (new Set(items).size < items.length) return `one commit is to be merged twice: ${items.join(', ')}`;
  return undefined;
}

/** @returns the rule that a convoy breaks. */
export function convoyRuleProblem(s: ConvoyState): string | undefined {
  const early = s.beads.find(
    (bead) => (bead.status === 'running' || bead.status === 'starting') && mergedNeeds(s, bead) === undefined,
  );
  if (early !== undefined) return `${early.id} runs before what it needs is merged`;
  const active = s.beads.filter(({ status }) => status === 'running' || status === 'starting');
  if (s.endedAt !== undefined && active.length > 0) return `it is ${s.status}, and ${active[0]?.id ?? ''} still runs`;
  const unmerged = s.beads.find(({ status }) => status !== 'merged');
  if (s.status === 'landed' && unmerged !== undefined) return `it has landed, and ${unmerged.id} is ${unmerged.status}`;
  if (s.reason === '' && s.status !== 'running') return `${s.status} without a reason`;
  return undefined;
}

/** @returns what a rig and its convoy still wait for, although nothing will come. */
export function restProblem(
  rig: RigState,
  convoy: ConvoyState | undefined,
  ended: (workflowId: string) => boolean,
  mergedAs: (bead: string) => string | undefined,
): string | undefined {
  const dead = [...rig.grants, ...rig.waiting, ...rig.queue, ...rig.merging].find(({ workflowId }) =>
    ended(workflowId),
  );
  if (dead !== undefined) return `rig ${rig.rig} still holds something for ${dead.workflowId}, which has ended`;
  if (rig.news.length > 0) return `rig ${rig.rig} has news that it does not tell`;
  const untold = convoy?.beads.find(
    ({ id, status, sha }) => (status === 'merged' ? sha : undefined) !== mergedAs(convoyBeadId(convoy.convoy, id)),
  );
  if (untold !== undefined) return `its convoy says that ${untold.id} is ${untold.status}, which the bead does not`;
  if (convoy?.ending !== undefined && convoy.endedAt === undefined)
    return `convoy ${convoy.convoy} is to end (${convoy.status}), and does not: ${convoy.reason}`;
  return undefined;
}
