/** Lives of a bead at random: for the properties that hold in all of them, and for the page that draws them. */
import fc from 'fast-check';
import { heartbeatKinds, limits, outcomes } from '../../../src/contract/index.js';
import type {
  AttemptResult,
  BeadInput,
  BeadState,
  BeatPhase,
  Evidence,
  HeartbeatKind,
  Outcome,
} from '../../../src/contract/index.js';
import { initialBead, nextBeadDeadline, readByRules, stepBead } from '../../../src/domain/index.js';
import type { BeadEvent } from '../../../src/domain/index.js';

const input: BeadInput = { bead: 'b', title: 'A bead', repo: '/r', agent: { adapter: 'demo' } };

/** Whose words an event brings. */
type Voice = 'current' | 'old' | 'unknown';
const voice = fc.constantFrom<Voice>('current', 'current', 'current', 'old', 'unknown');
const host = fc.constantFrom('h1', 'h1', 'h1', 'h2');

/** What may happen to a bead, before it is an event of its state. */
export type Happening =
  | {
      kind: 'heartbeat';
      of: Voice;
      beat: HeartbeatKind;
      host: string | undefined;
      acknowledges: boolean;
      saves: boolean | undefined;
    }
  | { kind: 'accepted'; of: Voice; host: string }
  | { kind: 'silent'; of: Voice; phase: BeatPhase | undefined; host: string }
  | { kind: 'unreachable' | 'unwatched' | 'adopting' | 'note' | 'escalation'; of: Voice }
  | { kind: 'heldElsewhere'; of: Voice; host: string }
  | { kind: 'ended'; of: Voice; outcome: Outcome }
  | { kind: 'evidence' | 'salvaged'; verdict: Evidence['verdict'] }
  | { kind: 'pauseTold'; of: Voice; paused: boolean }
  | { kind: 'retry'; now: boolean }
  | { kind: 'outage'; ms: number }
  | { kind: 'dispatch' | 'tick' | 'atDeadline' | 'malformed' | 'pause' | 'resume' | 'nudge' | 'cancel' | 'renewed' };

const phases: readonly BeatPhase[] = [
  'accepted',
  'cloning',
  'worktree',
  'fencing',
  'spawning',
  'running',
  'frozen',
  'paused',
  'stopping',
];
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.record({
      kind: fc.constant('heartbeat' as const),
      of: voice,
      beat: fc.constantFrom(...heartbeatKinds),
      host: fc.option(host, { nil: undefined }),
      acknowledges: fc.boolean(),
      saves: fc.constantFrom(undefined, undefined, undefined, false, true),
    }),
  },
  { weight: 25, arbitrary: fc.constant({ kind: 'dispatch' as const }) },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant('accepted' as const), of: voice, host }) },
  {
    weight: 15,
    arbitrary: fc.record({
      kind: fc.constant('silent' as const),
      of: voice,
      phase: fc.option(fc.constantFrom(...phases), { nil: undefined }),
      host,
    }),
  },
  {
    weight: 15,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'unreachable' as const,
        'unwatched' as const,
        'adopting' as const,
        'note' as const,
        'escalation' as const,
      ),
      of: voice,
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('heldElsewhere' as const), of: voice, host }) },
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constant('ended' as const),
      of: voice,
      outcome: fc.oneof(fc.constant<Outcome>('done'), fc.constantFrom(...outcomes), fc.constantFrom(...outcomes)),
    }),
  },
  {
    weight: 15,
    arbitrary: fc.record({
      kind: fc.constantFrom('evidence' as const, 'salvaged' as const),
      verdict: fc.constantFrom('verified' as const, 'missing' as const, 'differs' as const, 'no_changes' as const),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('pauseTold' as const), of: voice, paused: fc.boolean() }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('retry' as const), now: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('outage' as const), ms: fc.integer({ min: 90_000, max: 86_400_000 }) }),
  },
  {
    weight: 40,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'tick' as const,
        'atDeadline' as const,
        'atDeadline' as const,
        'pause' as const,
        'resume' as const,
        'nudge' as const,
        'malformed' as const,
        'renewed' as const,
      ),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'cancel' as const }) },
);
const wait = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 5_000 }),
  fc.integer({ min: 60_000, max: 720_000 }),
  fc.integer({ min: 720_000, max: 4 * 3_600_000 }),
);
export const life = fc.array(fc.record({ happening, after: wait }), { minLength: 20, maxLength: 80, size: 'max' });

/** The workflow's own rule for a dispatch; all other events may come at any time, from anybody. */
export const mayDispatch = (state: BeadState): boolean =>
  state.status === 'open' &&
  state.current === undefined &&
  state.wait === undefined &&
  !state.paused &&
  state.salvage === undefined &&
  !state.cancelling;

/** What happens, as an event of this very state; undefined when it cannot be. */
function eventOf(state: BeadState, what: Happening, now: number): BeadEvent | undefined {
  const id = (of: Voice): string =>
    of === 'current'
      ? (state.current?.id ?? '999-nobody00')
      : of === 'old'
        ? (state.attempts.at(-1)?.id ?? '998-nobody00')
        : '997-stranger';
  const evidence = (verdict: Evidence['verdict']): Evidence =>
    verdict === 'verified'
      ? { verdict, branch: 'x', sha: 'a'.repeat(40), baseSha: 'b'.repeat(40), ahead: 1 }
      : verdict === 'differs' || verdict === 'unrelated' || verdict === 'unvouched'
        ? { verdict, reason: 'another', found: 'c'.repeat(40) }
        : { verdict, reason: 'none' };
  switch (what.kind) {
    case 'heartbeat':
      return {
        type: 'heartbeat',
        signal: {
          attempt: id(what.of),
          kind: what.beat,
          host: what.host,
          acknowledged: what.acknowledges ? state.messages.map((message) => message.id) : undefined,
          checkpoint:
            what.saves === undefined
              ? undefined
              : { sha: 'd'.repeat(40), ref: 'refs/x', wip: true, gained: what.saves },
        },
      };
    case 'accepted':
      return { type: 'accepted', signal: { attempt: id(what.of), host: what.host } };
    case 'silent':
      return {
        type: 'silent',
        attempt: id(what.of),
        details:
          what.phase === undefined ? undefined : { host: what.host, attempt: id(what.of), phase: what.phase, text: '' },
      };
    case 'unreachable':
    case 'unwatched':
      return { type: what.kind, attempt: id(what.of), text: 'nobody answers' };
    case 'adopting':
      return { type: 'adopting', attempt: id(what.of) };
    case 'note':
    case 'escalation':
      return { type: 'note', note: { attempt: id(what.of), text: 'hm', kind: what.kind } };
    case 'heldElsewhere':
      return { type: 'heldElsewhere', attempt: id(what.of), host: what.host };
    case 'ended': {
      const result: AttemptResult = {
        attempt: id(what.of),
        outcome: what.outcome,
        reason: 'so it was',
        host: 'h1',
        branch: what.outcome === 'done' ? 'x' : undefined,
        sha: what.outcome === 'done' ? 'a'.repeat(40) : undefined,
      };
      return { type: 'ended', result };
    }
    case 'evidence':
      return { type: 'evidence', evidence: evidence(what.verdict) };
    case 'salvaged':
      return { type: 'salvaged', evidence: evidence(what.verdict) };
    case 'pauseTold':
      return { type: 'pauseTold', attempt: id(what.of), paused: what.paused };
    case 'retry':
      return { type: 'retry', now: what.now };
    case 'outage':
      return { type: 'outage', ms: what.ms };
    case 'nudge':
      return state.messages.length < limits.messagesKept
        ? { type: 'nudge', message: { id: `m${now}`, text: 'go on', from: 'operator', at: now } }
        : undefined;
    case 'malformed':
      return { type: 'malformed', message: 'heartbeat', problem: 'rubbish' };
    case 'dispatch':
      // Also in the middle of an attempt: it must not be heard there.
      return mayDispatch(state) || state.current !== undefined
        ? { type: 'dispatched', attempt: `${state.attemptCount + 1}-${'abcdefgh'}` }
        : undefined;
    case 'atDeadline':
      return { type: 'tick' };
    default:
      return { type: what.kind };
  }
}

const freeze = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(freeze);
  }
  return value;
};

/** One step of a life. */
export interface Moment {
  before: BeadState;
  event: BeadEvent;
  after: BeadState;
  now: number;
}

/** Lives a life; the state is frozen before each step, so that a step that changed it would throw. */
export function live(given: readonly { happening: Happening; after: number }[], look: (moment: Moment) => void): void {
  let now = 1_000_000;
  let state = freeze(stepBead(initialBead(input, now), { type: 'tick' }, now));
  for (const { happening: what, after } of given) {
    const event = eventOf(state, what, now);
    if (event === undefined) continue;
    now = what.kind === 'atDeadline' ? Math.max(nextBeadDeadline(state)?.at ?? now, now) : now + after;
    // As the workflow reads it.
    const next = freeze(
      stepBead(
        state,
        readByRules(state, event, () => true),
        now,
      ),
    );
    look({ before: state, event, after: next, now });
    state = next;
  }
}
