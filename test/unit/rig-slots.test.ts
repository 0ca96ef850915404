import { describe, expect, it } from 'vitest';
import { coolDown, lossesToOpen, nextRigDeadline, rigHolders, rigOver, rigStatus } from '../../src/domain/index.js';
import { minute, RigStory } from './support/rig-story.js';

describe('grants', () => {
  it('go by priority, then by age, up to the limit', () => {
    const rig = new RigStory({ maxAgents: 2 });
    rig.ask('old', 3, 10).ask('older', 3, 5);
    expect(rig.held).toEqual(['old', 'older']);
    rig.ask('late', 3, 100).ask('urgent', 1, 200).ask('early', 3, 50);
    expect(rig.held).toEqual(['old', 'older']);
    expect(rig.give('old').held).toEqual(['older', 'urgent']);
    expect(rig.give('older').give('urgent').held).toEqual(['early', 'late']);
  });

  it('are sent once, and the grant of a bead that is gone is free again', () => {
    const rig = new RigStory({ maxAgents: 1 }).ask('a').ask('b');
    expect(rig.effects).toMatchObject([{ do: 'grant', bead: 'a', probe: false }]);
    rig.apply({ type: 'grantTold', bead: 'a', delivered: false });
    expect(rig.held).toEqual(['b']);
    rig.apply({ type: 'grantTold', bead: 'b', delivered: true });
    expect(rig.effects).toEqual([]);
    expect(rig.told).toContain('the grant of a is free again: it has ended before its grant reached it');
  });

  it('asked for again by their holder are sent again, and counted once', () => {
    const rig = new RigStory({ maxAgents: 2 }).ask('a').tellAll().ask('a').ask('a');
    expect([rig.held, rig.state.waiting]).toEqual([['a'], []]);
    expect(rig.effects).toMatchObject([{ do: 'grant', bead: 'a' }]);
  });

  it('asked for again by their holder stay its own, though a better one waits: its agent may be running', () => {
    const rig = new RigStory({ maxAgents: 1 }).ask('a').tellAll().ask('urgent', 1).ask('a');
    expect(rig.held).toEqual(['a']);
  });

  it('asked for again by one who waits change only its priority', () => {
    const rig = new RigStory({ maxAgents: 1 }).ask('a').ask('b', 3).ask('c', 2).ask('b', 1);
    expect(rig.state.waiting.map(({ bead }) => bead)).toEqual(['b', 'c']);
  });

  it('are taken from nobody when the limit is lowered, and given to nobody until there is room', () => {
    const rig = new RigStory({ maxAgents: 3 }).ask('a').ask('b').ask('c').ask('d');
    rig.apply({ type: 'configured', change: { maxAgents: 1 } });
    expect(rig.held).toEqual(['a', 'b', 'c']);
    expect(rig.give('a').give('b').held).toEqual(['c']);
    expect(rig.give('c').held).toEqual(['d']);
    expect(rig.state.version).toBe(2);
  });

  it('are not given while the rig is paused, and what runs goes on', () => {
    const rig = new RigStory({ maxAgents: 2 }).ask('a').tellAll().apply({ type: 'paused' }).ask('b');
    expect([rig.held, rigStatus(rig.state)]).toEqual([['a'], 'paused']);
    expect(rig.apply({ type: 'resumed' }).held).toEqual(['a', 'b']);
  });

  it('granted in the moment of a pause are not sent before the resume', () => {
    const rig = new RigStory({ maxAgents: 2 }).ask('a').apply({ type: 'paused' });
    expect(rig.effects).toEqual([]);
    expect(rig.apply({ type: 'resumed' }).effects).toMatchObject([{ do: 'grant', bead: 'a' }]);
  });

  it('of beads that were terminated are found and given to others', () => {
    const rig = new RigStory({ maxAgents: 2 }).ask('a').ask('b').ask('c').tellAll();
    expect(rigHolders(rig.state)).toEqual(['bead-a', 'bead-b']);
    rig.apply({ type: 'looked', askedAt: rig.now, gone: [{ workflowId: 'bead-a', status: 'TERMINATED' }] });
    expect(rig.held).toEqual(['b', 'c']);
    expect(rig.told).toContain('the grant of a is free again: its workflow is gone (terminated)');
  });

  it('granted after the look began are not judged by it', () => {
    const rig = new RigStory({ maxAgents: 1 });
    const askedAt = rig.now;
    rig.ask('a').apply({ type: 'looked', askedAt, gone: [{ workflowId: 'bead-a', status: 'TERMINATED' }] });
    expect(rig.held).toEqual(['a']);
  });

  it('returned by somebody who has none change nothing', () => {
    const rig = new RigStory({ maxAgents: 1 }).ask('a').tellAll();
    for (let times = 0; times < 5; times += 1) rig.give('stranger', { infraLoss: true });
    expect([rig.held, rig.state.breaker.losses]).toEqual([['a'], 0]);
  });
});

describe('the breaker', () => {
  const lose = (rig: RigStory, times: number): RigStory => {
    for (let n = 0; n < times; n += 1)
      rig
        .ask(`lost-${rig.now}`)
        .tellAll()
        .give(rig.held.at(-1) ?? '', { infraLoss: true });
    return rig;
  };

  it('opens after three losses in a row without progress, and lets nobody through', () => {
    const rig = lose(new RigStory({ maxAgents: 5 }), lossesToOpen - 1);
    expect(rig.state.breaker.open).toBe(false);
    lose(rig, 1);
    expect([rig.state.breaker.open, rig.state.attention, rigStatus(rig.state)]).toEqual([true, 'breaker', 'breaker']);
    expect(rig.state.breaker.reason).toContain('3 attempts in a row were lost');
    expect(rig.ask('b').held).toEqual([]);
  });

  it('counts anew after progress, also that of an attempt that was lost later', () => {
    const rig = lose(new RigStory({ maxAgents: 5 }), 2);
    rig.ask('good').tellAll().give('good', { infraLoss: true, progress: true });
    expect(lose(rig, 2).state.breaker.open).toBe(false);
  });

  it('does not count the failures of agents, nor grants that were never used', () => {
    const rig = lose(new RigStory({ maxAgents: 5 }), 2);
    rig.ask('x').tellAll().give('x', {}).ask('y').give('y', { infraLoss: true });
    expect(rig.state.breaker).toMatchObject({ open: false, losses: 2 });
  });

  it('lets one probe through after its cool-down: progress closes it for all', () => {
    const rig = lose(new RigStory({ maxAgents: 5 }), 3)
      .ask('p')
      .ask('q');
    expect(nextRigDeadline(rig.state)?.at).toBe(rig.state.breaker.probeAt);
    rig.wait(coolDown(1)).apply({ type: 'tick' });
    expect([rig.held, rig.state.grants[0]?.probe]).toEqual([['p'], true]);
    expect(rig.effects).toMatchObject([{ do: 'grant', bead: 'p', probe: true }]);
    rig.tellAll().apply({ type: 'tick' });
    expect(rig.held).toEqual(['p']);
    rig.apply({ type: 'progressed', progress: { bead: 'p' } });
    expect([rig.state.breaker.open, rig.held]).toEqual([false, ['p', 'q']]);
  });

  it('stays open longer with each probe that is lost, at most half an hour', () => {
    const rig = lose(new RigStory({ maxAgents: 5 }), 3);
    const coolDowns: number[] = [];
    for (let times = 0; times < 8; times += 1) {
      coolDowns.push((rig.state.breaker.probeAt ?? 0) - rig.now);
      rig.ask('p').wait(coolDown(99)).apply({ type: 'tick' }).tellAll().give('p', { infraLoss: true });
    }
    expect(coolDowns.map((ms) => Math.round(ms / minute))).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
  });

  it('takes the next probe at once when one proves nothing', () => {
    const rig = lose(new RigStory({ maxAgents: 5 }), 3)
      .ask('p')
      .ask('q')
      .wait(coolDown(1))
      .apply({ type: 'tick' })
      .tellAll();
    rig.apply({ type: 'looked', askedAt: rig.now, gone: [{ workflowId: 'bead-p', status: 'TERMINATED' }] });
    expect([rig.held, rig.state.breaker.open]).toEqual([['q'], true]);
  });

  it('closes by the good end of an attempt from before it opened', () => {
    const rig = new RigStory({ maxAgents: 5 }).ask('veteran').tellAll();
    lose(rig, 3);
    expect(rig.give('veteran', { progress: true }).state.breaker.open).toBe(false);
  });

  it('is not closed by an old attempt that got on once and is lost now', () => {
    const rig = new RigStory({ maxAgents: 5 }).ask('veteran').tellAll();
    lose(rig, 3);
    expect(rig.give('veteran', { progress: true, infraLoss: true }).state.breaker.open).toBe(true);
  });

  it('probes at once when an operator resumes', () => {
    const rig = lose(new RigStory({ maxAgents: 5 }), 3)
      .ask('p')
      .apply({ type: 'resumed' });
    expect(rig.state.grants).toMatchObject([{ bead: 'p', probe: true }]);
  });

  it('never probes above the limit', () => {
    const rig = new RigStory({ maxAgents: 4 }).ask('a').tellAll();
    lose(rig, 3)
      .apply({ type: 'configured', change: { maxAgents: 1 } })
      .ask('p')
      .wait(coolDown(1))
      .apply({ type: 'tick' });
    expect(rig.held).toEqual(['a']);
    expect(nextRigDeadline(rig.state)).toBeUndefined();
    expect(rig.give('a', {}).held).toEqual(['p']);
  });
});

describe('the removal of a rig', () => {
  it('refuses those that wait, and ends when the last agent is gone', () => {
    const rig = new RigStory({ maxAgents: 1 })
      .ask('a')
      .tellAll()
      .ask('b')
      .apply({ type: 'removed', reason: 'no more work' });
    expect(rig.state.news).toMatchObject([{ workflowId: 'bead-b', signal: 'slotRefused', payload: { bead: 'b' } }]);
    expect(rigOver(rig.state)).toBe(false);
    rig.tellAll();
    expect(rigOver(rig.state)).toBe(false);
    expect(rigOver(rig.give('a').state)).toBe(true);
  });

  it('refuses whoever asks later, also in the last moment', () => {
    const rig = new RigStory().apply({ type: 'removed', reason: 'x' }).ask('late');
    expect(rigOver(rig.state)).toBe(false);
    expect(rig.state.news).toMatchObject([{ signal: 'slotRefused' }]);
  });
});
