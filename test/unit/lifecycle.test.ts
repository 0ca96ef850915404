import { describe, expect, it } from 'vitest';
import type { AttemptResult, BeadInput, BeadState, HeartbeatKind, Outcome } from '../../src/contract/index.js';
import {
  accountOf,
  beadEffects,
  backoff,
  defaultClocks,
  explain,
  firesInVain,
  readByRules,
  initialBead,
  lossRecorded,
  nextBeadDeadline,
  grantReturn,
  stepBead,
  waitingFor,
} from '../../src/domain/index.js';
import type { BeadEvent } from '../../src/domain/index.js';
import { outcomes } from '../../src/contract/index.js';
import { problemsOf } from '../../src/domain/telling/problems.js';
import { aTown } from './operators/facts.js';

const minute = 60_000;
const input: BeadInput = { bead: 'b', title: 'A bead', repo: '/r', agent: { adapter: 'demo' } };

/** A bead and a clock, for telling a story in order. */
class Story {
  now = 1_000_000;
  state: BeadState = initialBead(input, this.now);
  after(ms: number, event: BeadEvent): this {
    this.now += ms;
    this.state = stepBead(this.state, event, this.now);
    return this;
  }
  dispatch(attempt = `${this.state.attemptCount + 1}-aaaaaaaa`): this {
    return this.after(0, { type: 'dispatched', attempt }).after(0, {
      type: 'accepted',
      signal: { attempt, host: 'h1' },
    });
  }
  beat(ms: number, kind: HeartbeatKind = 'output', attempt = this.state.current?.id ?? '9-none0000'): this {
    return this.after(ms, { type: 'heartbeat', signal: { attempt, host: 'h1', kind } });
  }
  tick(ms = 0): this {
    return this.after(ms, { type: 'tick' });
  }
  end(outcome: Outcome, more: Partial<AttemptResult> = {}, loginAgain?: boolean): this {
    return this.after(0, {
      type: 'ended',
      loginAgain,
      result: {
        attempt: this.state.current?.id ?? '9-none0000',
        outcome,
        reason: `it ended ${outcome}`,
        host: 'h1',
        ...more,
      },
    });
  }
}
const working = (): Story => new Story().dispatch().beat(0, 'start').beat(1_000);

describe('the life of a bead', () => {
  it('waits for a place as open, and is in progress once a host has taken it', () => {
    const story = new Story().after(0, { type: 'dispatched', attempt: '1-aaaaaaaa' });
    expect([story.state.status, story.state.agent, story.state.wait?.for]).toEqual(['open', 'none', 'place']);
    story.after(5_000, { type: 'accepted', signal: { attempt: '1-aaaaaaaa', host: 'h1' } });
    expect([story.state.status, story.state.agent, story.state.wait]).toEqual(['in_progress', 'starting', undefined]);
  });

  it('never gives up on a start by the clock: only the process clock can tell', () => {
    const story = new Story().dispatch().tick(7 * 60 * minute);
    expect(story.state.agent).toBe('starting');
    expect(nextBeadDeadline(story.state)).toBeUndefined();
    expect(waitingFor(story.state)).toContain('workspace');
  });

  it.each([
    [-1_000, 'working'],
    [0, 'working'],
    [1_000, 'working'],
  ])('a heartbeat %d ms from the stale deadline leaves the agent working', (offset) => {
    const story = working();
    const deadline = nextBeadDeadline(story.state);
    expect(deadline?.what).toBe('stalled');
    const wait = (deadline?.at ?? 0) - story.now;
    if (offset > 0) {
      story.tick(wait);
      expect(story.state.agent).toBe('stalled');
      story.beat(offset);
    } else {
      // In one activation signals run before timers.
      story.beat(wait + offset).tick(-offset);
    }
    expect([story.state.agent, story.state.status]).toEqual(['working', 'in_progress']);
    expect(story.state.attention).toBeUndefined();
  });

  it('stalls after the first progress at stalledAfter, before it at firstProgressWithin', () => {
    expect(nextBeadDeadline(working().state)?.at).toBe(1_001_000 + defaultClocks.stalledAfter);
    expect(nextBeadDeadline(new Story().dispatch().beat(0, 'start').state)?.at).toBe(
      1_000_000 + defaultClocks.firstProgressWithin,
    );
  });

  it('moves the timer with the last heartbeat before it fires, by the default clocks every second one', () => {
    const story = working();
    let armed = nextBeadDeadline(story.state);
    const moved = Array.from({ length: 6 }, () => {
      story.beat(defaultClocks.signalEvery);
      if (armed === undefined || !firesInVain(story.state, armed)) return false;
      armed = nextBeadDeadline(story.state);
      return true;
    });
    expect(moved).toEqual([false, true, false, true, false, true]);
  });

  it('leaves a timer alone that no heartbeat has moved, however near it is', () => {
    const story = working();
    const armed = nextBeadDeadline(story.state);
    if (armed === undefined) throw new Error('no deadline');
    story.tick(defaultClocks.stalledAfter - 1);
    expect(firesInVain(story.state, armed)).toBe(false);
    // What moves it in another way than by a sign of the agent waits until it fires.
    story.after(0, { type: 'pause' });
    expect(firesInVain(story.state, armed)).toBe(false);
  });

  it('nudges a stalled agent once, and stops it at stopSilentAfter with its work saved', () => {
    const story = working().tick(defaultClocks.stalledAfter).tick(minute).tick(minute);
    expect(story.state.messages).toHaveLength(1);
    expect(story.state.attention).toBe('stalled');
    story.tick(defaultClocks.stopSilentAfter);
    expect(story.state.agent).toBe('stopping');
    story.end('stopped', { checkpoint: { sha: 'c'.repeat(40), ref: 'refs/heartbead/b/1-aaaaaaaa/wip', wip: true } });
    expect(story.state.attempts[0]).toMatchObject({ outcome: 'stalled', countedAs: 'agent' });
    expect(story.state.checkpoint?.sha).toBe('c'.repeat(40));
    expect(story.state.status).toBe('open');
  });

  it('signs of mere life do not feed the progress clock', () => {
    const story = working();
    const deadline = nextBeadDeadline(story.state);
    story.beat(minute, 'orphan').beat(minute, 'adopted');
    expect(nextBeadDeadline(story.state)).toEqual(deadline);
  });

  it('a silent process clock makes the attempt suspect, a heartbeat ends the suspicion, nothing is used up', () => {
    const story = working().after(minute, { type: 'silent', attempt: '1-aaaaaaaa' });
    expect([story.state.agent, story.state.status]).toEqual(['suspect', 'in_progress']);
    story.beat(1_000, 'adopted');
    expect([story.state.agent, story.state.attemptCount, story.state.used]).toEqual([
      'working',
      1,
      { agentFailures: 0, infraLosses: 0, reworkRounds: 0 },
    ]);
  });

  it('gives an attempt on an unreachable host up only giveUpAfter after the last sign that may have been', () => {
    const story = working().after(2 * minute, { type: 'silent', attempt: '1-aaaaaaaa' });
    const lastSign = story.now - defaultClocks.heartbeatTimeout;
    expect(nextBeadDeadline(story.state)).toMatchObject({ what: 'give-up', at: lastSign + defaultClocks.giveUpAfter });
    story.after(2 * minute, { type: 'unreachable', attempt: '1-aaaaaaaa', text: 'nobody took it up' });
    expect(story.state.agent).toBe('suspect');
    story.tick((nextBeadDeadline(story.state)?.at ?? 0) - story.now - 1);
    expect(story.state.agent).toBe('suspect');
    story.tick(1);
    expect(story.state.attempts[0]).toMatchObject({ outcome: 'lost', countedAs: 'infra' });
    // It had said something and left nothing: the loss counts.
    expect(story.state.used.infraLosses).toBe(1);
    // What it may have pushed is looked for first, and then the next one follows at once.
    expect([story.state.wait, beadEffects(story.state)[0]?.do]).toEqual([undefined, 'salvage']);
    expect(story.state.salvage?.branch).toBe('heartbead/b/1-aaaaaaaa');
  });

  describe('a host that takes up every adoption of an attempt that never shows itself', () => {
    const attempt = '1-aaaaaaaa';
    /** As the workflow applies it. */
    const by = (story: Story, ms: number, event: BeadEvent): Story =>
      story.after(
        ms,
        readByRules(story.state, event, () => true),
      );
    const accepted: BeadEvent = {
      type: 'silent',
      attempt,
      details: { host: 'h1', attempt, phase: 'accepted', text: 'taken by h1' },
    };
    const lives = (story: Story, event: BeadEvent): number => {
      by(story, 2 * minute, { type: 'silent', attempt, details: { host: 'h1', attempt, phase: 'running', text: '' } });
      const lastSign = story.now - defaultClocks.heartbeatTimeout;
      for (let n = 0; story.state.current?.id === attempt && n < 100; n += 1) {
        by(story, 0, { type: 'adopting', attempt });
        by(story, 100_000, event);
        by(story, 0, { type: 'accepted', signal: { attempt, host: 'h1' } });
        story.tick();
      }
      return story.now - lastSign;
    };

    it.each<[string, BeadEvent]>([
      ['and says so by beats', accepted],
      [
        'and tells that its runner refuses',
        { type: 'unwatched', attempt, text: 'its runner neither answers nor ends' },
      ],
    ])('%s: given up giveUpAfter after its own last sign, with the cause', (_, event) => {
      const story = working();
      expect(lives(story, event)).toBeLessThan(defaultClocks.giveUpAfter + 100_000);
      expect(story.state.attempts[0]).toMatchObject({ outcome: 'lost', countedAs: 'infra' });
      expect(story.state.attempts[0]?.reason).toMatch(/no sign of the attempt itself for .*(runner)/);
    });

    it('but a sign of its own since the adoption moves the clock, and so do its beats', () => {
      const story = working();
      by(story, 2 * minute, { type: 'silent', attempt })
        .after(0, { type: 'adopting', attempt })
        .beat(1_000, 'adopted');
      // Hours of beats that no bead sees, then an operator's Reset that its host does not manage to carry out.
      by(story, 60 * minute, { type: 'unwatched', attempt, text: 'reset' });
      expect(story.state.current?.lastSignAt).toBe(story.now);
      by(story, 0, { type: 'adopting', attempt });
      by(story, 100_000, { ...accepted, details: { host: 'h1', attempt, phase: 'frozen', text: '' } } as BeadEvent);
      expect(story.state.current?.lastSignAt).toBe(story.now - defaultClocks.heartbeatTimeout);
      by(story, 1_000, { type: 'heldElsewhere', attempt, host: 'h2' });
      expect(story.state.current?.lastSignAt).toBe(story.now);
    });

    it.each<[string, BeadEvent, string]>([
      [
        'its runner first ended at the fence, out of reach',
        { type: 'unwatched', attempt, text: 'no beat was accepted within 60000 ms', fenced: true },
        'no beat was accepted',
      ],
      [
        'nothing was heard of a runner that had been sent to the fence',
        { type: 'silent', attempt, details: { host: 'h1', attempt, phase: 'fencing', text: '' } },
        'nothing was heard of it',
      ],
    ])('before the spawn: given up giveUpAfter after %s', (_, event, why) => {
      const story = new Story().dispatch();
      const from = story.now;
      for (let n = 0; story.state.current?.id === attempt && n < 100; n += 1) {
        by(story, 60_000, event);
        expect(story.state.current.spawnedAt).toBeUndefined();
        by(story, 1_000, { type: 'adopting', attempt });
        by(story, 0, { type: 'accepted', signal: { attempt, host: 'h1' } });
        story.tick();
      }
      expect(story.now - from).toBeLessThan(defaultClocks.giveUpAfter + 3 * minute);
      expect(story.state.attempts[0]?.reason).toContain(why);
    });

    it('after the spawn: a word of its host at the fence is none of its own', () => {
      const story = working();
      const fencing: BeadEvent = { ...accepted, details: { host: 'h1', attempt, phase: 'fencing', text: '' } };
      expect(lives(story, fencing)).toBeLessThan(defaultClocks.giveUpAfter + 100_000);
    });

    it('is told by problems, with the cause', () => {
      const story = working();
      by(story, 2 * minute, { type: 'silent', attempt });
      by(story, 0, { type: 'adopting', attempt });
      by(story, 3 * minute, accepted);
      const found = problemsOf(
        aTown({
          beads: [{ bead: 'b', status: story.state.status, view: { ...story.state, now: story.now } }],
          now: story.now,
        }),
      );
      expect(found.find(({ kind }) => kind === 'suspect')?.why).toContain('its runner does not reach the server');
    });
  });

  it('waits for nothing when provably no agent was spawned', () => {
    const story = new Story().dispatch().after(minute, {
      type: 'silent',
      attempt: '1-aaaaaaaa',
      details: { host: 'h1', attempt: '1-aaaaaaaa', phase: 'cloning', text: 'cloning 3 %' },
    });
    expect(story.state.agent).toBe('suspect');
    story.after(minute, { type: 'unreachable', attempt: '1-aaaaaaaa', text: 'nobody took it up' });
    expect(story.state.current).toBeUndefined();
    expect(story.state.salvage).toBeUndefined();
  });

  it('believes that an agent may exist as soon as the fence beat was accepted', () => {
    const story = new Story().dispatch().after(minute, {
      type: 'silent',
      attempt: '1-aaaaaaaa',
      details: { host: 'h1', attempt: '1-aaaaaaaa', phase: 'spawning', text: 'spawning' },
    });
    story.after(minute, { type: 'unreachable', attempt: '1-aaaaaaaa', text: 'nobody took it up' });
    expect(story.state.agent).toBe('suspect');
  });

  it('counts heartbeats of another attempt as strays, whatever the state', () => {
    const story = working();
    const before = story.state;
    story.beat(1_000, 'output', '7-zzzzzzzz');
    expect({ ...story.state, strays: 0 }).toEqual({ ...before, strays: 0 });
    expect(story.state.strays).toBe(1);
  });

  it('does not let another host speak for a claimed attempt', () => {
    const story = working().after(1_000, {
      type: 'heartbeat',
      signal: { attempt: '1-aaaaaaaa', host: 'h2', kind: 'start' },
    });
    expect(story.state.current?.host).toBe('h1');
    expect(story.state.strays).toBe(1);
  });

  it('closes only with evidence', () => {
    const story = working().end('done', { branch: 'heartbead/b/1-aaaaaaaa', sha: 'd'.repeat(40) });
    expect([story.state.status, story.state.wait?.for]).toEqual(['in_review', 'verification']);
    story.after(0, { type: 'evidence', evidence: { verdict: 'no_changes', reason: 'nothing is ahead of the base' } });
    expect([story.state.status, story.state.used.agentFailures]).toEqual(['open', 1]);
    expect(story.state.attempts[0]?.outcome).toBe('no_changes');
    // What was reported and cannot be found, or is another commit, is a loss: nobody's failure, and never an end.
    for (const evidence of [
      { verdict: 'missing' as const, reason: 'there is no such branch' },
      { verdict: 'differs' as const, reason: 'another commit', found: 'f'.repeat(40) },
    ]) {
      const other = working()
        .end('done', { branch: 'heartbead/b/1-aaaaaaaa', sha: 'd'.repeat(40) })
        .after(0, { type: 'evidence', evidence });
      expect([
        other.state.status,
        other.state.attempts[0]?.outcome,
        other.state.used.agentFailures,
        other.state.branch,
      ]).toEqual(['open', 'lost', 0, undefined]);
    }
  });

  it('takes over finished work of a lost attempt instead of redoing it', () => {
    const story = working().end('lost');
    expect(story.state.salvage).toBeDefined();
    story.after(0, {
      type: 'salvaged',
      evidence: {
        verdict: 'verified',
        branch: 'heartbead/b/1-aaaaaaaa',
        sha: 'd'.repeat(40),
        baseSha: 'e'.repeat(40),
        ahead: 2,
      },
    });
    expect([story.state.status, story.state.sha]).toEqual(['closed', 'd'.repeat(40)]);
  });

  it('blocks after the budget of agent failures, and a retry gives it a fresh one', () => {
    const story = new Story();
    for (let n = 1; n <= 5; n += 1) {
      story
        .tick(11 * minute)
        .dispatch()
        .beat(0, 'start')
        .beat(0)
        .end('agent_failed');
    }
    expect([story.state.status, story.state.attention]).toEqual(['blocked', 'blocked']);
    story.after(0, { type: 'retry', now: false });
    expect([story.state.status, story.state.used.agentFailures]).toEqual(['open', 0]);
  });

  it('backs off longer with each loss without progress, whatever the agent says: only saved work ends the row', () => {
    const story = new Story();
    for (const [n, wait] of [
      [1, 0],
      [2, 20_000],
      [3, 40_000],
    ] as const) {
      story.dispatch().beat(0, 'start').beat(0).end('lost').after(0, { type: 'salvaged', evidence: undefined });
      expect(story.state.used.infraLosses).toBe(n);
      expect(grantReturn(story.state)).toEqual({ bead: 'b', infraLoss: true, progress: false });
      // The first is tried again at once, as a first failure is.
      if (wait === 0) expect(beadEffects(story.state)).toEqual([{ do: 'dispatch', key: 'dispatch' }]);
      else expect(nextBeadDeadline(story.state)).toMatchObject({ what: 'backoff', at: story.now + wait });
      story.tick(wait);
    }
    const saved = { sha: 'c'.repeat(40), ref: 'refs/heartbead/b/4/wip', wip: true };
    story.dispatch().beat(0, 'start').beat(0);
    // Saved again what it began with: nothing was worked.
    story.after(0, { type: 'heartbeat', signal: { attempt: '4-aaaaaaaa', host: 'h1', checkpoint: saved } });
    expect(story.state.used.infraLosses).toBe(3);
    story.end('lost', { checkpoint: { ...saved, gained: true } });
    // A row of losses is over; that four paid starts led to nothing verified is not.
    expect([story.state.used.infraLosses, story.state.wait?.for, story.state.attempts.at(-1)?.saved]).toEqual([
      0,
      'backoff',
      true,
    ]);
    story.tick(40_000);
    expect(grantReturn(story.state)).toEqual({ bead: 'b', infraLoss: true, progress: true });
    // What that attempt has saved is nothing that the next one has worked.
    story.dispatch().beat(0, 'start').beat(0).end('lost');
    expect(story.state.used.infraLosses).toBe(1);
    expect(backoff(50)).toBe(10 * minute);
  });

  it('paid starts get further apart until work is verified, whatever is said, saved and refused in between', () => {
    const story = new Story();
    const starts: number[] = [];
    const ends: [Outcome, Partial<AttemptResult>][] = [
      ['lost', {}],
      ['rate_limited', { retryAfterMs: 1_000 }],
      ['lost', {}],
      ['stalled', {}],
    ];
    for (let n = 1; n <= 10; n += 1) {
      story.dispatch().beat(0, 'start').beat(0);
      starts.push(story.now);
      // Saves something new each time, and is ended right then.
      const saved = { sha: String(n).repeat(40).slice(0, 40), ref: 'refs/x', wip: true, gained: true };
      const [outcome, more] = ends[n % ends.length] ?? ['lost', {}];
      story.end(outcome, { ...more, checkpoint: saved }).after(0, { type: 'salvaged', evidence: undefined });
      if (story.state.wait?.for === 'backoff') story.tick(story.state.wait.until - story.now);
    }
    const gaps = starts.slice(1).map((at, index) => Math.round((at - (starts[index] ?? 0)) / 1_000));
    expect(gaps).toEqual([1, 10, 20, 40, 80, 160, 320, 600, 600]);
    // A long attempt is followed at once: the distance counts from start to start.
    story
      .dispatch()
      .beat(0, 'start')
      .beat(20 * minute)
      .end('lost', { checkpoint: { sha: 'f'.repeat(40), ref: 'refs/x', wip: true, gained: true } });
    expect(story.state.wait).toBeUndefined();
    story.after(0, { type: 'retry', now: false });
  });

  it('a row of losses ends with verified work, and a full one asks for a person', () => {
    const story = new Story();
    const lose = (): Story =>
      story.dispatch().beat(0, 'start').beat(0).end('lost').after(0, { type: 'salvaged', evidence: undefined });
    lose().tick(10_000);
    story
      .dispatch()
      .beat(0, 'start')
      .end('done', { branch: 'x', sha: 'a'.repeat(40) });
    const verified = {
      verdict: 'verified',
      branch: 'x',
      sha: 'a'.repeat(40),
      baseSha: 'b'.repeat(40),
      ahead: 1,
    } as const;
    expect(story.state.used.infraLosses).toBe(1);
    expect(stepBead(story.state, { type: 'evidence', evidence: verified }, story.now).used.infraLosses).toBe(0);
    story.after(0, { type: 'evidence', evidence: { verdict: 'missing', reason: 'the branch is not there' } });
    while (story.state.status !== 'blocked') {
      story.tick(10 * minute);
      lose();
    }
    expect(story.state.used.infraLosses).toBe(10);
    expect(story.state.reason).toContain('without any saved work');
  });

  it('a bead of an earlier version keeps its rule until its next loss: a word ended the row', () => {
    const story = new Story();
    story.state = { ...story.state, lossRule: undefined, used: { ...story.state.used, infraLosses: 4 } };
    story.dispatch().beat(0, 'start').beat(0);
    expect(story.state.used.infraLosses).toBe(0);
    const before = story.state;
    story.end('lost');
    expect([story.state.used.infraLosses, lossRecorded(before, story.state)]).toEqual([0, true]);
    expect(lossRecorded(story.state, story.tick().state)).toBe(false);
  });

  it.each(['auth_failed', 'not_installed', 'setup_failed', 'escalated'] as const)(
    '%s asks for a person at once and uses nothing up',
    (outcome) => {
      const story = working().end(outcome);
      expect(story.state.status).toBe('blocked');
      expect(story.state.used).toEqual({ agentFailures: 0, infraLosses: 0, reworkRounds: 0 });
      expect(waitingFor(story.state)).toContain('a person');
    },
  );

  it('a refused login is tried again twice, with a distance, before a person is asked', () => {
    const story = working().end('auth_failed', {}, true);
    expect(story.state).toMatchObject({ status: 'open', used: { agentFailures: 0, logins: 1 } });
    expect(nextBeadDeadline(story.state)?.at).toBe(story.now + minute);
    story.tick(minute).dispatch().beat(0).end('auth_failed', {}, true);
    expect(nextBeadDeadline(story.state)?.at).toBe(story.now + 5 * minute);
    story
      .tick(5 * minute)
      .dispatch()
      .beat(0)
      .end('auth_failed', {}, true);
    expect(story.state.status).toBe('blocked');
    expect(story.state.reason).toContain('cannot log in');
  });

  it('a login that works in between gives the next refusal its tries again', () => {
    const story = working().end('auth_failed', {}, true);
    story.tick(minute).dispatch().beat(0).end('lost');
    expect(story.state.used.logins).toBeUndefined();
  });

  it('what hosts give back goes to the queue again, further and further apart, and uses nothing up', () => {
    const story = new Story().dispatch().end('declined');
    expect(story.state).toMatchObject({ status: 'open', used: { agentFailures: 0, infraLosses: 0, declines: 1 } });
    for (const apart of [10_000, 20_000, 40_000]) {
      expect(nextBeadDeadline(story.state)?.at).toBe(story.now + apart);
      story.tick(apart).dispatch().end('declined');
    }
    // The row is one record, and no agent hears of it; a host may know better when to come again.
    expect(story.state.attempts.map(({ number }) => number)).toEqual([4]);
    expect(story.state.notes).toEqual([]);
    story
      .tick(80_000)
      .dispatch()
      .end('declined', { retryAfterMs: 7 * minute });
    expect(nextBeadDeadline(story.state)?.at).toBe(story.now + 7 * minute);
    story
      .tick(7 * minute)
      .dispatch()
      .beat(0)
      .end('auth_failed', {}, true);
    expect(story.state.used).toMatchObject({ logins: 1 });
    expect(story.state.used.declines).toBeUndefined();
    story.tick(minute).dispatch().end('declined');
    expect(story.state.used).toMatchObject({ logins: 1, declines: 1 });
  });

  it('what one host gives back for long is soon offered to others, and never at a short distance again and again', () => {
    const distances = (says: number, holds: boolean): number[] => {
      const story = new Story();
      return Array.from({ length: 8 }, () => {
        story.dispatch();
        const id = story.state.current?.id ?? '';
        const result = { attempt: id, outcome: 'declined', reason: 'spent', host: 'h1', retryAfterMs: says } as const;
        story.after(
          0,
          readByRules(story.state, { type: 'ended', result }, () => holds),
        );
        const wait = (nextBeadDeadline(story.state)?.at ?? 0) - story.now;
        story.tick(wait);
        return wait / 1_000;
      });
    };
    expect(distances(5 * 60 * minute, true)).toEqual([10, 20, 40, 80, 160, 320, 640, 1_280]);
    expect(distances(7 * minute, true)).toEqual([10, 20, 40, 80, 160, 320, 600, 600]);
    expect(distances(1_000, true)).toEqual([10, 20, 40, 80, 160, 320, 600, 600]);
    // As histories of before have it.
    expect(distances(7 * minute, false)).toEqual(Array.from({ length: 8 }, () => 420));
  });

  it('a rate limit waits as long as the provider says and uses nothing up', () => {
    const story = working().end('rate_limited', { retryAfterMs: 7 * minute });
    expect(nextBeadDeadline(story.state)?.at).toBe(story.now + 7 * minute);
    expect(story.state.used.agentFailures).toBe(0);
  });

  it('a stop that nobody ordered is a loss', () => {
    expect(working().end('stopped').state.attempts[0]).toMatchObject({ outcome: 'lost', countedAs: 'infra' });
  });

  it('is cancelled only when the agent is gone', () => {
    const story = working().after(0, { type: 'cancel' });
    expect([story.state.status, story.state.agent]).toEqual(['in_progress', 'stopping']);
    story.end('stopped');
    expect([story.state.status, story.state.agent]).toEqual(['cancelled', 'none']);
  });

  it('stays final, and what comes later is a stray', () => {
    const story = working().after(0, { type: 'cancel' }).end('stopped');
    const final = story.state;
    for (const event of [
      { type: 'retry', now: true },
      { type: 'tick' },
      { type: 'pause' },
      { type: 'dispatched', attempt: '2-bbbbbbbb' },
    ] as BeadEvent[])
      story.after(1_000, event);
    expect(story.state).toEqual(final);
    story.beat(0, 'output', '1-aaaaaaaa');
    expect(story.state.strays).toBe(1);
  });

  it('takes a pause out of the progress clock', () => {
    const story = working();
    const left = (nextBeadDeadline(story.state)?.at ?? 0) - story.now;
    story.after(minute, { type: 'pause' }).tick(60 * minute);
    expect([story.state.agent, nextBeadDeadline(story.state)]).toEqual(['paused', undefined]);
    story.after(0, { type: 'resume' });
    expect((nextBeadDeadline(story.state)?.at ?? 0) - story.now).toBe(left - minute);
    expect(story.state.current?.pausedMs).toBe(60 * minute);
  });

  it('withdraws a queued attempt when the bead is paused, so that nothing spawns before the resume', () => {
    const story = new Story().after(0, { type: 'dispatched', attempt: '1-aaaaaaaa' }).after(0, { type: 'pause' });
    expect(story.state.current?.stopping?.outcome).toBe('stopped');
    story.end('stopped', { host: 'unknown' });
    expect([story.state.status, story.state.paused, waitingFor(story.state)]).toEqual([
      'open',
      true,
      'heartbead resume',
    ]);
    expect(story.state.attempts[0]?.countedAs).toBe('nothing');
  });

  it('keeps messages until an attempt acknowledges them', () => {
    const story = working().after(0, {
      type: 'nudge',
      message: { id: 'm1', text: 'look at the tests', from: 'operator', at: 0 },
    });
    story
      .after(0, { type: 'delivered', attempt: '1-aaaaaaaa', messages: ['m1'] })
      .end('lost')
      .after(0, { type: 'salvaged', evidence: undefined })
      .dispatch();
    expect(story.state.messages).toHaveLength(1);
    story.beat(0, 'start').after(0, {
      type: 'heartbeat',
      signal: { attempt: story.state.current?.id ?? '', kind: 'agent', acknowledged: ['m1'] },
    });
    expect(story.state.messages).toHaveLength(0);
  });

  it('has an account for every outcome, and words for every state on the way', () => {
    for (const outcome of outcomes) {
      expect(['nothing', 'agent', 'infra']).toContain(accountOf(outcome));
      const story = working().end(outcome);
      expect(explain(story.state, story.now).length).toBeGreaterThan(2);
    }
  });

  it('leaves the state that it was given unchanged', () => {
    const story = working();
    const before = JSON.stringify(story.state);
    for (const event of [
      { type: 'tick' },
      { type: 'cancel' },
      { type: 'pause' },
      { type: 'silent', attempt: '1-aaaaaaaa' },
      { type: 'nudge', message: { id: 'x', text: 'y', from: 'operator', at: 0 } },
    ] as BeadEvent[]) {
      stepBead(story.state, event, story.now + 60 * minute);
    }
    expect(JSON.stringify(story.state)).toBe(before);
  });
});
