import { describe, expect, it } from 'vitest';
import { expectOneAgent } from '../../src/testing/index.js';
import { useWorld } from './support/use-world.js';

const world = useWorld();
const bead = (id: string, ...needs: string[]) => ({ id, title: `bead ${id}`, needs });

describe('beads, rig and convoy together, as they ship', () => {
  it('a diamond lands: each bead starts when what it needs is merged, and begins at the merged commit; a conflict goes round again', async () => {
    const town = await world.town({ agent: { works: '10m' } });
    await town.rig('town', { maxAgents: 2, checks: [{ name: 'build', command: 'true', timeout: 60_000 }] });
    let conflicts = 0;
    town.refinery.answer = (input) => {
      if (input.request.item !== 'ring-right' || conflicts > 0) return town.refinery.merged(input);
      conflicts += 1;
      return { outcome: 'conflict', paths: ['README.md'], target: 'main', targetSha: 'd'.repeat(40) };
    };
    const convoy = await town.convoy({
      convoy: 'ring',
      rig: 'town',
      beads: [bead('top'), bead('left', 'top'), bead('right', 'top'), bead('end', 'left', 'right')],
    });
    const landed = await convoy.untilEnded('6h');
    expect(landed.status).toBe('landed');
    expect(town.refinery.merges.map(({ request }) => request.item).sort()).toEqual([
      'ring-end',
      'ring-left',
      'ring-right',
      'ring-right',
      'ring-top',
    ]);
    const states = Object.fromEntries(
      await Promise.all(
        ['top', 'left', 'right', 'end'].map(async (id) => [id, await town.bead(`ring-${id}`).state()] as const),
      ),
    );
    expect(Object.values(states).map(({ status }) => status)).toEqual(['closed', 'closed', 'closed', 'closed']);
    const left = [...town.host().attempts.values()].find(({ input }) => input.bead === 'ring-left')?.input;
    expect(left?.baseSha).toBe(states.top?.landing?.mergedSha);
    expect(left?.baseSha).toBeDefined();
    expect(states.right?.attempts.map(({ outcome }) => outcome)).toEqual(['done', 'done']);
    expect(town.census.maxInAll).toBeLessThanOrEqual(2);
    for (const id of ['top', 'left', 'end']) expectOneAgent(town.bead(`ring-${id}`));
  });

  it('a rig that is removed by force tells the beads that wait for it, and they wait for a person', async () => {
    const town = await world.town({ agent: { works: '10m' } });
    const rig = await town.rig('doomed', { maxAgents: 1 });
    const runs = await town.sling({ rig: 'doomed' });
    await runs.until('works', ({ agent }) => agent === 'working');
    const waits = await town.sling({ rig: 'doomed' });
    await rig.until('one waits', ({ waiting }) => waiting.length === 1);
    await rig.update('remove', { force: true });
    await waits.until('was told', ({ status }) => status === 'blocked');
    const told = await waits.state();
    expect([told.reason, told.malformed]).toEqual(['rig doomed is being removed', 0]);
    expect(told.wait).toMatchObject({ for: 'person', fix: expect.stringContaining('heartbead rig add') as string });
  });
});
