import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { beadWorkflowId, convoyBeadId, convoyWorkflowId } from '../../src/contract/index.js';
import type { ConvoyBead, ConvoyPolicy, ConvoyView } from '../../src/contract/index.js';
import { FleetWorld, gate, scripted } from './support/fleet-world.js';
import type { Script } from './support/stand-in-bead.js';

const minute = 60_000;
let world: FleetWorld;
beforeEach(async () => {
  world = await FleetWorld.open();
});
afterEach(() => world?.close());

/** Merges take no virtual time here: those that go through the refinery have tests of their own, below. */
const merged: Script = { works: minute, then: 'merged' };
const hangs: Script = { attempts: ['hangs'], then: 'merged' };
const handle = (convoy: string, id: string) =>
  world.client.workflow.getHandle(beadWorkflowId(convoyBeadId(convoy, id)));
const beadOf = (convoy: string, id: string) => world.beadState(convoyBeadId(convoy, id));
const go = (convoy: string, id: string): Promise<void> => handle(convoy, id).signal('go', {});
const statuses = ({ beads }: ConvoyView): Record<string, string> =>
  Object.fromEntries(beads.map(({ id, status }) => [id, status]));
const runs = (id: string) => (state: ConvoyView) => state.beads.find((bead) => bead.id === id)?.bead === 'in_progress';
const diamond = (script: Script = merged): ConvoyBead[] => [
  scripted('a', [], script),
  scripted('b', ['a'], script),
  scripted('c', ['a'], script),
  scripted('d', ['b', 'c'], script),
];

describe('the order of a convoy', () => {
  it('a diamond: each bead starts only when all it needs is merged, from the merged commit', async () => {
    await world.rig('order');
    const tip = 'e'.repeat(40);
    const asked: string[][] = [];
    world.branch = ({ contains }) => {
      asked.push(contains);
      return { sha: tip, missing: [] };
    };
    const convoy = await world.convoy('diamond', 'order', diamond());
    const state = await world.untilConvoy('diamond', 'it has landed', ({ status }) => status === 'landed');
    const [a, b, c, d] = await Promise.all(['a', 'b', 'c', 'd'].map((id) => beadOf('diamond', id)));
    const sha = (id: string): string => state.beads.find((bead) => bead.id === id)?.sha ?? 'none';
    expect([a?.baseSha, b?.baseSha, c?.baseSha, d?.baseSha]).toEqual([undefined, sha('a'), sha('a'), tip]);
    expect(asked.at(-1)).toEqual([sha('b'), sha('c')]);
    expect(b?.ran[0]?.from).toBeGreaterThanOrEqual(a?.ran[0]?.to ?? Infinity);
    expect(c?.ran[0]?.from).toBeGreaterThanOrEqual(a?.ran[0]?.to ?? Infinity);
    expect(d?.ran[0]?.from).toBeGreaterThanOrEqual(Math.max(b?.ran[0]?.to ?? Infinity, c?.ran[0]?.to ?? Infinity));
    expect(await convoy.result()).toMatchObject({ status: 'landed', merged: ['a', 'b', 'c', 'd'], notMerged: [] });
  });

  it('a chain of ten, one after the other', async () => {
    await world.rig('chained');
    const ids = Array.from({ length: 10 }, (_, n) => `n${n}`);
    await world.convoy(
      'chain',
      'chained',
      ids.map((id, n) => scripted(id, n === 0 ? [] : [`n${n - 1}`], merged)),
    );
    const state = await world.untilConvoy('chain', 'it has landed', ({ status }) => status === 'landed');
    const beads = await Promise.all(ids.map((id) => beadOf('chain', id)));
    for (const [n, bead] of beads.entries()) {
      if (n === 0) continue;
      expect(bead.baseSha).toBe(state.beads[n - 1]?.sha);
      expect(bead.ran[0]?.from).toBeGreaterThanOrEqual(beads[n - 1]?.ran[0]?.to ?? Infinity);
    }
  });

  it('a bead whose merged needs are no longer on the branch waits for a person', async () => {
    await world.rig('rewritten');
    const whole = world.branch;
    world.branch = ({ contains }) => ({ sha: 'e'.repeat(40), missing: contains.slice(0, 1) });
    await world.convoy('rewrite', 'rewritten', diamond());
    const state = await world.untilConvoy(
      'rewrite',
      'it asks for a person',
      ({ attention }) => attention === 'blocked',
    );
    expect([statuses(state)['d'], state.reason]).toEqual(['failed', expect.stringContaining('was it rewritten?')]);
    world.branch = whole;
    await world.update(convoyWorkflowId('rewrite'), 'resume');
    await world.untilConvoy('rewrite', 'it has landed', ({ status }) => status === 'landed');
  });
});

describe('a failed bead in the middle', () => {
  const start = async (policy: ConvoyPolicy): Promise<void> => {
    await world.rig(`mid-${policy}`);
    // `other` hangs: what the policy does to those that run is seen by it.
    await world.convoy(
      policy,
      `mid-${policy}`,
      [
        scripted('first', [], merged),
        scripted('middle', ['first'], { works: minute, then: 'failed' }),
        scripted('last', ['middle'], merged),
        scripted('other', [], hangs),
        scripted('after', ['other'], merged),
      ],
      { policy },
    );
  };

  it('wait: those that need it wait, the others go on, and all lands when an operator lets it go on without the failed one', async () => {
    await start('wait');
    const held = await world.untilConvoy('wait', 'it failed', (state) => statuses(state)['middle'] === 'failed');
    expect(held.attention).toBe('blocked');
    await go('wait', 'other');
    const later = await world.untilConvoy(
      'wait',
      'the others are merged',
      (state) => statuses(state)['after'] === 'merged',
    );
    expect([later.status, statuses(later)]).toEqual([
      'running',
      { first: 'merged', middle: 'failed', last: 'pending', other: 'merged', after: 'merged' },
    ]);
    await world.update(convoyWorkflowId('wait'), 'removeBead', { id: 'middle', release: true });
    expect(statuses(await world.untilConvoy('wait', 'it has landed', ({ status }) => status === 'landed'))).toEqual({
      first: 'merged',
      last: 'merged',
      other: 'merged',
      after: 'merged',
    });
  });

  it('skip-dependants: those that need it are skipped, the others land, and the convoy has failed', async () => {
    await start('skip-dependants');
    await world.untilConvoy('skip-dependants', 'it is skipped', (state) => statuses(state)['last'] === 'skipped');
    await go('skip-dependants', 'other');
    expect(
      await world.client.workflow.getHandle(convoyWorkflowId('skip-dependants')).query<ConvoyView>('state'),
    ).toMatchObject({ status: 'running' });
    const state = await world.untilConvoy('skip-dependants', 'it has ended', ({ endedAt }) => endedAt !== undefined);
    expect([state.status, statuses(state)]).toEqual([
      'failed',
      { first: 'merged', middle: 'failed', last: 'skipped', other: 'merged', after: 'merged' },
    ]);
  });

  it('stop: what runs is cancelled and gone before the convoy ends, and nothing else starts', async () => {
    await start('stop');
    const state = await world.untilConvoy('stop', 'it has ended', ({ endedAt }) => endedAt !== undefined);
    expect([state.status, statuses(state)]).toEqual([
      'failed',
      { first: 'merged', middle: 'failed', last: 'cancelled', other: 'cancelled', after: 'cancelled' },
    ]);
    expect((await beadOf('stop', 'other')).cancelled).toBe(true);
    expect(
      (await world.untilRig('mid-stop', 'all is given back', ({ grants }) => grants.length === 0)).waiting,
    ).toEqual([]);
  });
});

describe('a convoy in the hands of operators', () => {
  it('takes a bead before its start, and starts nothing until then', async () => {
    await world.rig('staged');
    const id = convoyWorkflowId('staging');
    await world.convoy('staging', 'staged', [scripted('a', [], merged)], { staged: true });
    await world.env.sleep('10 minutes');
    await world.update(id, 'addBead', { bead: scripted('b', ['a'], merged) });
    await expect(world.update(id, 'addBead', { bead: scripted('b', [], merged) })).rejects.toThrow();
    await expect(world.update(id, 'addBead', { bead: scripted('c', ['nobody'], merged) })).rejects.toThrow();
    const before = await world.convoyState('staging');
    expect([before.status, statuses(before)]).toEqual(['staged', { a: 'pending', b: 'pending' }]);
    await world.update(id, 'start');
    expect(statuses(await world.untilConvoy('staging', 'it has landed', ({ status }) => status === 'landed'))).toEqual({
      a: 'merged',
      b: 'merged',
    });
  });

  it('gives a running bead up only by force of words, ends its agent, and goes on without it', async () => {
    await world.rig('removing');
    const id = convoyWorkflowId('removal');
    await world.convoy('removal', 'removing', [scripted('a', [], hangs), scripted('b', ['a'], merged)]);
    await world.untilConvoy('removal', 'it runs', runs('a'));
    await expect(world.update(id, 'removeBead', { id: 'a' })).rejects.toThrow();
    await world.update(id, 'removeBead', { id: 'a', release: true });
    const state = await world.untilConvoy('removal', 'it has landed', ({ status }) => status === 'landed');
    expect([statuses(state), (await beadOf('removal', 'a')).cancelled]).toEqual([{ b: 'merged' }, true]);
  });

  it('paused starts nothing new, while what runs goes on', async () => {
    await world.rig('pausing');
    await world.convoy('pause', 'pausing', [scripted('a', [], hangs), scripted('b', ['a'], merged)]);
    await world.untilConvoy('pause', 'it runs', runs('a'));
    await world.update(convoyWorkflowId('pause'), 'pause');
    await go('pause', 'a');
    await world.untilConvoy('pause', 'the first is merged', (state) => statuses(state)['a'] === 'merged');
    await world.env.sleep('1 hour');
    expect(statuses(await world.convoyState('pause'))).toEqual({ a: 'merged', b: 'pending' });
    await world.update(convoyWorkflowId('pause'), 'resume');
    await world.untilConvoy('pause', 'it has landed', ({ status }) => status === 'landed');
  });
});

describe('a convoy that is cancelled', () => {
  it('while it is staged, has started nothing', async () => {
    const convoy = await world.convoy('cancel-staged', 'nowhere', diamond(), { staged: true });
    await convoy.cancel();
    await expect(convoy.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
    expect(new Set(Object.values(statuses(await world.convoyState('cancel-staged'))))).toEqual(new Set(['cancelled']));
  });

  it('while its beads run, ends when the last agent is gone, and keeps what is merged', async () => {
    await world.rig('cancel-r');
    const convoy = await world.convoy('cancel-running', 'cancel-r', [
      scripted('a', [], merged),
      scripted('b', ['a'], hangs),
      scripted('c', ['b'], merged),
    ]);
    await world.untilConvoy('cancel-running', 'the second runs', runs('b'));
    await convoy.cancel();
    await expect(convoy.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
    expect(statuses(await world.convoyState('cancel-running'))).toEqual({
      a: 'merged',
      b: 'cancelled',
      c: 'cancelled',
    });
    expect((await beadOf('cancel-running', 'b')).cancelled).toBe(true);
    await world.untilRig('cancel-r', 'the slot is back', ({ grants }) => grants.length === 0);
  });

  it('while its branch lands, tells what became of the landing', async () => {
    await world.rig('cancel-l');
    const begun = gate();
    world.refinery.pushesUnheard(begun.open);
    const convoy = await world.convoy('cancel-landing', 'cancel-l', [scripted('a', [], { works: 1, then: 'merged' })], {
      target: 'integration',
    });
    await world.untilConvoy('cancel-landing', 'it lands', ({ landing }) => landing?.step === 'queued', { step: 1 });
    await begun.opened;
    await convoy.cancel();
    const state = await world.untilConvoy('cancel-landing', 'it has ended', ({ endedAt }) => endedAt !== undefined, {
      step: 1,
    });
    expect([state.status, world.refinery.branches]).toEqual(['landed', ['convoy/cancel-landing']]);
  });
});

// In which states it can be terminated, and what becomes of the others, is in `terminated.test.ts`.
describe('a bead that was terminated in the Web UI', () => {
  it('is started again as a new workflow by an operator’s retry, and the convoy lands', async () => {
    await world.rig('again');
    await world.convoy('again', 'again', [scripted('x', [], hangs), scripted('y', ['x'], merged)]);
    await world.untilConvoy('again', 'it runs', runs('x'));
    await handle('again', 'x').terminate('from the Web UI');
    await world.untilConvoy('again', 'the convoy knows', (state) => statuses(state)['x'] === 'failed', {
      within: 15 * minute,
    });
    await world.update(convoyWorkflowId('again'), 'retryBead', { id: 'x' });
    await world.untilConvoy('again', 'it runs again', runs('x'));
    await go('again', 'x');
    expect(statuses(await world.untilConvoy('again', 'it has landed', ({ status }) => status === 'landed'))).toEqual({
      x: 'merged',
      y: 'merged',
    });
  });
});

describe('a bead that has ended without a merge', () => {
  const ends: [string, Script, string][] = [
    ['closed', { then: 'closed' }, 'failed'],
    ['failed', { then: 'failed' }, 'failed'],
    ['cancelled', hangs, 'cancelled'],
  ];
  it.each(ends)(
    '%s: it is started anew by an operator’s retry, as a new workflow, and its old end is not told once more',
    async (how, script, status) => {
      const name = `retry-${how}`;
      await world.rig(name);
      await world.convoy(name, name, [scripted('x', [], script)]);
      if (how === 'cancelled') {
        await world.untilConvoy(name, 'it runs', runs('x'));
        await handle(name, 'x').cancel();
      }
      await world.untilConvoy(name, 'it has ended', (state) => statuses(state)['x'] === status);
      const { runId } = await handle(name, 'x').describe();
      await world.update(convoyWorkflowId(name), 'retryBead', { id: 'x' });
      const again = await world.until(
        'it runs again',
        () => handle(name, 'x').describe(),
        (found) => found.runId !== runId,
        { within: 10 * minute },
      );
      expect(again.status.name).toBe('RUNNING');
      await world.untilConvoy(
        name,
        'the convoy knows',
        ({ story }) => story.filter(({ text }) => text === 'x started').length === 2,
        { step: 1_000 },
      );
    },
  );
});

describe('a big convoy', () => {
  it('200 beads land, and each starts from what it needs', async () => {
    await world.rig('big', { maxAgents: 50 });
    const beads = Array.from({ length: 200 }, (_, n) => scripted(`n${n}`, n < 50 ? [] : [`n${n - 50}`], merged));
    await world.convoy('crowd', 'big', beads);
    const state = await world.untilConvoy('crowd', 'it has landed', ({ status }) => status === 'landed', {
      step: minute,
    });
    expect([state.progress.merged, state.strays]).toEqual([200, 0]);
    expect((await beadOf('crowd', 'n199')).baseSha).toBe(state.beads[149]?.sha);
  });

  it('1,001 are refused with the reason, before anything starts', async () => {
    const convoy = await world.convoy(
      'horde',
      'big',
      Array.from({ length: 1_001 }, (_, n) => scripted(`n${n}`)),
    );
    await expect(convoy.result()).rejects.toMatchObject({
      cause: { type: 'BadInput', message: expect.stringContaining('at most 1000') },
    });
  });
});
