import { clocksForAnyBuild, defaultPriority, readClocks } from '../../contract/index.js';
import type { BeadInput, BeadState, Landing } from '../../contract/index.js';
import { mergeBudgets, mergeClocks } from '../clocks.js';

/** @returns the state of a bead at its start. The input has been checked (`beadInputProblem`). */
export function initialBead(input: BeadInput, now: number): BeadState {
  return {
    bead: input.bead,
    title: input.title,
    repo: input.repo,
    base: input.base,
    priority: input.priority ?? defaultPriority,
    rig: input.rig,
    convoy: input.convoy,
    agentSpec: input.agent,
    clocks: mergeClocks(input.clocks),
    budgets: mergeBudgets(input.budgets),
    ownClocks: input.clocks && readClocks(input.clocks),
    ownBudgets: input.budgets,
    landing:
      input.rig === undefined
        ? undefined
        : { grant: 'none', approval: false, target: input.target, startSha: input.baseSha },
    createdAt: now,
    status: 'open',
    agent: 'none',
    reason: 'just slung',
    paused: false,
    cancelling: false,
    attempts: [],
    attemptCount: 0,
    used: { agentFailures: 0, infraLosses: 0, reworkRounds: 0 },
    lossRule: 'saved',
    paceRule: 'spaced',
    firstLossRule: 'at once',
    notes: [],
    messages: [],
    strays: 0,
    malformed: 0,
    heartbeats: 0,
    story: [{ at: now, text: 'slung' }],
    runs: 1,
  };
}

/** @returns the state that another run has left, or that a query tells, of this build or an earlier one. */
export const carriedBead = (state: BeadState): BeadState => withGrants(withClocks(state, readClocks));

/**
 * @returns the input of the next run, which may be one of an earlier build: an upgrade can be rolled back. Hence the
 * former names. The clocks of the first input are in the state, and an earlier build would refuse names there that it
 * does not know.
 */
export const nextBeadInput = (input: BeadInput, state: BeadState): BeadInput => ({
  ...input,
  clocks: undefined,
  carried: withSlots(withClocks(state, clocksForAnyBuild)),
});

/** A state as earlier builds have it, which called both a *slot*: the grant of a rig, and the place on a host. */
interface FormerNames {
  landing?: { slot?: Landing['grant'] };
  wait?: { for: string };
}

function withGrants(state: BeadState): BeadState {
  const { landing, wait } = state as FormerNames;
  const { slot, ...rest } = landing ?? {};
  return {
    ...state,
    landing: state.landing && { ...(rest as Landing), grant: slot ?? state.landing.grant },
    wait: wait?.for === 'slot' ? ({ ...wait, for: 'place' } as BeadState['wait']) : state.wait,
  };
}

/** By the former name alone: beside the new one an earlier build would leave that as it was. */
function withSlots(state: BeadState): BeadState {
  const { grant, ...rest } = state.landing ?? {};
  const former: FormerNames = {
    landing: state.landing && { ...rest, slot: grant },
    wait: state.wait?.for === 'place' ? { ...state.wait, for: 'slot' } : state.wait,
  };
  return { ...state, ...(former as Pick<BeadState, 'landing' | 'wait'>) };
}

const withClocks = (state: BeadState, named: <C extends Partial<BeadState['clocks']>>(clocks: C) => C): BeadState => ({
  ...state,
  clocks: named(state.clocks),
  ownClocks: state.ownClocks && named(state.ownClocks),
});
