import { describe, expect, it } from 'vitest';
import type { MergeOutcome } from '../../src/contract/index.js';
import {
  maxBreakdowns,
  maxQueued,
  maxRejections,
  nextRigDeadline,
  readyMerges,
  rigOver,
} from '../../src/domain/index.js';
import { conflict, hour, merged, minute, movedOn, RigStory, sha } from './support/rig-story.js';

describe('the merge queue', () => {
  it('merges one at a time per target, by priority and then by age', () => {
    const rig = new RigStory()
      .enqueue('b', 1, { since: 20 })
      .enqueue('a', 2, { since: 10 })
      .enqueue('urgent', 3, { priority: 1, since: 90 })
      .enqueue('other', 4, { target: 'next', since: 50 });
    expect(rig.queued).toEqual(['urgent', 'a', 'b', 'other']);
    expect(rig.begin().merging).toEqual(['urgent', 'other']);
    expect(rig.begin().merging).toEqual(['urgent', 'other']);
    expect(rig.end('urgent', 3, merged(33)).begin().merging).toEqual(['other', 'a']);
  });

  it('lets nothing starve: an hour in the queue is worth a level of priority', () => {
    const rig = new RigStory().enqueue('patient', 1, { priority: 5 });
    const order: string[] = [];
    for (let n = 2; n < 40 && !order.includes('patient'); n += 1) {
      rig.enqueue(`urgent-${n}`, n, { priority: 1 }).begin();
      order.push(rig.merging[0] ?? '');
      rig.wait(20 * minute).end(rig.merging[0] ?? '', parseInt(rig.state.merging[0]?.sha ?? '', 16), merged(n + 100));
    }
    // Four levels, an hour each: not before, and hardly after.
    expect(order.at(-1)).toBe('patient');
    expect(order.length).toBeGreaterThan(11);
    expect(order.length).toBeLessThan(15);
  });

  it('counts the wait from the queue, not the age of the bead', () => {
    const rig = new RigStory();
    rig
      .wait(30 * hour)
      .enqueue('old bead', 1, { priority: 5, since: 0 })
      .enqueue('urgent', 2, { priority: 1 });
    expect(rig.queued).toEqual(['urgent', 'old bead']);
  });

  it('knows a commit that is enqueued twice', () => {
    const rig = new RigStory().enqueue('a', 1).enqueue('a', 1, { priority: 1 });
    expect([rig.queued, rig.state.queue[0]?.priority, rig.answers]).toEqual([['a'], 1, []]);
    rig.begin().enqueue('a', 1);
    expect([rig.queued, rig.merging]).toEqual([[], ['a']]);
    rig.end('a', 1, merged(11)).tellAll();
    // Asked once more: the same answer, and no second merge.
    rig.enqueue('a', 1);
    expect([rig.queued, rig.answers]).toEqual([[], [['a', 'merged']]]);
  });

  it('takes the newer commit of an item, and says so of the older one', () => {
    const rig = new RigStory().enqueue('a', 1).enqueue('a', 2);
    expect(rig.state.queue.map(({ sha: commit }) => commit)).toEqual([sha(2)]);
    expect(rig.answers).toEqual([['a', 'error']]);
  });

  it('merges the same commit again after it was not merged', () => {
    const rig = new RigStory()
      .enqueue('a', 1)
      .begin()
      .end('a', 1, { outcome: 'push_rejected', reason: 'protected', retry: false })
      .enqueue('a', 1)
      .begin();
    expect(rig.merging).toEqual(['a']);
  });

  it.each<[string, MergeOutcome]>([
    ['a conflict', conflict],
    ['a failed check', { outcome: 'checks_failed', check: 'test', logTail: 'boom', timedOut: false }],
    ['an error', { outcome: 'error', reason: 'x' }],
    ['a refused push', { outcome: 'push_rejected', reason: 'hook', retry: false }],
  ])('goes on with the next after %s', (_, outcome) => {
    const rig = new RigStory().enqueue('a', 1).enqueue('b', 2).begin().end('a', 1, outcome).begin();
    expect([rig.merging, rig.answers]).toEqual([['b'], [['a', outcome.outcome]]]);
    expect(rig.state.notMerged).toMatchObject([{ item: 'a', outcome: outcome.outcome }]);
  });

  it('puts back what others were faster than, lets others go ahead for a while, and gives up after five times', () => {
    const rig = new RigStory().enqueue('a', 1, { priority: 1 }).enqueue('b', 2).begin().end('a', 1, movedOn).begin();
    expect([rig.merging, rig.queued, rig.answers]).toEqual([['b'], ['a'], []]);
    rig.end('b', 2, merged(22)).begin();
    expect(rig.merging).toEqual([]);
    expect(nextRigDeadline(rig.state)).toMatchObject({ at: rig.state.queue[0]?.notBefore });
    for (let times = 1; times < maxRejections; times += 1)
      rig.wait(hour).apply({ type: 'tick' }).begin().end('a', 1, movedOn);
    expect([rig.queued, rig.answers]).toEqual([
      [],
      [
        ['b', 'merged'],
        ['a', 'push_rejected'],
      ],
    ]);
    expect(rig.state.news.at(-1)?.payload).toMatchObject({ result: { retry: false } });
  });

  it('puts back what the infrastructure failed, asks for a look after three times, and gives up in the end', () => {
    const rig = new RigStory().enqueue('a', 1);
    for (let times = 1; times < maxBreakdowns; times += 1) {
      rig.begin().apply({ type: 'mergeBroke', workflowId: 'bead-a', sha: sha(1), reason: 'the remote is away' });
      expect(rig.state.queue).toMatchObject([{ item: 'a', tries: times, lastReason: 'the remote is away' }]);
      expect(rig.state.attention).toBe(times >= 3 ? 'merge' : undefined);
      rig.wait(hour).apply({ type: 'tick' });
    }
    rig.begin().apply({ type: 'mergeBroke', workflowId: 'bead-a', sha: sha(1), reason: 'the remote is away' });
    expect([rig.queued, rig.answers]).toEqual([[], [['a', 'error']]]);
  });

  it('treats an unnamed target as one that may be any other', () => {
    const rig = new RigStory({ base: undefined as never })
      .enqueue('a', 1, { target: '' })
      .enqueue('b', 2, { target: 'main' })
      .begin();
    expect(rig.merging).toEqual(['a']);
  });

  it('lands what names no target on the base of the rig', () => {
    expect(new RigStory({ base: 'trunk' }).enqueue('a', 1, { target: '' }).state.queue[0]?.target).toBe('trunk');
  });

  it('watches many pull requests at once: the forge merges them', () => {
    const rig = new RigStory({ strategy: 'pr' });
    for (let n = 1; n <= 25; n += 1) rig.enqueue(`p${n}`, n);
    expect(rig.begin().merging).toHaveLength(20);
  });

  it('begins no merge while paused', () => {
    const rig = new RigStory().enqueue('a', 1).apply({ type: 'paused' }).begin();
    expect(rig.merging).toEqual([]);
    expect(rig.apply({ type: 'resumed' }).begin().merging).toEqual(['a']);
  });

  it('answers what does not fit any more', () => {
    const rig = new RigStory();
    for (let n = 1; n <= maxQueued + 1; n += 1) rig.enqueue(`i${n}`, n);
    expect([rig.queued.length, rig.answers]).toEqual([maxQueued, [[`i${maxQueued + 1}`, 'error']]]);
  });
});

describe('an entry that is withdrawn', () => {
  const withdraw = (rig: RigStory, item: string, commit: number): RigStory =>
    rig.apply({ type: 'withdrawn', withdrawal: { item, sha: sha(commit), workflowId: `bead-${item}` } });

  it('leaves the queue, and is told so', () => {
    expect(withdraw(new RigStory().enqueue('a', 1), 'a', 1).answers).toEqual([['a', 'error']]);
  });

  it('while it is merged gets the refinery’s answer, whatever that is', () => {
    const rig = withdraw(new RigStory().enqueue('a', 1).begin(), 'a', 1);
    expect([rig.merging, rig.answers, rig.state.merging[0]?.withdrawn]).toEqual([['a'], [], true]);
    expect(rig.end('a', 1, merged(11)).answers).toEqual([['a', 'merged']]);
  });

  it('is not tried again when the push was too late', () => {
    expect(withdraw(new RigStory().enqueue('a', 1).begin(), 'a', 1).end('a', 1, movedOn).answers).toEqual([
      ['a', 'push_rejected'],
    ]);
  });

  it('is asked after as long as it takes to know: merged work is never called cancelled', () => {
    const rig = withdraw(new RigStory().enqueue('a', 1).begin(), 'a', 1);
    for (let times = 0; times < maxBreakdowns * 2; times += 1)
      rig.apply({ type: 'mergeBroke', workflowId: 'bead-a', sha: sha(1), reason: 'away' });
    expect([rig.merging, rig.answers]).toEqual([['a'], []]);
  });

  it('after it was merged gets the same answer once more', () => {
    const rig = new RigStory().enqueue('a', 1).begin().end('a', 1, merged(11)).tellAll();
    expect(withdraw(rig, 'a', 1).state.news).toMatchObject([
      { workflowId: 'bead-a', payload: { item: 'a', sha: sha(1), result: { outcome: 'merged', sha: sha(11) } } },
    ]);
  });

  it('that never was there is told so', () => {
    expect(withdraw(new RigStory(), 'a', 1).answers).toEqual([['a', 'error']]);
  });
});

describe('items of workflows that are gone', () => {
  it('leave the queue; one in work is found out about', () => {
    const rig = new RigStory().enqueue('a', 1).enqueue('b', 2).begin();
    rig.apply({
      type: 'looked',
      askedAt: rig.now,
      gone: [
        { workflowId: 'bead-a', status: 'TERMINATED' },
        { workflowId: 'bead-b', status: 'NOT_FOUND' },
      ],
    });
    expect([rig.queued, rig.state.merging]).toMatchObject([[], [{ item: 'a', withdrawn: true }]]);
    expect(rig.state.notMerged).toMatchObject([{ item: 'b', reason: 'its workflow is gone (not found)' }]);
    // There is nobody to be told.
    expect(rig.answers).toEqual([]);
  });
});

describe('a rig that is removed', () => {
  it('answers its queue, and ends when the merge in work has ended and been told', () => {
    const rig = new RigStory().enqueue('a', 1).enqueue('b', 2).begin().apply({ type: 'removed', reason: 'x' });
    expect(rig.answers).toEqual([['b', 'error']]);
    expect([readyMerges(rig.state, rig.now), rigOver(rig.tellAll().state)]).toEqual([[], false]);
    rig.end('a', 1, merged(11));
    expect(rigOver(rig.state)).toBe(false);
    expect(rigOver(rig.tellAll().state)).toBe(true);
  });
});
