import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rigWorkflowId } from '../../src/contract/index.js';
import { FleetWorld, gate } from './support/fleet-world.js';
import { mostAtOnce } from './support/most-at-once.js';

const minute = 60_000;
let world: FleetWorld;
beforeEach(async () => {
  world = await FleetWorld.open();
});
afterEach(() => world?.close());

describe('the limit of a rig', () => {
  it('50 beads, five at a time: never a sixth, and the urgent first', async () => {
    await world.rig('fifty', { maxAgents: 5 });
    await world.update(rigWorkflowId('fifty'), 'pause');
    const ids = Array.from({ length: 50 }, (_, n) => `fifty-${n}`);
    for (const [n, id] of ids.entries())
      await world.bead(id, 'fifty', { works: 3 * minute, then: 'merged' }, { priority: (n % 5) + 1 });
    await world.untilRig('fifty', 'all wait', ({ waiting }) => waiting.length === 50);
    await world.update(rigWorkflowId('fifty'), 'resume');
    await world.untilRig('fifty', 'all are done', ({ waiting, grants }) => waiting.length + grants.length === 0, {
      step: minute,
    });
    const states = await Promise.all(ids.map((id) => world.beadState(id)));
    expect(mostAtOnce(states)).toBe(5);
    const order = states
      .map(({ ran }, n) => ({ from: ran[0]?.from ?? 0, priority: (n % 5) + 1 }))
      .sort((a, b) => a.from - b.from || a.priority - b.priority);
    expect(order.map(({ priority }) => priority)).toEqual(
      [...order.map(({ priority }) => priority)].sort((a, b) => a - b),
    );
  });

  it('lowered, it sends nobody away and lets nobody in until there is room', async () => {
    await world.rig('shrinks', { maxAgents: 2 });
    for (const id of ['s-1', 's-2']) await world.bead(id, 'shrinks', { attempts: ['hangs'], then: 'merged' });
    await world.untilRig('shrinks', 'both run', ({ grants }) => grants.filter(({ told }) => told).length === 2);
    await world.bead('s-3', 'shrinks', { attempts: ['hangs'], then: 'merged' });
    await world.untilRig('shrinks', 'two run', ({ grants, waiting }) => grants.length === 2 && waiting.length === 1);
    expect((await world.update(rigWorkflowId('shrinks'), 'configure', { maxAgents: 1 })).text).toContain('version 2');
    const {
      grants: [first, second],
    } = await world.rigState('shrinks');
    await world.client.workflow.getHandle(first?.workflowId ?? '').signal('go', {});
    const { grants } = await world.untilRig('shrinks', 'one has left', (state) => state.grants.length === 1);
    expect(grants[0]?.bead).toBe(second?.bead);
    await world.client.workflow.getHandle(second?.workflowId ?? '').signal('go', {});
    const state = await world.untilRig(
      'shrinks',
      'the third runs',
      (rig) => rig.grants[0]?.bead === 's-3' && rig.grants[0].told === true,
    );
    expect(state.waiting).toEqual([]);
    expect((await world.beadState('s-3')).ran[0]?.version).toBe(2);
    await world.client.workflow.getHandle('bead-s-3').signal('go', {});
  });
});

describe('what dead beads held', () => {
  it('a slot is given to the next within minutes after its holder was terminated', async () => {
    await world.rig('haunted', { maxAgents: 1 });
    const ghost = await world.bead('ghost', 'haunted', { attempts: ['hangs'] });
    await world.untilRig('haunted', 'the ghost runs', ({ grants }) => grants[0]?.told === true);
    await world.bead('heir', 'haunted', { then: 'merged' });
    await ghost.terminate('from the Web UI');
    const { story } = await world.untilRig('haunted', 'the heir runs', ({ grants }) => grants[0]?.bead === 'heir', {
      within: 5 * minute,
    });
    expect(story.map(({ text }) => text)).toContain(
      'the grant of ghost is free again: its workflow is gone (terminated)',
    );
    await world.untilBead('heir', 'done', ({ status }) => status === 'closed');
  });

  it('a bead that was terminated while it waited costs nobody a slot', async () => {
    await world.rig('patient', { maxAgents: 1 });
    await world.bead('holder', 'patient', { attempts: ['hangs'], then: 'merged' });
    await world.untilRig('patient', 'one runs', ({ grants }) => grants.length === 1);
    const waiter = await world.bead('waiter', 'patient', {}, { priority: 1 });
    await world.bead('next', 'patient', { then: 'merged' });
    await world.untilRig('patient', 'two wait', ({ waiting }) => waiting.length === 2);
    await waiter.terminate();
    await world.client.workflow.getHandle('bead-holder').signal('go', {});
    await world.untilBead('next', 'done', ({ status }) => status === 'closed', { within: 10 * minute });
    expect((await world.rigState('patient')).story.map(({ text }) => text)).toContain(
      'the grant of waiter is free again: it has ended before its grant reached it',
    );
  });

  it('an entry of the merge queue goes with its bead', async () => {
    await world.rig('tidy', { maxAgents: 3 });
    const first = gate();
    world.refinery.answer = async ({ request }) => {
      if (request.item === 'tidy-1') await first.opened;
      return world.refinery.merged();
    };
    await world.bead('tidy-1', 'tidy', { works: 1 });
    await world.untilRig('tidy', 'one is merged', ({ merging }) => merging.length === 1, { step: 1 });
    const doomed = await world.bead('tidy-2', 'tidy', { free: true, works: 1 });
    await world.until(
      'one waits',
      () => world.rigState('tidy'),
      ({ queue }) => queue.length === 1,
      { step: 1 },
    );
    await doomed.terminate();
    // Time stands still while a merge runs; so the look comes after it.
    await world.update(rigWorkflowId('tidy'), 'pause');
    first.open();
    await world.untilBead('tidy-1', 'merged', ({ status }) => status === 'closed');
    await world.untilRig('tidy', 'the queue is empty', ({ queue }) => queue.length === 0, { within: 5 * minute });
    expect((await world.rigState('tidy')).notMerged).toMatchObject([
      { item: 'tidy-2', reason: 'its workflow is gone (terminated)' },
    ]);
    expect(world.refinery.merges.map(({ request }) => request.item)).toEqual(['tidy-1']);
  });

  it('nobody looks while nothing is held', async () => {
    await world.rig('idle');
    await world.env.sleep('1 minute');
    const before = world.looks;
    await world.env.sleep('2 hours');
    expect(world.looks).toBe(before);
  });
});

describe('the breaker', () => {
  it('opens for one rig by losses in a row; another rig does not notice; the probe closes it', async () => {
    await Promise.all([world.rig('ill', { maxAgents: 2 }), world.rig('well', { maxAgents: 2 })]);
    await world.bead('unlucky', 'ill', { works: 1_000, attempts: ['lost', 'lost', 'lost', 'done'], then: 'merged' });
    await world.bead('lucky', 'well', { works: 30_000, attempts: ['failed', 'done'], then: 'merged' });
    const open = await world.untilRig('ill', 'it is open', ({ breaker }) => breaker.open, { step: 5_000 });
    expect([open.attention, open.grants]).toEqual(['breaker', []]);
    expect((await world.rigState('well')).breaker.open).toBe(false);
    const [unlucky, lucky] = await Promise.all([
      world.untilBead('unlucky', 'done', ({ status }) => status === 'closed'),
      world.untilBead('lucky', 'done', ({ status }) => status === 'closed'),
    ]);
    expect([unlucky.ran.map(({ probe }) => probe), lucky.ran.map(({ probe }) => probe)]).toEqual([
      [false, false, false, true],
      [false, false],
    ]);
    // The cool-down of a first opening.
    expect((unlucky.ran[3]?.from ?? 0) - (unlucky.ran[2]?.to ?? 0)).toBeGreaterThanOrEqual(minute - 1_000);
    expect((await world.rigState('ill')).breaker).toEqual({ open: false, losses: 0, opened: 0 });
  });

  it('closes by the probe’s first progress, long before its end', async () => {
    await world.rig('probing', { maxAgents: 3 });
    await world.bead('prober', 'probing', {
      works: 1_000,
      attempts: ['lost', 'lost', 'lost', 'hangs'],
      then: 'merged',
    });
    await world.untilBead('prober', 'the probe runs', ({ ran }) => ran[3]?.probe === true);
    await world.bead('other', 'probing', { then: 'merged' });
    await world.untilRig('probing', 'the other waits', ({ waiting }) => waiting.length === 1);
    await world.client.workflow.getHandle(rigWorkflowId('probing')).signal('probeProgress', { bead: 'prober' });
    await world.untilBead('other', 'done', ({ status }) => status === 'closed');
    await world.client.workflow.getHandle('bead-prober').signal('go', {});
  });
});

describe('the merge queue', () => {
  it('merges one at a time per target, the urgent first, and answers each', async () => {
    await world.rig('serial', { maxAgents: 20 });
    await world.update(rigWorkflowId('serial'), 'pause');
    const ids = Array.from({ length: 8 }, (_, n) => `serial-${n}`);
    for (const [n, id] of ids.entries())
      await world.bead(id, 'serial', { free: true, works: 1 }, { priority: 5 - (n % 4) });
    await world.untilRig('serial', 'all are in the queue', ({ queue }) => queue.length === 8);
    await world.update(rigWorkflowId('serial'), 'resume');
    for (const id of ids) await world.untilBead(id, 'merged', ({ status }) => status === 'closed');
    expect(world.refinery.most).toBe(1);
    expect(world.refinery.merges.map(({ request }) => request.priority)).toEqual([2, 2, 3, 3, 4, 4, 5, 5]);
  });

  it('two targets do not wait for each other', async () => {
    await world.rig('wide', { maxAgents: 20 });
    const both = gate();
    world.refinery.answer = async () => {
      if (world.refinery.merges.length === 2) both.open();
      await both.opened;
      return world.refinery.merged();
    };
    await world.bead('wide-1', 'wide', { free: true, works: 1 }, { target: 'main' });
    await world.bead('wide-2', 'wide', { free: true, works: 1 }, { target: 'next' });
    await both.opened;
    await world.untilBead('wide-2', 'merged', ({ status }) => status === 'closed');
    expect(world.refinery.most).toBe(2);
  });

  it('a conflict of one stops nobody else, and its rework is merged later', async () => {
    await world.rig('bumpy', { maxAgents: 5 });
    let conflicts = 0;
    world.refinery.answer = ({ request }) => {
      if (request.item !== 'bumpy-1' || conflicts > 0) return world.refinery.merged();
      conflicts += 1;
      return { outcome: 'conflict', paths: ['a.txt'], target: 'main', targetSha: 'd'.repeat(40) };
    };
    await world.bead('bumpy-1', 'bumpy', { works: 1_000 });
    await world.bead('bumpy-2', 'bumpy', { works: 1_000 });
    await world.untilBead('bumpy-2', 'merged', ({ status }) => status === 'closed');
    expect((await world.untilBead('bumpy-1', 'merged', ({ status }) => status === 'closed')).merges).toEqual([
      'conflict',
      'merged',
    ]);
  });

  it('what the activity cannot get through goes back into the queue, and others go ahead', async () => {
    await world.rig('stormy', { maxAgents: 5 });
    let failures = 0;
    world.refinery.answer = ({ request }) => {
      if (request.item !== 'stormy-1' || failures === 20) return world.refinery.merged();
      failures += 1;
      throw new Error('the remote is away');
    };
    await world.bead('stormy-1', 'stormy', { free: true, works: 1 }, { priority: 1 });
    await world.untilRig('stormy', 'it went back', ({ queue }) => queue[0]?.lastReason === 'the remote is away', {
      step: 5_000,
    });
    await world.bead('stormy-2', 'stormy', { free: true, works: 1 });
    await world.untilBead('stormy-2', 'merged', ({ status }) => status === 'closed', { step: 1_000 });
    expect((await world.beadState('stormy-1')).status).toBe('in_review');
    await world.untilBead('stormy-1', 'merged', ({ status }) => status === 'closed', { within: 10 * minute });
  });

  it('a bead that is cancelled during its merge is told the truth', async () => {
    await world.rig('honest', { maxAgents: 5 });
    const begun = gate();
    world.refinery.pushesUnheard(begun.open);
    const bead = await world.bead('late', 'honest', { free: true, works: 1 });
    await Promise.all([begun.opened, world.env.sleep(2)]);
    await bead.cancel();
    await world.until(
      'it has ended',
      () => world.beadState('late'),
      ({ status }) => status === 'closed',
      { step: 1 },
    );
    expect(world.refinery.merges.map(({ withdrawn }) => withdrawn)).toEqual([undefined, true]);
    expect((await world.rigState('honest')).merged).toMatchObject([{ item: 'late' }]);
  });

  it('waits of three days for an approval cost nothing, and nobody looks meanwhile', async () => {
    await world.rig('calm', { maxAgents: 1 });
    await world.bead('slow', 'calm', { works: 1_000, approval: 3 * 24 * 60 * minute });
    await world.untilBead('slow', 'in review', ({ status }) => status === 'in_review');
    await world.bead('quick', 'calm', { works: 1_000, then: 'merged' });
    await world.untilBead('quick', 'done', ({ status }) => status === 'closed');
    const before = world.looks;
    await world.env.sleep('70 hours');
    expect([world.looks, (await world.beadState('slow')).status]).toEqual([before, 'in_review']);
    await world.untilBead('slow', 'merged', ({ status }) => status === 'closed');
  });
});

describe('a rig in the hands of operators', () => {
  it('refuses what makes no sense, and says why', async () => {
    const rig = await world.rig('strict');
    const id = rigWorkflowId('strict');
    await expect(world.update(id, 'configure', { maxAgents: 0 })).rejects.toMatchObject({
      cause: { message: expect.stringContaining('maxAgents is a whole number') },
    });
    await expect(world.update(id, 'configure', { colour: 'red' })).rejects.toMatchObject({
      cause: { message: expect.stringContaining('a rig has no setting "colour"') },
    });
    await expect(world.update(id, 'resume')).rejects.toMatchObject({
      cause: { message: expect.stringContaining('neither paused') },
    });
    expect((await world.update(id, 'configure', { base: null })).text).toContain('version 2');
    expect((await world.rigState('strict')).settings).not.toHaveProperty('base');
    await rig.signal('askSlot', 'nonsense');
    await rig.signal('enqueueMerge', { item: 'x' });
    await rig.signal('unheard-of');
    expect((await world.rigState('strict')).malformed).toBe(3);
    expect((await world.update(id, 'remove')).text).toBe('removed');
    expect(await rig.result()).toMatchObject({ status: 'removed' });
  });

  it('hears beads by the names of today and by those of the next version', async () => {
    const rig = await world.rig('both');
    const ask = (bead: string) => ({ bead, workflowId: `bead-${bead}`, priority: 3, since: 1 });
    await rig.signal('askSlot', ask('of-today'));
    await rig.signal('askGrant', ask('of-tomorrow'));
    await world.untilRig('both', 'both are heard', ({ story }) =>
      ['of-today', 'of-tomorrow'].every((bead) => story.some(({ text }) => text.startsWith(`the grant of ${bead} is`))),
    );
    expect((await world.rigState('both')).malformed).toBe(0);
  });

  it('is removed only by force while beads depend on it: those that wait are told, those that run may end', async () => {
    const rig = await world.rig('doomed', { maxAgents: 1 });
    await world.bead('runs', 'doomed', { attempts: ['hangs'], then: 'merged' });
    await world.untilRig('doomed', 'it runs', ({ grants }) => grants[0]?.told === true);
    await world.bead('waits', 'doomed');
    await world.untilRig('doomed', 'it waits', ({ waiting }) => waiting.length === 1);
    await expect(world.update(rigWorkflowId('doomed'), 'remove')).rejects.toMatchObject({
      cause: { message: expect.stringContaining('agents that run: 1; beads that wait for one: 1') },
    });
    await world.update(rigWorkflowId('doomed'), 'remove', { force: true });
    expect((await world.untilBead('waits', 'told', ({ status }) => status === 'blocked')).reason).toBe(
      'rig doomed is being removed',
    );
    expect((await rig.describe()).status.name).toBe('RUNNING');
    await world.client.workflow.getHandle('bead-runs').signal('go', {});
    expect(await rig.result()).toMatchObject({ status: 'removed' });
  });

  it('cancelled in the Web UI, it ends as cancelled when what it holds is settled', async () => {
    const rig = await world.rig('called-off', { maxAgents: 1 });
    await world.bead('inside', 'called-off', { attempts: ['hangs'], then: 'merged' });
    await world.untilRig('called-off', 'it runs', ({ grants }) => grants[0]?.told === true);
    await rig.cancel();
    await world.untilRig('called-off', 'it is being removed', ({ removed }) => removed);
    await world.client.workflow.getHandle('bead-inside').signal('go', {});
    await expect(rig.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
  });

  it('refuses to start with settings that are no good', async () => {
    const rig = await world.rig('hopeless', { maxAgents: -1 });
    await expect(rig.result()).rejects.toMatchObject({ cause: { type: 'BadInput' } });
  });
});
