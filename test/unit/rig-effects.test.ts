import { expect, it } from 'vitest';
import { limits, readGrantRefused } from '../../src/contract/index.js';
import type { MergeRequest, QueuedMerge, RigInput, RigNews, RigStop, GrantRequest } from '../../src/contract/index.js';
import {
  beadEffects,
  initialBead,
  mergeKey,
  mergeQueueIsFull,
  mergesToInterrupt,
  nextRigInput,
  rigDrains,
  rigEffects,
  rigHolders,
  rigIsFull,
  rigView,
  rigWeighsAll,
  runLength,
  stepBead,
  stepRig,
} from '../../src/domain/index.js';
import type { MergeUnderWay, RunLength } from '../../src/domain/index.js';
import { RigStory, settings } from './support/rig-story.js';

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

it('a flood of news is told in batches, and a run with more of it than can be carried over tells first', () => {
  const rig = new RigStory({ maxAgents: 1_000 });
  for (let n = 0; n < 300; n += 1) rig.ask(`granted-${n}`);
  rig.apply({ type: 'removed', reason: 'gone' });
  for (let n = 0; n < 2_000; n += 1) rig.ask(`late-${n}`);
  expect(rig.state.news.length).toBe(2_300);
  expect(asked(rig).length).toBe(500);
  expect(new Set(rig.effects.map(({ key }) => key)).size).toBe(500);
  // As a run of an earlier build did it, whose history has to be replayed.
  expect(rigEffects(rig.state, rig.now, { length: 'fine', merges: [], tellsAllAtOnce: true }).length).toBe(2_300);
  expect(asked(rig, 'now').length).toBe(500);
  expect(rigDrains(rig.state, { length: 'now', merges: [] })).toBe(false);
  let rounds = 0;
  for (; asked(rig, 'now').length > 0 && rounds < 10; rounds += 1)
    for (const effect of rigEffects(rig.state, rig.now, { length: 'now', merges: [] }))
      if (effect.do === 'tell') rig.apply({ type: 'newsTold', id: effect.news.id, delivered: true });
  expect(rig.state.news.length).toBeGreaterThan(0);
  expect(JSON.stringify(rig.state.news).length).toBeLessThan(192 * 1024);
  expect(rigDrains(rig.state, { length: 'now', merges: [] })).toBe(true);
  // What was carried over is told by the next run.
  expect(asked(rig).length).toBeGreaterThan(0);
});

it('the news of an outcome count with their bytes, not their letters', () => {
  const rig = new RigStory().enqueue('a', 1);
  rig.begin();
  rig.end('a', 1, { outcome: 'error', reason: '語'.repeat(70_000) });
  expect(JSON.stringify(rig.state.news).length).toBeLessThan(192 * 1024);
  expect(rigDrains(rig.state, { length: 'now', merges: [] })).toBe(false);
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

const asking = (n: number, letters: number): GrantRequest => {
  const id = `b${n}`.padEnd(letters, 'x');
  return { bead: id, workflowId: `bead-${id}`, priority: 3, since: 1_764_356_000_000 + n, agent: 'rig' };
};

it.each([10, 60])('a rig takes beads with ids of %d letters as long as they fit, and refuses the next', (letters) => {
  const waiting: GrantRequest[] = [];
  while (!rigIsFull({ waiting, grants: [] }, asking(waiting.length, letters)))
    waiting.push(...Array.from({ length: 50 }, (_, n) => asking(waiting.length + n, letters)));
  expect(waiting.length).toBeGreaterThan(letters === 10 ? 6_500 : 3_400);
  const room = 768 * 1024;
  const bytes = JSON.stringify(waiting).length;
  expect([bytes < 1.02 * room, bytes > 0.9 * room]).toEqual([true, true]);
  // One that has its place keeps it, also when it asks again.
  const [first = asking(0, letters)] = waiting;
  expect(rigIsFull({ waiting, grants: [] }, first)).toBe(false);
  const holds = { ...asking(-1, letters), grantedAt: 0, probe: false };
  expect([rigIsFull({ waiting, grants: [holds] }, holds), rigIsFull({ waiting, grants: [] }, holds)]).toEqual([
    false,
    true,
  ]);
});

it('the merge queue takes what fits, and refuses the next with a sentence', () => {
  const merge = (n: number): MergeRequest => ({
    item: `i${n}`.padEnd(60, 'x'),
    workflowId: `bead-i${n}`.padEnd(65, 'x'),
    branch: `heartbead/i${n}/1-aaaaaaaa`.padEnd(200, 'x'),
    sha: 'a'.repeat(40),
    target: 'main',
    priority: 3,
    since: 1_764_356_000_000,
    title: '€'.repeat(200),
  });
  const queue: QueuedMerge[] = [];
  while (!mergeQueueIsFull({ queue }, merge(queue.length)))
    queue.push({ ...merge(queue.length), queuedAt: 1_764_356_000_000, tries: 0 });
  const bytes = Buffer.byteLength(JSON.stringify(queue));
  expect([queue.length > 400, bytes < 640 * 1024, bytes > 560 * 1024]).toEqual([true, true, true]);
  expect(mergeQueueIsFull({ queue }, merge(0))).toBe(false);
  const rig = new RigStory().apply({ type: 'enqueued', request: merge(1), full: true });
  expect([rig.queued, rig.answers]).toEqual([[], [[merge(1).item, 'error']]]);
});

it('requests stand in the order of priority, then age, in whatever order they come or come again', () => {
  const rig = new RigStory({ maxAgents: 1 }).ask('holds');
  for (const [bead, priority, since] of [
    ['d', 3, 9],
    ['a', 1, 5],
    ['c', 3, 2],
    ['b', 1, 5],
    ['d', 2, 1],
    ['a', 4, 1],
  ] as const)
    rig.ask(bead, priority, since);
  expect(rig.state.waiting.map(({ bead }) => bead)).toEqual(['b', 'd', 'c', 'a']);
  const mixed = { ...rig.state, waiting: rig.state.waiting.toReversed() };
  expect(stepRig(mixed, { type: 'renewed' }, rig.now).waiting).toEqual(rig.state.waiting);
});

it('a refused bead waits for a person with a next step, and is asked for again by a retry', () => {
  const rig = new RigStory();
  rig.apply({ type: 'asked', request: asking(1, 10), full: true });
  const [news] = rig.state.news;
  expect([news?.signal, rig.state.waiting]).toEqual(['slotRefused', []]);
  const refused = readGrantRefused(news?.payload);
  if (typeof refused === 'string') throw new Error(refused);
  const input = { bead: 'b1', title: 'A bead', repo: '/r', agent: { adapter: 'rig' }, rig: 'r' };
  const asks = stepBead(initialBead(input, 0), { type: 'askedGrant' }, 1);
  const told = stepBead(asks, { type: 'grantRefused', refused }, 2);
  expect([told.status, told.attention]).toEqual(['blocked', 'blocked']);
  expect(told.wait).toMatchObject({
    for: 'person',
    text: 'rig r has no room for one more bead: 0 wait for it',
    fix: expect.stringContaining('heartbead retry b1') as string,
  });
  expect(beadEffects(told)).toEqual([]);
  expect(beadEffects(stepBead(told, { type: 'retry', now: false }, 3))).toMatchObject([{ word: 'askGrant' }]);
  // A late answer, after the bead has got its place by asking again.
  const granted = stepBead(asks, { type: 'granted', grant: { bead: 'b1', version: 1, settings: settings() } }, 2);
  expect(stepBead(granted, { type: 'grantRefused', refused }, 3).status).toBe(granted.status);
  expect(readGrantRefused({ bead: 1 })).toBe('not the refusal of a grant');
});

/** Full of all that a rig may hold, and of refusals that are still to be told. */
function fullRig(refusals: number): RigStory {
  const merge = (n: number): QueuedMerge => ({
    item: `i${n}`.padEnd(60, 'x'),
    workflowId: `bead-i${n}`.padEnd(65, 'x'),
    branch: `heartbead/i${n}/1-aaaaaaaa`.padEnd(100, 'x'),
    sha: 'a'.repeat(40),
    target: 'main',
    priority: 3,
    since: 1_764_356_000_000,
    title: '€'.repeat(200),
    queuedAt: 1_764_356_000_000,
    tries: 1,
    lastReason: '€'.repeat(200),
    approval: { signature: 's'.repeat(1_000), found: 'b'.repeat(40) },
  });
  const waiting: GrantRequest[] = [];
  while (!rigIsFull({ waiting, grants: [] }, asking(waiting.length, 60))) waiting.push(asking(waiting.length, 60));
  const queue: QueuedMerge[] = [];
  while (!mergeQueueIsFull({ queue }, merge(queue.length))) queue.push(merge(queue.length));
  const rig = new RigStory({
    maxAgents: 1_000,
    checks: Array.from({ length: 20 }, (_, n) => ({ name: `check${n}`, command: 'c'.repeat(2_000), timeout: 60_000 })),
  });
  const grants = Array.from({ length: 1_000 }, (_, n) => ({
    ...asking(50_000 + n, 60),
    grantedAt: 1_764_356_000_000,
    probe: false,
    told: true,
  }));
  const met = grants.map(({ bead, workflowId }) => ({ bead, workflowId, again: true }));
  const stop: RigStop = {
    cause: 'auth_failed',
    agent: 'rig',
    reason: 'r'.repeat(500),
    since: 1,
    met,
    confirmed: true,
    probes: 3,
  };
  rig.state = { ...rig.state, paused: true, waiting, queue, grants, stops: [stop] };
  for (let n = 0; n < refusals; n += 1)
    rig.state = stepRig(rig.state, { type: 'asked', request: asking(100_000 + n, 60), full: true }, rig.now);
  expect([rig.state.waiting.length, rig.state.news.length]).toEqual([waiting.length, refusals]);
  return rig;
}
const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
const serverTakes = 2 * 1024 * 1024;

it('a rig that is full of everything tells refusals until what is left fits into the payload of its next run', () => {
  const { state } = fullRig(1_000);
  const drains = (news: RigNews[]): boolean => rigDrains({ ...state, news }, { length: 'now', merges: [] });
  expect(drains(state.news)).toBe(false);
  let { news } = state;
  while (!drains(news)) news = news.slice(1);
  expect(news.length).toBeGreaterThan(100);
  expect(bytesOf(nextRigInput({ rig: 'r' } as RigInput, { ...state, news }))).toBeLessThan(serverTakes);
  // A run of an earlier build weighed news alone, and its history has to be replayed.
  expect(rigWeighsAll({ ...state, news: state.news.slice(0, 700) }, 'now')).toBe(true);
  expect(rigWeighsAll(state, 'fine')).toBe(false);
  expect(
    rigDrains({ ...state, news: state.news.slice(0, 700) }, { length: 'now', merges: [], weighsOnlyNews: true }),
  ).toBe(true);
});

it('whoever looks at a rig with thousands of refusals sees the first ones, and how many there are', () => {
  const { state } = fullRig(3_000);
  const view = rigView(state, 7);
  expect(bytesOf(view)).toBeLessThan(serverTakes - 64 * 1024);
  expect([view.news.length > 10, view.news.length < 200, view.untold, view.now]).toEqual([true, true, 3_000, 7]);
  expect(view.news).toEqual(state.news.slice(0, view.news.length));
  expect({ ...view, news: state.news, untold: undefined, now: undefined }).toEqual(state);
});
