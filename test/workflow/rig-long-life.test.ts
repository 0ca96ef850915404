import { describe, expect, it } from 'vitest';
import { beadWorkflowId, limits, rigMessages, rigWorkflowId } from '../../src/contract/index.js';
import type { RigSettings, GrantRequest } from '../../src/contract/index.js';
import { initialRig, rigIsFull } from '../../src/domain/index.js';
import { FleetWorld, gate } from './support/fleet-world.js';
import { mostAtOnce } from './support/most-at-once.js';

const minute = 60_000;

describe('a long life of a rig', () => {
  it(
    'continues as new under load, with slots, waiting beads, queue and a running merge carried over',
    { timeout: 600_000 },
    async ({ onTestFailed, onTestFinished }) => {
      const world = await FleetWorld.open();
      onTestFinished(() => world.close());
      onTestFailed(() => console.error(`seen last: ${world.lastLook}`));
      await world.rig('old', { maxAgents: 2 });
      const merge = gate();
      world.refinery.answer = async ({ request }) => {
        if (request.item === 'old-merge') await merge.opened;
        return world.refinery.merged();
      };
      await world.bead('old-hangs', 'old', { attempts: ['hangs'], then: 'merged' });
      await world.untilRig('old', 'it runs', ({ grants }) => grants[0]?.told === true);
      // One bead after the other through the one slot that is left, each several times; the looks at the one that hangs
      // fill the history too.
      const ids = Array.from({ length: 12 }, (_, n) => `old-${n}`);
      for (const id of ids)
        await world.bead(id, 'old', {
          works: 20 * minute,
          attempts: [...Array.from({ length: 5 }, () => 'failed' as const), 'done'],
          then: 'merged',
        });
      await world.untilRig('old', 'it went on in a new run', ({ runs }) => runs >= 2, {
        within: 72 * 60 * minute,
        step: 10 * minute,
      });
      await world.bead('old-merge', 'old', { free: true, works: 1 });
      // Begun before the other is slung: on a busy machine either may reach the queue first.
      await world.untilRig('old', 'its merge runs', ({ merging }) => merging[0]?.item === 'old-merge', { step: 1 });
      await world.bead('old-behind', 'old', { free: true, works: 1 });
      await world.until(
        'one is merged, one waits',
        () => world.rigState('old'),
        ({ merging, queue }) => merging.length === 1 && queue.length === 1,
        { step: 1 },
      );
      merge.open();
      for (const id of [...ids, 'old-merge', 'old-behind'])
        await world.untilBead(id, 'done', ({ status }) => status === 'closed', {
          within: 200 * 60 * minute,
          step: 30 * minute,
        });
      const states = await Promise.all([...ids, 'old-hangs'].map((id) => world.beadState(id)));
      expect(mostAtOnce(states)).toBe(2);
      const { grants, runs } = await world.rigState('old');
      expect([grants.map(({ bead }) => bead), runs >= 2]).toEqual([['old-hangs'], true]);
      await world.client.workflow.getHandle(beadWorkflowId('old-hangs')).signal('go', {});
      await world.untilRig('old', 'all is given back', (state) => state.grants.length === 0);
    },
  );

  it(
    'full of waiting beads it goes on in a new run, and refuses the next bead with a next step',
    { timeout: 600_000 },
    async ({ onTestFinished }) => {
      const world = await FleetWorld.open();
      onTestFinished(() => world.close());
      const asking = (n: number): GrantRequest => {
        const id = `full-${n}`.padEnd(60, 'x');
        return { bead: id, workflowId: beadWorkflowId(id), priority: 3, since: n, agent: 'rig' };
      };
      const settings: RigSettings = {
        repo: '/srv/r.git',
        base: 'main',
        agent: { adapter: 'demo' },
        maxAgents: 1,
        checks: [],
        strategy: 'merge',
        approval: false,
      };
      const waiting: GrantRequest[] = [];
      while (!rigIsFull({ waiting, grants: [] }, asking(waiting.length))) waiting.push(asking(waiting.length));
      const carried = { ...initialRig({ rig: 'full', settings }, 0), paused: true, waiting };
      const handle = await world.client.workflow.start('rig', {
        workflowId: rigWorkflowId('full'),
        taskQueue: world.queue,
        args: [{ rig: 'full', settings, carried }],
      });
      // As long a name as theirs: a shorter one would still fit.
      const late = 'late'.padEnd(60, 'x');
      await world.bead(late, 'full', {});
      await world.untilBead(late, 'it is refused', ({ status }) => status === 'blocked');
      expect((await world.beadState(late)).reason).toContain('no room for one more bead');
      // Each that waits may ask again. So many signals make the run long.
      for (let sent = 0; sent <= limits.signalsPerRun / 2; sent += 100)
        await Promise.all(
          Array.from({ length: 100 }, (_, n) =>
            handle.signal(rigMessages.askGrant, waiting[(sent + n) % waiting.length]),
          ),
        );
      const next = await world.untilRig('full', 'it went on in a new run', ({ runs }) => runs >= 3);
      expect(next.waiting.length).toBe(waiting.length);
    },
  );
});
