import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFinal, limits, outcomes } from '../../src/contract/index.js';
import type { BeadState } from '../../src/contract/index.js';
import { defaultClocks, explain, nextBeadDeadline, stepBead, waitingFor } from '../../src/domain/index.js';
import { life, live, mayDispatch } from './support/bead-lives.js';
import type { Moment } from './support/bead-lives.js';

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
      const listed = after.attempts.length + (after.current ? 1 : 0);
      // Of a row that hosts gave back only the newest is listed.
      const all = before.attempts.length < limits.attemptsKept && after.attempts.every((a) => a.outcome !== 'declined');
      if (all) expect(after.attemptCount).toBe(listed);
      else expect(after.attemptCount).toBeGreaterThanOrEqual(listed);
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

  it('a loss counts unless the attempt has left saved work, whatever its agent has said, and from the second on the next start is put off', () => {
    always(({ before, after }) => {
      const record = after.attempts.at(-1);
      if (before.current === undefined || record?.id !== before.current.id || record.outcome !== 'lost') return;
      expect(after.used.infraLosses).toBe(record.saved === true ? 0 : before.used.infraLosses + 1);
      if (after.used.infraLosses > 1 && !isFinal(after.status))
        expect(['backoff', 'person']).toContain(after.wait?.for);
    });
  });

  it('no state is without a next deadline or a stated wait, and each can be told in words', () => {
    always(({ after, now }) => {
      if (isFinal(after.status)) {
        expect(nextBeadDeadline(after)).toBeUndefined();
        return;
      }
      const waits =
        nextBeadDeadline(after) !== undefined ||
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
      expect(nextBeadDeadline(after)?.at ?? Infinity).toBeGreaterThan(now);
      const again = stepBead(after, { type: 'tick' }, now);
      expect(again).toEqual(after);
    });
  });

  it('an attempt behind the fence is given up only giveUpAfter after its last sign, unless an operator says otherwise', () => {
    always(({ before, event, after, now }) => {
      const { current } = before;
      if (
        current?.spawnedAt === undefined ||
        after.current !== undefined ||
        !['tick', 'silent', 'unreachable', 'unwatched', 'outage'].includes(event.type)
      )
        return;
      expect(now - current.lastSignAt).toBeGreaterThanOrEqual(defaultClocks.giveUpAfter);
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
