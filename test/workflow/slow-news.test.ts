import { expect, it } from 'vitest';
import { convoyLookEvery } from '../../src/domain/convoy/deadline.js';
import { useWorld } from './support/use-world.js';

const world = useWorld({ interceptors: './slow-news.ts' });

it('a bead that is merged while an earlier report to its convoy is on its way tells of its end as well', async () => {
  const town = await world.town({ agent: { works: '4m' } });
  await town.rig('busy');
  const convoy = await town.convoy({ convoy: 'news', rig: 'busy', beads: [{ id: 'only', title: 'Only', needs: [] }] });
  const bead = town.bead('news-only');
  const known = async (): Promise<string | undefined> => (await convoy.state()).beads[0]?.status;
  // That it is open is said after three minutes, that it is in progress after six; in between it is merged.
  await bead.until('is merged', ({ status }) => status === 'closed');
  expect([await known(), bead.ended]).toEqual(['running', false]);
  // The convoy would find the merge by its look as well, at ten minutes.
  await bead.untilEnded();
  expect([await known(), town.clock.now() - bead.slungAt < 2 * convoyLookEvery]).toEqual(['merged', true]);
  await convoy.until('has landed', ({ status }) => status === 'landed');
});
