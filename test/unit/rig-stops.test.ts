import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GrantEnd } from '../../src/contract/index.js';
import { defaultStartsPerHour, heldBy, nextRigDeadline, rigStatus } from '../../src/domain/index.js';
import { problemsOf } from '../../src/domain/telling/problems.js';
import { aTown } from './operators/facts.js';
import { hour, minute, RigStory } from './support/rig-story.js';

const wrongOption = 'the agent does not take the option modle';
const endOf = (more: Partial<GrantEnd> = {}): GrantEnd => ({
  outcome: 'setup_failed',
  reason: wrongOption,
  agent: 'rig',
  host: 'h1',
  reached: 'nothing',
  fruitless: 0,
  usd: 0,
  ...more,
});
const good = endOf({ outcome: 'done', reason: '', reached: 'progress' });

class Fleet extends RigStory {
  askAs(bead: string, agent?: string, retried?: boolean): this {
    return this.apply({
      type: 'asked',
      request: { bead, workflowId: `bead-${bead}`, priority: 3, since: this.now, agent, retried },
    });
  }
  many(count: number): this {
    for (let n = 0; n < count; n += 1) this.askAs(`b${String(n).padStart(3, '0')}`, 'rig');
    return this.tellAll();
  }
  /** All that hold a grant end so. */
  allEnd(end: Partial<GrantEnd>): this {
    this.tellAll();
    for (const bead of this.held) this.give(bead, { end: endOf(end) });
    return this.tellAll();
  }
  get stops(): string[] {
    return (this.state.stops ?? []).map(({ cause }) => cause);
  }
  get causeGone(): string[] {
    return this.state.news.flatMap((news) => (news.signal === 'causeGone' ? [news.payload.bead] : []));
  }
  get ordered(): string[] {
    return this.state.news.flatMap((news) =>
      news.signal === 'causeGone' && news.payload.ordered === true ? [news.payload.bead] : [],
    );
  }
  get problems(): { kind: string; why: string; fix: string }[] {
    return problemsOf(aTown({ rigs: [{ rig: 'r', view: { ...this.state, now: this.now } }] }));
  }
}

describe('a cause that beads share', () => {
  it('costs two of five hundred, is one problem with the number that wait, and one word heals all', () => {
    const rig = new Fleet({ maxAgents: 1 })
      .many(500)
      .allEnd({})
      .allEnd({ reason: `${wrongOption} ` });
    expect([rig.held, rig.stops, rigStatus(rig.state), rig.state.attention]).toEqual([
      [],
      ['setup_failed'],
      'stopped',
      'stopped',
    ]);
    const [stop] = rig.state.stops ?? [];
    expect(stop?.met.map(({ bead }) => bead)).toEqual(['b000', 'b001']);
    expect(rig.problems).toHaveLength(1);
    expect(rig.problems[0]).toMatchObject({
      kind: 'shared-cause',
      fix: 'heartbead retry --rig r',
      why: expect.stringMatching(/modle.*500 beads wait for it/),
    });
    // Time does not mend an option.
    expect([nextRigDeadline(rig.state), rig.wait(24 * hour).apply({ type: 'tick' }).held]).toEqual([undefined, []]);
    rig.apply({ type: 'resumed' });
    expect(rig.held).toHaveLength(1);
    rig.tellAll().apply({ type: 'progressed', progress: { bead: rig.held[0] ?? '', spawned: true } });
    expect([rig.stops, rig.causeGone, rig.problems]).toEqual([[], ['b000', 'b001'], []]);
  });

  it('is tried by one bead of those that an operator retries, and costs one more when it holds', () => {
    const rig = new Fleet({ maxAgents: 10 }).many(100).allEnd({});
    // The one that looked whether it is the first one's own, while the other nine were at it.
    expect(rig.held).toEqual(['b010']);
    rig.allEnd({});
    expect([rig.held, rig.state.stops?.[0]?.met.length, rig.state.waiting.length]).toEqual([[], 11, 89]);
    for (const { bead } of rig.state.stops?.[0]?.met ?? []) rig.askAs(bead, 'rig', true);
    expect(rig.held).toHaveLength(1);
    rig.allEnd({});
    expect([rig.held, rig.stops, rig.problems.length]).toEqual([[], ['setup_failed'], 1]);
    expect(heldBy(rig.state, (rig.state.stops ?? [])[0] as never).length).toBe(99);
  });

  it('that one host has costs one bead: those it gives back go ahead one by one, further and further apart', () => {
    const rig = new Fleet({ maxAgents: 5 }).askAs('first').tellAll();
    for (let n = 0; n < 40; n += 1) rig.askAs(`b${n}`, 'rig');
    const lacking = { outcome: 'not_installed', reason: 'on host h1: no claude', reached: 'nothing' } as const;
    rig.tellAll().give('first', { end: endOf(lacking) });
    const gaps: number[] = [];
    for (let n = 0; n < 8; n += 1) {
      // What had been granted before is at it as well.
      if (n === 0) for (const bead of rig.held.slice(0, -1)) rig.give(bead, { end: endOf({ outcome: 'declined' }) });
      expect(rig.held).toHaveLength(1);
      rig.allEnd({ outcome: 'declined', reason: 'host h1 cannot run it: no claude' });
      expect(rig.held).toEqual([]);
      const at = nextRigDeadline(rig.state)?.at ?? 0;
      gaps.push((at - rig.now) / 1_000);
      rig.wait(at - rig.now).apply({ type: 'tick' });
    }
    expect(gaps).toEqual([10, 20, 40, 80, 160, 320, 600, 600]);
    expect(rig.stops).toEqual(['not_installed']);
    // Another host has it: all go on, and the first one waits for a person alone.
    rig.tellAll().apply({ type: 'progressed', progress: { bead: rig.held[0] ?? '', spawned: true } });
    expect([rig.stops, rig.held.length, rig.causeGone]).toEqual([[], 5, []]);
  });

  it('that another bead has nothing of was the first one’s own: it waits for a person alone', () => {
    const rig = new Fleet({ maxAgents: 1 }).askAs('typo').askAs('b').askAs('c').tellAll();
    rig.allEnd({ reason: 'there is no branch mian' });
    expect(rig.held).toEqual(['b']);
    rig.tellAll().give('b', { end: good });
    expect([rig.stops, rig.held, rig.causeGone, rig.problems]).toEqual([[], ['c'], [], []]);
  });

  it('of one bead alone does not hold back the next that is slung, and not the bead itself after a retry', () => {
    const rig = new Fleet({ maxAgents: 1 }).askAs('typo').tellAll().allEnd({ reason: 'there is no branch mian' });
    expect(rig.askAs('typo').held).toEqual([]);
    expect(rig.askAs('typo', 'rig', true).held).toEqual(['typo']);
    rig.allEnd({ reason: 'there is no branch mian' });
    expect(rig.askAs('later').held).toEqual(['later']);
  });

  it('differs from another one by its reason, not by names of beads, attempts and folders', () => {
    const rig = new Fleet({ maxAgents: 1 }).askAs('a').askAs('b').askAs('c').tellAll();
    rig.allEnd({ reason: 'no branch mian for 1-abcd1234 in /srv/x/a' });
    rig.allEnd({ reason: 'no branch mina for 1-ffff1234 in /srv/x/b' });
    expect([rig.stops, rig.held]).toEqual([['setup_failed', 'setup_failed'], ['c']]);
    rig.allEnd({ reason: 'no branch mina for 1-eeee9876 in /srv/x/c' });
    expect(rig.state.stops?.map(({ confirmed }) => confirmed)).toEqual([false, true]);
  });

  it('a refused login is tried after 1 and 5 minutes and then each half hour, and all go on with the first progress', () => {
    const rig = new Fleet({ maxAgents: 2 }).many(30).allEnd({ outcome: 'auth_failed', reason: '401' });
    const tries = [];
    for (let n = 0; n < 4; n += 1) {
      const at = nextRigDeadline(rig.state)?.at ?? 0;
      tries.push(Math.round((at - rig.now) / minute));
      rig.wait(at - rig.now).apply({ type: 'tick' });
      expect(rig.held).toHaveLength(1);
      if (n < 3) rig.allEnd({ outcome: 'auth_failed', reason: '401' });
    }
    expect(tries).toEqual([1, 5, 30, 30]);
    rig.tellAll().apply({ type: 'progressed', progress: { bead: rig.held[0] ?? '', spawned: true } });
    expect(rig.stops).toEqual(['auth_failed']);
    rig.apply({ type: 'progressed', progress: { bead: rig.held[0] ?? '' } });
    expect([rig.stops, rig.held.length]).toEqual([[], 2]);
  });

  it('a login that is refused again after work is proved good by an end, not by work: tries grow apart', () => {
    const refused = { outcome: 'auth_failed', reason: '401', reached: 'progress' } as const;
    const rig = new Fleet({ maxAgents: 2 }).many(30).allEnd(refused);
    const tries: number[] = [];
    const next = (): void => {
      const at = nextRigDeadline(rig.state)?.at ?? 0;
      tries.push(Math.round((at - rig.now) / minute));
      rig
        .wait(at - rig.now)
        .apply({ type: 'tick' })
        .tellAll();
    };
    const works = (): void => void rig.apply({ type: 'progressed', progress: { bead: rig.held[0] ?? '' } });
    next();
    works();
    // Once it may have been a login that somebody renewed meanwhile.
    expect([rig.stops, rig.held.length]).toEqual([[], 2]);
    rig.wait(15 * minute).allEnd(refused);
    for (let n = 0; n < 5; n += 1) {
      next();
      works();
      expect([rig.stops, rig.held.length, rigStatus(rig.state)]).toEqual([['auth_failed'], 1, 'stopped']);
      if (n < 4) rig.wait(15 * minute).allEnd(refused);
    }
    expect(tries).toEqual([1, 5, 30, 120, 240, 240]);
    const [last = ''] = rig.held;
    rig.give(last, { end: good }).tellAll();
    expect([rig.stops, rig.held.length, rig.state.onTrial]).toEqual([[], 2, undefined]);
    // That login was good: the next refusal is the first one again.
    rig.allEnd(refused);
    next();
    works();
    expect([rig.stops, tries.at(-1)]).toEqual([[], 1]);
  });

  it('somebody who has logged in lets all go on with the first work again', () => {
    const refused = { outcome: 'auth_failed', reason: '401', reached: 'progress' } as const;
    const rig = new Fleet({ maxAgents: 2 }).many(30).allEnd(refused);
    const works = (): void => void rig.tellAll().apply({ type: 'progressed', progress: { bead: rig.held[0] ?? '' } });
    rig.wait(minute).apply({ type: 'tick' });
    works();
    rig.allEnd(refused).apply({ type: 'resumed' });
    works();
    expect([rig.stops, rig.held.length]).toEqual([[], 2]);
  });

  it('an agent that began before its login was renewed, and is refused late, raises no doubt about the new one', () => {
    const refused = { outcome: 'auth_failed', reason: '401', reached: 'progress' } as const;
    const rig = new Fleet({ maxAgents: 2 }).many(30);
    const [first = '', late = ''] = rig.held;
    rig
      .give(first, { end: endOf(refused) })
      .wait(minute)
      .apply({ type: 'tick' })
      .tellAll();
    const ahead = rig.held.find((bead) => bead !== late) ?? '';
    rig.apply({ type: 'progressed', progress: { bead: ahead } });
    rig.give(late, { end: endOf(refused) });
    rig.give(ahead, { end: endOf({ outcome: 'lost', reached: 'progress' }) });
    rig.wait(minute).apply({ type: 'tick' }).tellAll();
    rig.apply({ type: 'progressed', progress: { bead: rig.held[0] ?? '' } });
    expect(rig.stops).toEqual([]);
  });

  it('of one agent holds back no other', () => {
    const rig = new Fleet({ maxAgents: 1 }).askAs('a', 'rig').askAs('b', 'rig').askAs('c', 'codex#1').tellAll();
    rig.allEnd({ outcome: 'auth_failed', agent: 'rig' });
    expect(rig.held).toEqual(['c']);
  });

  it('a remote has to refuse the work of two beads, and a push that it takes in between is proof', () => {
    const refused = { outcome: 'push_refused', reason: 'no', reached: 'progress' } as const;
    const rig = new Fleet({ maxAgents: 1 }).many(9).allEnd(refused);
    expect([rig.held.length, rigStatus(rig.state), rig.problems]).toEqual([1, 'active', []]);
    rig.allEnd(good).allEnd(refused);
    expect(rig.held).toHaveLength(1);
    rig.allEnd(refused);
    expect([rig.held, rigStatus(rig.state)]).toEqual([[], 'stopped']);
  });

  it('with nobody in the queue, the first that is blocked by it is sent to find out', () => {
    const rig = new Fleet({ maxAgents: 2 }).many(2).allEnd({});
    expect(rig.state.waiting).toEqual([]);
    rig.apply({ type: 'resumed' });
    expect(rig.causeGone).toEqual(['b000']);
    // Whoever asked for that has looked at it; time, which heals too, has not.
    expect(rig.ordered).toEqual(['b000']);
    rig.tellAll().askAs('b000', 'rig').tellAll().give('b000', { end: good });
    expect([rig.stops, rig.causeGone]).toEqual([[], ['b000', 'b001']]);
  });

  it('may be mended by a change of the settings: one bead finds out at once', () => {
    const rig = new Fleet({ maxAgents: 2 }).many(9).allEnd({}).allEnd({});
    rig.apply({ type: 'configured', change: { maxAgents: 3 } });
    expect(rig.held).toEqual([]);
    rig.apply({ type: 'configured', change: { agent: { adapter: 'shell', command: 'true' } } });
    expect(rig.held).toHaveLength(1);
  });

  it('goes over into a new run, and grants that were not sent wait with the others', () => {
    const rig = new Fleet({ maxAgents: 2 }).askAs('a').askAs('b').askAs('c');
    rig
      .apply({ type: 'grantTold', bead: 'a', delivered: true })
      .give('a', { end: endOf({ outcome: 'out_of_credit' }) });
    expect([rig.held, rig.state.waiting.map(({ bead }) => bead)]).toEqual([[], ['b', 'c']]);
    expect(JSON.parse(JSON.stringify(rig.state))).toEqual(rig.state);
  });
});

describe('what a rig may spend', () => {
  const fruitless = (n: number, usd = 0): Partial<GrantEnd> => ({
    outcome: 'agent_failed',
    reached: 'progress',
    fruitless: n,
    usd,
  });

  it('ends with so many starts of an hour that led to nothing, until an operator says so', () => {
    const rig = new Fleet({ maxAgents: 1, startsPerHour: 3 }).many(20);
    rig.allEnd(fruitless(1)).allEnd(fruitless(1)).allEnd(good);
    expect(rig.held).toHaveLength(1);
    rig.allEnd(fruitless(1));
    expect([rig.held, rig.stops]).toEqual([[], ['spend']]);
    expect(rig.problems).toMatchObject([{ kind: 'spend', fix: 'heartbead retry --rig r' }]);
    expect(rig.wait(5 * hour).apply({ type: 'tick' }).held).toEqual([]);
    expect(rig.askAs('b019', 'rig', true).held).toHaveLength(1);
    expect([rig.stops, rig.state.spent]).toEqual([[], undefined]);
  });

  it('counts the money of an hour, also of what went well, and a higher limit lets it go on', () => {
    const rig = new Fleet({ maxAgents: 1, usdPerHour: 5 }).many(20);
    rig
      .allEnd({ ...good, usd: 3 })
      .wait(61 * minute)
      .allEnd({ ...good, usd: 3 });
    expect(rig.held).toHaveLength(1);
    rig.allEnd({ ...good, usd: 2.5 });
    expect([rig.held, rig.stops]).toEqual([[], ['spend']]);
    rig.apply({ type: 'configured', change: { usdPerHour: 50 } });
    expect(rig.held).toHaveLength(1);
  });

  it('whatever agents do, an hour has at most the limit of fruitless starts, and those under way', () => {
    const step = fc.record({
      gap: fc.integer({ min: 0, max: 30_000 }),
      outcome: fc.constantFrom('lost', 'agent_failed', 'rate_limited', 'stalled', 'unreported'),
    });
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 50, maxLength: 400 }),
        fc.integer({ min: 1, max: 40 }),
        (steps, limit) => {
          const rig = new Fleet({ maxAgents: 3, startsPerHour: limit }).many(6);
          const starts: number[] = [];
          for (const { gap, outcome } of steps) {
            rig.wait(gap).tellAll();
            const [bead] = rig.held;
            if (bead === undefined) {
              rig.apply({ type: 'tick' });
              continue;
            }
            // It says and saves what it likes: progress, each time.
            rig.give(bead, {
              infraLoss: outcome === 'lost',
              progress: true,
              end: endOf({ outcome: outcome as GrantEnd['outcome'], reached: 'progress', fruitless: 1 }),
            });
            starts.push(rig.now);
            rig.askAs(bead, 'rig');
          }
          for (const [index, at] of starts.entries())
            expect(starts.slice(index).filter((other) => other - at < 59 * minute).length).toBeLessThanOrEqual(
              limit + 2,
            );
        },
      ),
      { numRuns: 60 },
    );
    expect(defaultStartsPerHour).toBeLessThanOrEqual(120);
  });
});
