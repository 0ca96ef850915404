import { expect, it } from 'vitest';
import { useWorld } from './support/use-world.js';

const world = useWorld({ interceptors: './slow-grants.ts' });

it('a bead that asks again before its rig has heard that it has its grant is told of the next one as well', async () => {
  const town = await world.town();
  await town.rig('slow');
  const bead = await town.sling({ rig: 'slow', agent: [{ works: '1m', ends: 'killed' }, { works: '4m' }] });
  const { status, attempts } = await bead.untilEnded('2h');
  expect([status, attempts.map(({ outcome }) => outcome)]).toEqual(['closed', ['lost', 'done']]);
});
