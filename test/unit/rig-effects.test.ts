import { expect, it } from 'vitest';
import { limits } from '../../src/contract/index.js';
import { mergeKey, mergesToInterrupt, rigEffects, rigHolders, runLength } from '../../src/domain/index.js';
import type { MergeUnderWay, RunLength } from '../../src/domain/index.js';
import { RigStory } from './support/rig-story.js';

const asked = (rig: RigStory, length: RunLength = 'fine', merges: MergeUnderWay[] = []): string[] =>
  rigEffects(rig.state, rig.now, { length, merges }).map(({ do: what }) => what);
const underWay = (rig: RigStory, more: Partial<MergeUnderWay> = {}): MergeUnderWay[] =>
  rig.state.merging.map((merge) => ({ key: mergeKey(merge), strategy: merge.strategy, withdrawn: false, ...more }));

it('a rig takes a merge from its queue, then asks for it, and says what it has to say before it', () => {
  const rig = new RigStory().ask('b').enqueue('a', 1);
  rig.now += 10;
  expect(rig.effects).toMatchObject([
    { do: 'takeMerge', workflowId: 'bead-a' },
    { do: 'grant', bead: 'b' },
  ]);
  rig.begin();
  expect(rig.effects).toMatchObject([
    { do: 'grant', bead: 'b' },
    { do: 'merge', merge: { item: 'a' } },
  ]);
});

it('a run that is to end begins no merge, and nothing at all once none is under way', () => {
  const rig = new RigStory().ask('b').enqueue('a', 1).enqueue('c', 2);
  rig.now += 10;
  rig.begin();
  expect(asked(rig, 'soon', underWay(rig))).toEqual(['grant']);
  expect(asked(rig, 'soon')).toEqual([]);
});

it('a merge is interrupted when it is in the way of the next run or wanted no more, and only then', () => {
  const rig = new RigStory().enqueue('a', 1);
  rig.now += 10;
  rig.begin();
  const [own = ''] = underWay(rig).map(({ key }) => key);
  const interrupted = (length: RunLength, more: Partial<MergeUnderWay> = {}): string[] =>
    mergesToInterrupt(rig.state, { length, merges: underWay(rig, more) });
  expect([interrupted('fine'), interrupted('soon'), interrupted('now')]).toEqual([[], [], [own]]);
  // The forge's merge may take days, so the end of the run does not wait for it.
  expect([interrupted('fine', { strategy: 'pr' }), interrupted('soon', { strategy: 'pr' })]).toEqual([[], [own]]);
  rig.apply({
    type: 'withdrawn',
    withdrawal: { item: 'a', sha: rig.state.merging[0]?.sha ?? '', workflowId: 'bead-a' },
  });
  expect(interrupted('fine')).toEqual([own]);
  // One that was begun to find out whether it had been merged gives its answer.
  expect(interrupted('fine', { withdrawn: true })).toEqual([]);
});

it('one look takes 500 holders, those of grants first', () => {
  const rig = new RigStory({ maxAgents: 1 }).ask('holder');
  for (let n = 0; n < 600; n += 1) rig.enqueue(`m${n}`, n + 1);
  expect(rigHolders(rig.state).length).toBe(500);
  expect(rigHolders(rig.state)[0]).toBe('bead-holder');
});

it('a run is long by its events, its signals, the advice of the server or another build', () => {
  const short = { events: 10, suggested: false, versionChanged: false, signals: 0 };
  const { historyEvents, signalsPerRun } = limits;
  expect(runLength(short)).toBe('fine');
  expect(runLength({ ...short, suggested: true })).toBe('soon');
  expect(runLength({ ...short, versionChanged: true })).toBe('soon');
  expect([historyEvents, historyEvents + 1].map((events) => runLength({ ...short, events }))).toEqual(['fine', 'soon']);
  expect(runLength({ ...short, events: historyEvents * 3 + 1 })).toBe('now');
  const half = signalsPerRun / 2 + 1;
  expect([runLength({ ...short, signals: half }), runLength({ ...short, signals: half }, signalsPerRun)]).toEqual([
    'soon',
    'fine',
  ]);
  expect(runLength({ ...short, signals: signalsPerRun + 1 }, signalsPerRun)).toBe('now');
});
