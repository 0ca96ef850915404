import { describe, expect, it } from 'vitest';
import { convoyBeadId } from '../../src/contract/index.js';
import type { AgentScript } from '../../src/testing/index.js';
import { useWorld } from './support/use-world.js';

const world = useWorld();
const works: AgentScript = { works: '10m' };

describe('what a bead or a convoy leans on may be gone', () => {
  it('a convoy that was terminated is missed by nobody: its bead lands all the same', async () => {
    const town = await world.town({ agent: works });
    await town.rig('left');
    const convoy = await town.convoy({ convoy: 'gone', rig: 'left', beads: [{ id: 'x', title: 'x', needs: [] }] });
    await convoy.until('has started it', ({ beads }) => beads[0]?.status === 'running');
    const bead = town.bead(convoyBeadId('gone', 'x'));
    await bead.until('works', ({ agent }) => agent === 'working');
    await convoy.terminate();
    town.wake();
    expect(await bead.until('has landed', ({ status }) => status === 'closed', '3h')).toMatchObject({
      attempts: [{ outcome: 'done' }],
    });
  });

  it('without its rig a bead is blocked and says so; with the rig added again, a retry lands it', async () => {
    const town = await world.town({ agent: works });
    const rig = await town.rig('fades');
    const bead = await town.sling({ bead: 'orphaned', rig: 'fades' });
    await bead.until('works', ({ agent }) => agent === 'working');
    await rig.terminate();
    town.wake();
    expect(await bead.until('asks for a person', ({ status }) => status === 'blocked', '3h')).toMatchObject({
      reason: expect.stringContaining('rig fades does not exist'),
      wait: { for: 'person', fix: expect.stringContaining('heartbead rig add') },
    });
    await town.rig('fades');
    await bead.retry();
    const { attempts } = await bead.until('has landed', ({ status }) => status === 'closed', '3h');
    // What was verified is offered again, not done again.
    expect(attempts).toHaveLength(1);
  });

  it('an id that belongs to somebody else is not taken over: the convoy asks for a person', async () => {
    const town = await world.town({ agent: works });
    await town.rig('shared');
    const theirs = await town.sling({ bead: convoyBeadId('taken', 'x') });
    const convoy = await town.convoy({ convoy: 'taken', rig: 'shared', beads: [{ id: 'x', title: 'x', needs: [] }] });
    const { beads, attention } = await convoy.until('asks for a person', (view) => view.attention !== undefined, '3h');
    expect([attention, beads[0]?.reason]).toEqual(['blocked', expect.stringContaining('belongs to no convoy')]);
    expect((await theirs.until('has its own end', ({ status }) => status === 'closed', '3h')).convoy).toBeUndefined();
  });
});
