import { describe, expect, it } from 'vitest';
import {
  accountOf,
  beadEffects,
  explain,
  initialBead,
  nextBeadDeadline,
  readByRules,
  waitingFor,
  wordToRig,
  stepBead,
} from '../../src/domain/index.js';
import type { BeadEvent } from '../../src/domain/index.js';
import type { AttemptResult, BeadState, Evidence } from '../../src/contract/index.js';

const sha = 'a'.repeat(40);
const branch = 'heartbead/b/1-aaaaaaaa';
const attempt = '1-aaaaaaaa';
const play = (...events: BeadEvent[]): BeadState =>
  events.reduce(
    (state, event, index) => stepBead(state, event, 1_000_000 + index),
    initialBead({ bead: 'b', title: 'A bead', repo: '/r', agent: { adapter: 'demo' } }, 1_000_000),
  );
const begun: BeadEvent[] = [
  { type: 'dispatched', attempt },
  { type: 'accepted', signal: { attempt, host: 'h1' } },
  { type: 'heartbeat', signal: { attempt, host: 'h1', kind: 'start', vouchKey: 'k'.repeat(43), cell: 'sandbox' } },
];
const ended = (more: Partial<AttemptResult> = {}): BeadEvent => ({
  type: 'ended',
  result: { attempt, host: 'h1', outcome: 'push_refused', reason: 'secrets in line 3', branch, sha, ...more },
});
const retry: BeadEvent = { type: 'retry', now: false };

describe('finished work that the remote refused', () => {
  it("is on nobody's account, and blocks the bead with the remote's words", () => {
    const state = play(...begun, ended());
    expect(accountOf('push_refused')).toBe('nothing');
    expect(state).toMatchObject({
      status: 'blocked',
      used: { agentFailures: 0, infraLosses: 0 },
      unpushed: { attempt, host: 'h1', branch, sha },
      wait: { for: 'person', text: 'secrets in line 3' },
    });
    expect(JSON.stringify(explain(stepBead(state, { type: 'tick' }, 2_000_000) as never, 2_000_000))).toContain(
      'secrets',
    );
  });

  it('is offered first after a retry, and closes the bead without another attempt', () => {
    const state = play(...begun, ended(), retry);
    expect(state).toMatchObject({ status: 'open', unpushed: { sha } });
    expect(waitingFor(state)).toBe('the host h1, to push the finished commits that it keeps');
    const offered = stepBead(state, { type: 'offered', answer: { pushed: true, branch } }, 2_000_000);
    expect(offered).toMatchObject({ status: 'in_review', wait: { for: 'verification' }, branch, sha, attemptCount: 1 });
    expect(offered.unpushed).toBeUndefined();
    const evidence: Evidence = { verdict: 'verified', branch, sha, baseSha: 'b'.repeat(40), ahead: 1 };
    expect(stepBead(offered, { type: 'evidence', evidence }, 2_000_001)).toMatchObject({
      status: 'closed',
      attemptCount: 1,
    });
  });

  it('asks no rig for a place while it is offered', () => {
    const state: BeadState = { ...play(...begun, ended(), retry), landing: { grant: 'none', approval: false } };
    expect(wordToRig(state)).toBeUndefined();
    expect(wordToRig({ ...state, unpushed: undefined } as never)).toBe('askGrant');
  });

  it('blocks again when it is refused again, and waits when the remote is only away', () => {
    const state = play(...begun, ended(), retry);
    const refused = stepBead(
      state,
      { type: 'offered', answer: { pushed: false, reason: 'still secrets', mayPass: false } },
      2_000_000,
    );
    expect(refused).toMatchObject({ status: 'blocked', reason: 'still secrets', unpushed: { tries: 1 } });
    const away = stepBead(
      state,
      { type: 'offered', answer: { pushed: false, reason: 'away', mayPass: true } },
      2_000_000,
    );
    expect(away).toMatchObject({ status: 'open', wait: { for: 'backoff' }, unpushed: { tries: 1 } });
    expect(play(...begun, ended({ retryAfterMs: 30_000 }))).toMatchObject({
      wait: { for: 'backoff' },
      unpushed: { sha },
    });
  });

  it('is offered further and further apart while the remote is away, for days, and nobody is paid meanwhile', () => {
    let [state, now, last] = [play(...begun, ended({ retryAfterMs: 30_000 })), 1_000_100, 0];
    const gaps: number[] = [];
    for (let offer = 0; offer < 1_000; offer += 1) {
      // Nothing is offered before its time has come, and then nothing but the offer is done.
      expect(beadEffects(state)).toEqual([]);
      now = nextBeadDeadline(state)?.at ?? expect.fail('it waits for ever');
      state = stepBead(state, { type: 'tick' }, now);
      expect(beadEffects(state).map(({ do: what }) => what)).toEqual(['offer']);
      state = stepBead(state, { type: 'offered', answer: { pushed: false, reason: 'away', mayPass: true } }, now);
      if (last > 0) gaps.push(now - last);
      last = now;
    }
    expect(gaps).toEqual([...gaps].sort((a, b) => a - b));
    expect([gaps[0], gaps.at(-1), gaps.indexOf(10 * 60_000)]).toEqual([10_000, 10 * 60_000, 6]);
    expect(state).toMatchObject({ attemptCount: 1, unpushed: { tries: 1_000 }, used: { infraLosses: 0 } });
    expect(JSON.stringify(state).length).toBeLessThan(20_000);
    const back = stepBead(state, { type: 'retry', now: false }, now + 1);
    expect(beadEffects(back).map(({ do: what }) => what)).toEqual(['offer']);
    // Refused for good: once for each word of a person.
    const refused: BeadEvent = { type: 'offered', answer: { pushed: false, reason: 'no', mayPass: false } };
    const blocked = stepBead(back, refused, now + 2);
    expect([blocked.status, beadEffects(blocked), nextBeadDeadline(blocked)]).toEqual(['blocked', [], undefined]);
  });

  describe('costs nothing to offer', () => {
    const usage = { inputTokens: 10, cachedTokens: 0, outputTokens: 0, costUsd: 2, turns: 1 };
    const away: BeadEvent = { type: 'offered', answer: { pushed: false, reason: 'away', mayPass: true } };
    const spent = (...events: BeadEvent[]): BeadState =>
      events.reduce(
        (state, event) =>
          stepBead(
            state,
            readByRules(state, event, () => true),
            1_000_000,
          ),
        initialBead(
          { bead: 'b', title: 'A bead', repo: '/r', agent: { adapter: 'demo' }, budgets: { maxCostUsd: 1 } },
          1_000_000,
        ),
      );

    it('so that a used-up budget does not hold it back, however often the remote is away', () => {
      const waits = spent(...begun, ended({ retryAfterMs: 30_000, usage }));
      expect(waits).toMatchObject({
        status: 'open',
        wait: { for: 'backoff', until: 1_030_000 },
        usage: { costUsd: 2 },
      });
      expect(waits.reason).toContain('before the finished commits are offered again');
      expect(nextBeadDeadline(waits)?.text).toContain('host h1 offers the finished commits again');
      const again = stepBead(waits, { type: 'tick' }, 1_030_000);
      expect(beadEffects(again).map(({ do: what }) => what)).toEqual(['offer']);
      expect(
        stepBead(
          again,
          readByRules(again, away, () => true),
          1_030_000,
        ),
      ).toMatchObject({
        status: 'open',
        wait: { for: 'backoff' },
        unpushed: { tries: 1 },
      });
    });

    it('so that the pace of paid starts does not hold it back', () => {
      const waits = stepBead(
        { ...spent(...begun), paid: { starts: 7, at: 999_000 } },
        readByRules(spent(...begun), ended({ retryAfterMs: 30_000 }), () => true),
        1_000_000,
      );
      expect(waits.wait).toMatchObject({ for: 'backoff', until: 1_030_000 });
    });

    it('but in a run that began before this rule it blocks, as its history says', () => {
      const state = spent(...begun);
      const old = stepBead(
        state,
        readByRules(state, ended({ retryAfterMs: 30_000, usage }), () => false),
        1_000_000,
      );
      expect(old).toMatchObject({ status: 'blocked', wait: { for: 'person' } });
    });

    it('and a person is still asked where a person has to help', () => {
      expect(spent(...begun, ended({ usage }))).toMatchObject({ status: 'blocked', reason: 'secrets in line 3' });
    });
  });

  it('is left to a next attempt by retry --now', () => {
    const state = play(...begun, ended(), { type: 'retry', now: true });
    expect(state.unpushed).toBeUndefined();
    expect(state).toMatchObject({ status: 'open', notes: [expect.stringContaining('secrets in line 3')] });
  });

  it('does not outlive the cancel of its bead', () => {
    expect(play(...begun, ended(), { type: 'cancel' })).toMatchObject({ status: 'cancelled' });
  });
});

describe('a branch that somebody else than the runner pushed', () => {
  const lost = ended({ outcome: 'lost', reason: 'killed', branch: undefined, sha: undefined } as never);
  const unvouched: Evidence = { verdict: 'unvouched', reason: 'nobody vouched for it', found: sha };

  it('is looked at with the key of the runner that had claimed the attempt', () => {
    expect(play(...begun, lost).attempts.at(-1)?.cell).toBe('sandbox');
    expect(play(...begun, lost).salvage).toEqual({ attempt, branch, vouchKey: 'k'.repeat(43) });
  });

  it('closes nothing; the next attempt goes on from it', () => {
    const state = play(...begun, lost, { type: 'salvaged', evidence: unvouched });
    expect(state).toMatchObject({ status: 'open', checkpoint: { sha, ref: `refs/heads/${branch}`, wip: false } });
    expect(state.notes.at(-1)).toContain('not taken as finished');
  });

  it('does not take the place of what the runner itself has saved', () => {
    const checkpoint = { sha: 'c'.repeat(40), ref: `refs/heartbead/b/${attempt}/wip`, wip: true };
    const saved: BeadEvent = { type: 'heartbeat', signal: { attempt, host: 'h1', checkpoint } };
    expect(play(...begun, saved, lost, { type: 'salvaged', evidence: unvouched }).checkpoint).toEqual(checkpoint);
  });
});

describe('work that shares no history with its base', () => {
  it("is done again with advice, on the agent's account", () => {
    const state = play(...begun, ended({ outcome: 'done', reason: 'done' }), {
      type: 'evidence',
      evidence: { verdict: 'unrelated', reason: 'no commit in common with its start', found: sha },
    });
    expect(state).toMatchObject({ status: 'open', used: { agentFailures: 1 } });
    expect(state.branch).toBeUndefined();
    expect(state.notes.at(-1)).toContain(`git checkout ${sha} -- PATH`);
  });
});
