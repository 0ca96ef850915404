import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { heartbeatKinds, isFinal, limits, outcomes } from '../../src/contract/index.js';
import type {
  AttemptResult,
  BeadInput,
  BeadState,
  BeatPhase,
  Evidence,
  HeartbeatKind,
  Outcome,
} from '../../src/contract/index.js';
import {
  defaultClocks,
  explain,
  readByRules,
  initialState,
  nextDeadline,
  step,
  waitingFor,
} from '../../src/domain/index.js';
import type { BeadEvent } from '../../src/domain/index.js';

const input: BeadInput = { bead: 'b', title: 'A bead', repo: '/r', agent: { adapter: 'demo' } };

/** Whose words an event brings. */
type Voice = 'current' | 'old' | 'unknown';
const voice = fc.constantFrom<Voice>('current', 'current', 'current', 'old', 'unknown');
const host = fc.constantFrom('h1', 'h1', 'h1', 'h2');

type Happening =
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
const life = fc.array(fc.record({ happening, after: wait }), { minLength: 20, maxLength: 80, size: 'max' });

/** The workflow's own rule for a dispatch; all other events may come at any time, from anybody. */
const mayDispatch = (state: BeadState): boolean =>
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
          ...(what.acknowledges ? { acknowledged: state.messages.map((message) => message.id) } : {}),
          ...(what.saves === undefined
            ? {}
            : { checkpoint: { sha: 'd'.repeat(40), ref: 'refs/x', wip: true, gained: what.saves } }),
        },
      };
    case 'accepted':
      return { type: 'accepted', signal: { attempt: id(what.of), host: what.host } };
    case 'silent':
      return {
        type: 'silent',
        attempt: id(what.of),
        ...(what.phase === undefined
          ? {}
          : { details: { host: what.host, attempt: id(what.of), phase: what.phase, text: '' } }),
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
        ...(what.outcome === 'done' ? { branch: 'x', sha: 'a'.repeat(40) } : {}),
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

interface Moment {
  before: BeadState;
  event: BeadEvent;
  after: BeadState;
  now: number;
}

/** Lives a life; the state is frozen before each step, so that a step that changed it would throw. */
function live(given: readonly { happening: Happening; after: number }[], look: (moment: Moment) => void): void {
  let now = 1_000_000;
  let state = freeze(step(initialState(input, now), { type: 'tick' }, now));
  for (const { happening: what, after } of given) {
    const event = eventOf(state, what, now);
    if (event === undefined) continue;
    now = what.kind === 'atDeadline' ? Math.max(nextDeadline(state)?.at ?? now, now) : now + after;
    // As the workflow reads it.
    const next = freeze(
      step(
        state,
        readByRules(state, event, () => true),
        now,
      ),
    );
    look({ before: state, event, after: next, now });
    state = next;
  }
}

const always = (look: (moment: Moment) => void): void => {
  fc.assert(
    fc.property(life, (given) => live(given, look)),
    { numRuns: 500 },
  );
};

it('the lives that are tried are rich: every status, every way to end, escalations and strays occur', () => {
  const seen = new Map<string, number>();
  const note = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  always(({ before, after }) => {
    if (before.status !== after.status) note(after.status);
    if (before.agent !== after.agent) note(`agent ${after.agent}`);
    for (const { outcome } of after.attempts.slice(before.attempts.length)) note(`ended ${outcome ?? ''}`);
    if (after.strays > before.strays) note('stray');
  });
  const wanted = [
    'open',
    'in_progress',
    'in_review',
    'blocked',
    'closed',
    'cancelled',
    'stray',
    ...['none', 'starting', 'working', 'stalled', 'suspect', 'paused', 'stopping'].map((agent) => `agent ${agent}`),
    ...outcomes.filter((outcome) => outcome !== 'stopped').map((outcome) => `ended ${outcome}`),
  ];
  expect(wanted.filter((what) => (seen.get(what) ?? 0) < 3)).toEqual([]);
});

describe('for any life of a bead', () => {
  it('a fresh heartbeat of the current attempt never leaves it open, suspect or starting', () => {
    always(({ before, event, after }) => {
      if (
        event.type !== 'heartbeat' ||
        isFinal(before.status) ||
        before.current?.id !== event.signal.attempt ||
        after.strays > before.strays
      )
        return;
      expect(after.status).toBe('in_progress');
      expect(after.current?.id).toBe(event.signal.attempt);
      expect(['working', 'stalled', 'paused', 'stopping']).toContain(after.agent);
      if (['output', 'tool', 'agent'].includes(event.signal.kind ?? 'output'))
        expect(['working', 'paused', 'stopping']).toContain(after.agent);
    });
  });

  it('at most one attempt is current, and none that has ended comes back', () => {
    always(({ before, after }) => {
      const ids = after.attempts.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      if (after.current) expect(ids).not.toContain(after.current.id);
      expect(after.attemptCount).toBe(
        before.attempts.length === limits.attemptsKept
          ? after.attemptCount
          : after.attempts.length + (after.current ? 1 : 0),
      );
      if (before.current && after.current && before.current.id !== after.current.id)
        throw new Error('one attempt replaced another without an end');
      for (const { outcome, endedAt, reason } of after.attempts) expect(outcome && endedAt && reason).toBeTruthy();
    });
  });

  it('the end is final: nothing changes any more but the counts of strays', () => {
    always(({ before, after }) => {
      if (!isFinal(before.status)) return;
      const rest = ({ strays: _, malformed: __, runs: ___, ...state }: BeadState): object => state;
      expect(rest(after)).toEqual(rest(before));
    });
  });

  it('strays change nothing but their count, least of all the budgets', () => {
    always(({ before, after }) => {
      if (after.strays === before.strays) return;
      expect({ ...after, strays: before.strays }).toEqual(before);
    });
  });

  it('budgets shrink only by ends, and are reset only by an operator, or the losses by work that is saved or verified', () => {
    always(({ before, event, after }) => {
      const saved = after.current?.saved === true || after.attempts.at(-1)?.saved === true;
      const verified =
        (event.type === 'evidence' && event.evidence.verdict === 'verified') ||
        (event.type === 'salvaged' && event.evidence?.verdict === 'verified');
      if (after.used.agentFailures < before.used.agentFailures) expect(event.type).toBe('retry');
      if (after.used.infraLosses < before.used.infraLosses)
        expect(event.type === 'retry' || saved || verified).toBe(true);
      if (after.used.agentFailures > before.used.agentFailures)
        expect(['ended', 'tick', 'evidence', 'unreachable', 'retry']).toContain(event.type);
      expect(after.used.agentFailures).toBeLessThanOrEqual(after.budgets.agentFailures + 1);
    });
  });

  it('a loss counts unless the attempt has left saved work, whatever its agent has said, and the next start is put off', () => {
    always(({ before, after }) => {
      const record = after.attempts.at(-1);
      if (before.current === undefined || record?.id !== before.current.id || record.outcome !== 'lost') return;
      expect(after.used.infraLosses).toBe(record.saved === true ? 0 : before.used.infraLosses + 1);
      if (record.saved !== true && !isFinal(after.status)) expect(['backoff', 'person']).toContain(after.wait?.for);
    });
  });

  it('no state is without a next deadline or a stated wait, and each can be told in words', () => {
    always(({ after, now }) => {
      if (isFinal(after.status)) {
        expect(nextDeadline(after)).toBeUndefined();
        return;
      }
      const waits =
        nextDeadline(after) !== undefined ||
        (after.wait !== undefined && after.wait.for !== 'backoff') ||
        after.paused ||
        after.current !== undefined ||
        after.salvage !== undefined;
      expect(waits || mayDispatch(after)).toBe(true);
      expect(waitingFor(after)).toBeTruthy();
      expect(explain(after, now)).toBeTruthy();
    });
  });

  it('the lazy timer never spins: once a deadline has been looked at, the next one lies later', () => {
    always(({ event, after, now }) => {
      if (event.type !== 'tick') return;
      expect(nextDeadline(after)?.at ?? Infinity).toBeGreaterThan(now);
      const again = step(after, { type: 'tick' }, now);
      expect(again).toEqual(after);
    });
  });

  it('an attempt behind the fence is given up only suspectGrace after its last sign, unless an operator says otherwise', () => {
    always(({ before, event, after, now }) => {
      const { current } = before;
      if (
        current?.spawnedAt === undefined ||
        after.current !== undefined ||
        !['tick', 'silent', 'unreachable', 'unwatched', 'outage'].includes(event.type)
      )
        return;
      expect(now - current.lastSignAt).toBeGreaterThanOrEqual(defaultClocks.suspectGrace);
    });
  });

  it('only beats and signals of a spawned attempt itself move the clock after which it is given up', () => {
    let heard = false;
    always(({ before, event, after }) => {
      const { current } = before;
      if (current?.id !== after.current?.id) heard = true;
      // Its own signals; and from then on its token is its own, so that beats of it may have renewed its lease unseen.
      if (event.type === 'heartbeat' && event.signal.attempt === current?.id) heard = true;
      if (event.type === 'adopting' && event.attempt === current?.id) heard = false;
      const own =
        event.type === 'silent' &&
        ['spawning', 'running', 'frozen', 'paused', 'stopping'].includes(event.details?.phase ?? '');
      if (heard || own || event.type === 'outage' || event.type === 'heldElsewhere') return;
      if (current?.spawnedAt === undefined || after.current === undefined) return;
      expect(after.current.lastSignAt).toBe(current.lastSignAt);
    });
  });

  it('silence is never judged while nobody could be heard', () => {
    always(({ before, event, after, now }) => {
      if (event.type !== 'heartbeat' && event.type !== 'outage') return;
      if (before.current && before.current.stopping === undefined) expect(after.current?.stopping).toBeUndefined();
      const quiet = (state: BeadState): number => state.current?.lastProgressAt ?? state.current?.spawnedAt ?? 0;
      expect(quiet(after)).toBeGreaterThanOrEqual(quiet(before));
      const { current } = before;
      if (
        event.type === 'outage' &&
        current?.spawnedAt !== undefined &&
        current.suspectSince === undefined &&
        current.pausedAt === undefined
      ) {
        expect([quiet(after), after.current?.lastSignAt]).toEqual([
          Math.min(quiet(before) + event.ms, now),
          Math.min(current.lastSignAt + event.ms, now),
        ]);
      }
      if (
        event.type !== 'heartbeat' ||
        current?.spawnedAt === undefined ||
        current.suspectSince === undefined ||
        current.pausedAt !== undefined ||
        after.current?.suspectSince !== undefined
      )
        return;
      // Back in sight it is judged only by what was silent before it went out of sight.
      expect(now - quiet(after)).toBeLessThanOrEqual(Math.max(current.suspectSince - quiet(before), 0));
    });
  });

  it('what another attempt says, or what is said of it, changes nothing', () => {
    always(({ before, event, after }) => {
      const of =
        'attempt' in event
          ? event.attempt
          : 'signal' in event
            ? event.signal.attempt
            : event.type === 'note'
              ? event.note.attempt
              : event.type === 'ended'
                ? event.result.attempt
                : undefined;
      if (of === undefined || event.type === 'dispatched' || of === before.current?.id) return;
      expect({ ...after, strays: 0 }).toEqual({ ...before, strays: 0 });
    });
  });

  it('a spent budget means a person is asked, and nothing is dispatched till one has answered', () => {
    always(({ before, event, after }) => {
      if (event.type === 'ended' && before.current && !after.current && !isFinal(after.status)) {
        const spent =
          after.used.agentFailures >= after.budgets.agentFailures &&
          after.used.agentFailures > before.used.agentFailures;
        if (spent) expect(after).toMatchObject({ status: 'blocked', attention: 'blocked', wait: { for: 'person' } });
      }
      if (before.status === 'blocked' && after.status !== 'blocked') expect(['retry', 'cancel']).toContain(event.type);
    });
  });

  it('it can be carried over to the next run as JSON, and stays within its caps', () => {
    always(({ after }) => {
      expect(JSON.parse(JSON.stringify(after))).toEqual(after);
      expect(after.story.length).toBeLessThanOrEqual(limits.storyKept);
      expect(after.attempts.length).toBeLessThanOrEqual(limits.attemptsKept);
      expect(after.notes.length).toBeLessThanOrEqual(20);
    });
  });

  it('a closed bead has its evidence', () => {
    always(({ after }) => {
      if (after.status === 'closed') expect(after.branch && after.sha && after.baseSha).toBeTruthy();
    });
  });
});
