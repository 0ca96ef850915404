import { describe, expect, it } from 'vitest';
import { readMergeEnded, readGrantRefused } from '../../src/contract/index.js';
import type { AttemptResult, BeadInput, BeadState, Granted, MergeOutcome } from '../../src/contract/index.js';
import {
  beadEffects,
  initialBead,
  mayDispatch,
  mayOfferAgain,
  mergeRequest,
  readByRules,
  grantReturn,
  stepBead,
  waitingFor,
  wordIsMoot,
  wordToRig,
} from '../../src/domain/index.js';
import type { BeadEvent, RigWord } from '../../src/domain/index.js';

const input: BeadInput = {
  bead: 'b',
  title: 'A bead',
  repo: '/r',
  agent: { adapter: 'rig' },
  rig: 'r1',
  target: 'main',
};
const grant = (more: Partial<Granted['settings']> = {}): Granted => ({
  bead: 'b',
  version: 4,
  settings: {
    repo: '/r2',
    base: 'main',
    agent: { adapter: 'demo' },
    maxAgents: 2,
    checks: [],
    strategy: 'merge',
    approval: false,
    ...more,
  },
});
const sha = (digit: string): string => digit.repeat(40);

class Story {
  now = 1_000;
  state: BeadState = initialBead(input, this.now);
  apply(...events: BeadEvent[]): this {
    for (const event of events) this.state = stepBead(this.state, event, (this.now += 10));
    return this;
  }
  attempt(commit: string, more: Partial<AttemptResult> = {}): this {
    const attempt = `${this.state.attemptCount + 1}-aaaaaaaa`;
    return this.apply(
      { type: 'dispatched', attempt },
      { type: 'accepted', signal: { attempt, host: 'h1' } },
      { type: 'heartbeat', signal: { attempt, host: 'h1', kind: 'output' } },
      {
        type: 'ended',
        result: {
          attempt,
          outcome: 'done',
          reason: 'done',
          host: 'h1',
          branch: `heartbead/b/${attempt}`,
          sha: sha(commit),
          ...more,
        },
      },
      {
        type: 'evidence',
        evidence: {
          verdict: 'verified',
          branch: `heartbead/b/${attempt}`,
          sha: sha(commit),
          baseSha: sha('0'),
          ahead: 1,
        },
      },
    );
  }
  granted(more: Partial<Granted['settings']> = {}): this {
    return this.apply({ type: 'askedGrant' }, { type: 'granted', grant: grant(more) });
  }
  merge(result: MergeOutcome): this {
    const commit = this.state.sha ?? '';
    this.apply({ type: 'enqueued', sha: commit });
    const told: BeadEvent = { type: 'mergeEnded', ended: { item: 'b', sha: commit, result } };
    return this.apply(readByRules(this.state, told, () => true));
  }
}
function tickAt(story: Story, at: number): BeadEvent[] {
  story.now = at;
  return [{ type: 'tick' }];
}
const conflict: MergeOutcome = { outcome: 'conflict', paths: ['a.txt'], target: 'main', targetSha: sha('9') };

describe('a bead with a rig', () => {
  it('asks leave before each attempt and runs with the settings that came with it', () => {
    const story = new Story();
    expect([wordToRig(story.state), mayDispatch(story.state)]).toEqual(['askGrant', false]);
    story.apply({ type: 'askedGrant' });
    expect([wordToRig(story.state), story.state.wait?.for, waitingFor(story.state)]).toEqual([
      undefined,
      'grant',
      'rig r1, to grant an agent',
    ]);
    story.apply({ type: 'granted', grant: grant() });
    expect([mayDispatch(story.state), story.state.repo, story.state.agentSpec.adapter]).toEqual([true, '/r2', 'demo']);
  });

  it('asks no more for what it would take back, while its rig takes no signals, and gives back in any case', () => {
    const asks = new Story().apply({ type: 'askedGrant' });
    expect(wordIsMoot(asks.state, 'askGrant')).toBe(false);
    expect(wordIsMoot(asks.apply({ type: 'pause' }).state, 'askGrant')).toBe(true);
    expect(wordIsMoot(new Story().granted().state, 'askGrant')).toBe(true);
    const queued = new Story().granted().attempt('1').apply({ type: 'grantReturned' });
    queued.apply({ type: 'enqueued', sha: sha('1') });
    expect(wordIsMoot(queued.state, 'enqueue')).toBe(false);
    queued.apply({ type: 'cancel' });
    expect(['enqueue', 'returnGrant', 'withdraw'].map((word) => wordIsMoot(queued.state, word as RigWord))).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('gives the leave back after the attempt, and says which version of the settings it used', () => {
    const story = new Story().granted().attempt('1');
    expect(wordToRig(story.state)).toBe('returnGrant');
    expect(story.state.attempts[0]).toMatchObject({ rigVersion: 4, progress: true });
    story.apply({ type: 'grantReturned' });
    expect(wordToRig(story.state)).toBe('enqueue');
  });

  it('gives an unused leave back when it is paused or cancelled meanwhile', () => {
    expect(wordToRig(new Story().granted().apply({ type: 'pause' }).state)).toBe('returnGrant');
    const cancelled = new Story().granted().apply({ type: 'cancel' });
    expect([cancelled.state.status, wordToRig(cancelled.state)]).toEqual(['cancelled', 'returnGrant']);
  });

  it('closes only when it is merged', () => {
    const story = new Story().granted().attempt('1').apply({ type: 'grantReturned' });
    expect(story.state.status).toBe('in_review');
    story.merge({ outcome: 'merged', sha: sha('7'), target: 'main', strategy: 'merge' });
    expect([story.state.status, story.state.landing?.mergedSha]).toEqual(['closed', sha('7')]);
  });

  it('that is verified and does not land is paid for at growing distances, and its rig counts these starts', () => {
    const held = new Story();
    held.state = { ...held.state, budgets: { ...held.state.budgets, reworkRounds: 8 } };
    const starts: number[] = [];
    const fruitless: (number | undefined)[] = [];
    for (let n = 1; n <= 8; n += 1) {
      held.granted();
      starts.push(held.now);
      held.attempt(String(n));
      fruitless.push(grantReturn(held.state).end?.fruitless);
      held.apply({ type: 'grantReturned' }).merge(conflict);
      if (held.state.wait?.for === 'backoff') held.apply(...tickAt(held, held.state.wait.until));
    }
    const gaps = starts.slice(1).map((at, index) => Math.round((at - (starts[index] ?? 0)) / 10_000) * 10);
    expect(gaps).toEqual([0, 10, 20, 40, 80, 160, 320]);
    // The first has led to nothing yet when its grant goes back; each that follows tells of the one before.
    expect(fruitless).toEqual([0, 1, 1, 1, 1, 1, 1, 1]);
    // A person who asks for changes wants them now.
    held.granted({ approval: true }).attempt('9').apply({ type: 'grantReturned' });
    held.apply({ type: 'requestChanges', feedback: 'shorter' });
    expect(held.state.wait?.for).not.toBe('backoff');
  });

  it('that its rig lets go on keeps its accounts and the distance of its paid starts; an operator gives fresh ones', () => {
    const refused = { outcome: 'auth_failed', reason: '401' } as const;
    const story = new Story();
    const starts: number[] = [];
    const goOn = (ordered?: true): void => {
      const told: BeadEvent = { type: 'causeGone', ordered };
      story.apply(readByRules(story.state, told, () => true));
    };
    story.state = { ...story.state, used: { ...story.state.used, agentFailures: 3 } };
    for (let n = 1; n <= 6; n += 1) {
      story.granted();
      starts.push(story.now);
      story.attempt('1', refused);
      expect([story.state.status, wordToRig(story.state)]).toEqual(['blocked', 'returnGrant']);
      story.apply({ type: 'grantReturned' });
      goOn();
      expect(story.state.attention).toBeUndefined();
      if (story.state.wait?.for === 'backoff') story.apply(...tickAt(story, story.state.wait.until));
    }
    const gaps = starts.slice(1).map((at, index) => Math.round((at - (starts[index] ?? 0)) / 10_000) * 10);
    expect([gaps, story.state.used.agentFailures]).toEqual([[0, 10, 20, 40, 80], 3]);
    story.granted().attempt('1', refused).apply({ type: 'grantReturned' });
    goOn(true);
    expect([story.state.wait, story.state.paid, story.state.used.agentFailures]).toEqual([undefined, undefined, 0]);
  });

  it('pushes its finished commits at once when its rig says that the remote takes them again', () => {
    const story = new Story();
    for (let n = 1; n <= 4; n += 1)
      story
        .granted()
        .attempt('1', { outcome: 'lost', reason: 'x' })
        .apply(...tickAt(story, story.now + 3_600_000), { type: 'grantReturned' });
    story.granted().attempt('1', { outcome: 'push_refused', reason: 'no' }).apply({ type: 'grantReturned' });
    expect(story.state.status).toBe('blocked');
    story.apply(readByRules(story.state, { type: 'causeGone' }, () => true));
    expect([story.state.wait, beadEffects(story.state)[0]?.do]).toEqual([undefined, 'offer']);
  });

  it('of an earlier version goes round at once, as its history has it', () => {
    const story = new Story();
    for (let n = 1; n <= 3; n += 1) {
      story.granted().attempt(String(n)).apply({ type: 'grantReturned' });
      const commit = story.state.sha ?? '';
      story.apply({ type: 'enqueued', sha: commit });
      const told: BeadEvent = { type: 'mergeEnded', ended: { item: 'b', sha: commit, result: conflict } };
      story.apply(readByRules(story.state, told, () => false));
      expect(story.state.wait).toBeUndefined();
    }
  });

  it('takes no approval for what came onto the target past the refinery', () => {
    const foreign: MergeOutcome = {
      outcome: 'merged',
      sha: sha('7'),
      target: 'main',
      strategy: 'merge',
      foreign: true,
    };
    const story = new Story().granted({ approval: true }).attempt('1').apply({ type: 'grantReturned' });
    story.apply({ type: 'approve', by: 'Ada' }).merge(foreign);
    expect([story.state.status, story.state.wait?.for, story.state.attention]).toEqual([
      'in_review',
      'approval',
      'approval',
    ]);
    expect(story.state.reason).toMatch(/^main has it already as 777777777777, and not by the refinery/);
    story.apply({ type: 'approve', by: 'Ada' }).merge(foreign);
    expect(story.state.status).toBe('closed');
    expect(story.state.reason).toBe('main had it already as 777777777777, not by the refinery; the checks pass there');
  });

  it('says without an approval as well that something came past the refinery', () => {
    const story = new Story().granted().attempt('1').apply({ type: 'grantReturned' });
    story.merge({ outcome: 'merged', sha: sha('7'), target: 'main', strategy: 'merge', foreign: true });
    expect([story.state.status, story.state.reason]).toEqual([
      'closed',
      expect.stringContaining('not by the refinery'),
    ]);
  });

  it('goes round again with advice when its work shares no history with the target', () => {
    const story = new Story().granted().attempt('1').apply({ type: 'grantReturned' });
    story.merge({ outcome: 'unrelated', target: 'main', targetSha: sha('9') });
    expect([story.state.status, story.state.used.reworkRounds]).toEqual(['open', 1]);
    expect(story.state.messages.at(-1)?.text).toContain(`git checkout ${sha('1')} -- PATH`);
  });

  it('begins with its own commits alone when the target was rewritten, and says to the refinery where it began', () => {
    const story = new Story().granted().attempt('1').apply({ type: 'grantReturned' });
    expect(mergeRequest(story.state, 'w')).toMatchObject({ began: sha('0'), target: 'main' });
    story.merge({ outcome: 'unrelated', target: 'main', targetSha: sha('9'), lost: sha('0') });
    expect([story.state.status, story.state.used.reworkRounds]).toEqual(['open', 1]);
    expect(story.state.messages.at(-1)?.text).toContain(`git cherry-pick ${sha('0')}..${sha('1')}`);
    // Where it lands elsewhere than it began, the target never had that commit.
    const elsewhere = { ...story.state, landing: { ...story.state.landing, target: 'release' } } as BeadState;
    expect(mergeRequest(elsewhere, 'w').began).toBeUndefined();
  });

  it('goes round again on the same commits after a conflict, with the paths in a message', () => {
    const story = new Story().granted().attempt('1').apply({ type: 'grantReturned' }).merge(conflict);
    expect([story.state.status, story.state.used.reworkRounds, story.state.checkpoint]).toEqual([
      'open',
      1,
      { sha: sha('1'), ref: 'refs/heads/heartbead/b/1-aaaaaaaa', wip: false },
    ]);
    expect(story.state.messages[0]?.text).toContain('a.txt');
    expect(wordToRig(story.state)).toBe('askGrant');
  });

  it('asks a person after the budget of rework rounds, and a retry starts afresh', () => {
    const story = new Story();
    for (const commit of ['1', '2', '3', '4'])
      story.granted().attempt(commit).apply({ type: 'grantReturned' }).merge(conflict);
    expect([story.state.status, story.state.attention]).toEqual(['blocked', 'blocked']);
    story.apply({ type: 'retry', now: false });
    expect([story.state.status, story.state.used.reworkRounds, wordToRig(story.state)]).toEqual([
      'open',
      0,
      'askGrant',
    ]);
  });

  it('offers verified work again after a retry, instead of doing it again', () => {
    const story = new Story()
      .granted()
      .attempt('1')
      .apply({ type: 'grantReturned' })
      .merge({ outcome: 'push_rejected', reason: 'protected branch', retry: false });
    expect(story.state.status).toBe('blocked');
    story.apply({ type: 'retry', now: false });
    expect([story.state.status, wordToRig(story.state)]).toEqual(['in_review', 'enqueue']);
  });

  it('offers it again also when its last commit was saved as a checkpoint, but never what has to be reworked', () => {
    const saved = (commit: string) => ({ checkpoint: { sha: sha(commit), ref: 'refs/heartbead/b/wip', wip: false } });
    const rejected: MergeOutcome = { outcome: 'error', reason: 'there is no branch main' };
    const story = new Story()
      .granted()
      .attempt('1', saved('1'))
      .apply({ type: 'grantReturned' })
      .merge(rejected)
      .apply({ type: 'retry', now: false });
    // The rule of before, which histories have.
    expect(wordToRig(story.state)).toBe('askGrant');
    expect([
      mayOfferAgain(story.state),
      story.apply({ type: 'offeredAgain' }).state.status,
      wordToRig(story.state),
    ]).toEqual([true, 'in_review', 'enqueue']);
    const reworked = new Story();
    for (const commit of ['1', '2', '3', '4'])
      reworked.granted().attempt(commit, saved(commit)).apply({ type: 'grantReturned' }).merge(conflict);
    reworked.apply({ type: 'retry', now: false });
    expect([mayOfferAgain(reworked.state), wordToRig(reworked.apply({ type: 'offeredAgain' }).state)]).toEqual([
      false,
      'askGrant',
    ]);
  });

  it('tells the end of a long log, and how to resolve a conflict before the names of the files', () => {
    const failed: MergeOutcome = {
      outcome: 'checks_failed',
      check: 'test',
      timedOut: false,
      logTail: `${'x'.repeat(4_000)}\nthe cause`,
    };
    const [first] = new Story().granted().attempt('1').apply({ type: 'grantReturned' }).merge(failed).state.messages;
    expect([
      first?.text.endsWith('xx\nthe cause'),
      first?.text.startsWith('The check "test" failed'),
      first?.text.length,
    ]).toEqual([true, true, 2_000]);
    const review: MergeOutcome = { outcome: 'changes_requested', url: 'https://f/pull/1', text: '- a.ts:3 (ada): no' };
    const reviewed = new Story().granted().attempt('1').apply({ type: 'grantReturned' }).merge(review).state;
    expect(reviewed.messages[0]?.text).toMatch(/at https:\/\/f\/pull\/1\. Make them.*:\n- a\.ts:3 \(ada\): no$/s);
    expect(reviewed.reason).toBe('rework 1 of 3: changes requested at https://f/pull/1');
    expect(readMergeEnded({ item: 'a', sha: 's', result: review })).toMatchObject({ result: review });
    expect(readMergeEnded({ item: 'a', sha: 's', result: { ...review, text: 7 } })).toBe('a review without its text');
    const many: MergeOutcome = {
      outcome: 'conflict',
      target: 'main',
      targetSha: sha('9'),
      paths: Array.from({ length: 100 }, (_, n) => `${'deep/'.repeat(20)}file-${n}.txt`),
    };
    const { messages, reason } = new Story().granted().attempt('1').apply({ type: 'grantReturned' }).merge(many).state;
    expect(messages[0]?.text).toMatch(/git merge origin\/main.*file-19\.txt and 80 more\.$/);
    expect(reason.length).toBeLessThan(2_000);
  });

  it('waits for approval as long as it must, at the commit that was verified', () => {
    const story = new Story().granted({ approval: true }).attempt('1').apply({ type: 'grantReturned' });
    expect([story.state.wait?.for, story.state.attention, wordToRig(story.state)]).toEqual([
      'approval',
      'approval',
      undefined,
    ]);
    story.apply({ type: 'approve', by: 'ann' });
    expect([wordToRig(story.state), story.state.landing?.approvedSha, story.state.attention]).toEqual([
      'enqueue',
      sha('1'),
      undefined,
    ]);
    // Other commits need another approval.
    story.merge(conflict).granted({ approval: true }).attempt('2').apply({ type: 'grantReturned' });
    expect(story.state.wait?.for).toBe('approval');
  });

  it('sends work back with the reviewer’s words', () => {
    const story = new Story()
      .granted({ approval: true })
      .attempt('1')
      .apply({ type: 'grantReturned' }, { type: 'requestChanges', feedback: 'name it better' });
    expect([story.state.status, story.state.messages[0]?.text]).toEqual([
      'open',
      'A reviewer asks for changes: name it better',
    ]);
  });

  it('never calls merged work cancelled: the refinery’s answer decides', () => {
    const queued = new Story()
      .granted()
      .attempt('1')
      .apply({ type: 'grantReturned' }, { type: 'enqueued', sha: sha('1') }, { type: 'cancel' });
    expect([queued.state.status, wordToRig(queued.state)]).toEqual(['in_review', 'withdraw']);
    const answered = (result: MergeOutcome): BeadState =>
      stepBead(queued.state, { type: 'mergeEnded', ended: { item: 'b', sha: sha('1'), result } }, 9_000);
    expect(answered({ outcome: 'merged', sha: sha('7'), target: 'main', strategy: 'merge' }).status).toBe('closed');
    expect(answered({ outcome: 'error', reason: 'withdrawn' }).status).toBe('cancelled');
  });

  it('takes no answer about a commit that it no longer offers', () => {
    const story = new Story()
      .granted()
      .attempt('1')
      .apply({ type: 'grantReturned' }, { type: 'enqueued', sha: sha('1') });
    story.apply({
      type: 'mergeEnded',
      ended: {
        item: 'b',
        sha: sha('5'),
        result: { outcome: 'merged', sha: sha('7'), target: 'main', strategy: 'merge' },
      },
    });
    expect(story.state.status).toBe('in_review');
  });

  it('asks a person when its rig is gone', () => {
    expect(
      new Story().apply({ type: 'askedGrant' }, { type: 'rigGone', text: 'rig r1 does not exist (any more)' }).state
        .status,
    ).toBe('blocked');
  });

  it('asks a person when its rig refuses it, unless it has its place or has taken its question back', () => {
    const refused = readGrantRefused({ bead: 'b', reason: 'rig r1 is being removed' });
    if (typeof refused === 'string') throw new Error(refused);
    const story = new Story().apply({ type: 'askedGrant' }, { type: 'grantRefused', refused });
    expect([story.state.status, story.state.landing?.grant]).toEqual(['blocked', 'none']);
    expect(story.state.wait).toMatchObject({
      for: 'person',
      text: 'rig r1 is being removed',
      fix: 'add the rig r1 (heartbead rig add), then retry the bead',
    });
    expect(wordToRig(story.state)).toBeUndefined();
    expect(wordToRig(story.apply({ type: 'retry', now: false }).state)).toBe('askGrant');
    for (const late of [new Story(), new Story().granted()]) {
      const before = late.state;
      expect(late.apply({ type: 'grantRefused', refused }).state).toEqual(before);
    }
    expect(readGrantRefused({ bead: 'b' })).toBe('not the refusal of a grant');
  });
});
