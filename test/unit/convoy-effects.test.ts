import { expect, it } from 'vitest';
import { convoyEffects } from '../../src/domain/index.js';
import type { RunLength } from '../../src/domain/index.js';
import { bead, ConvoyStory } from './support/convoy-story.js';

const asked = (convoy: ConvoyStory, underWay: string[] = [], length: RunLength = 'fine'): string[] =>
  convoyEffects(convoy.state, { length, underWay: new Set(underWay) }).map(({ key }) => key);

it('a convoy asks for what is not under way, and a run that is to end for nothing', () => {
  const convoy = new ConvoyStory([bead('a'), bead('b'), bead('c', ['a'])]).start();
  const fresh = new ConvoyStory([bead('a')], {}, { prepared: false });
  expect([asked(fresh), asked(fresh, ['prepare'])]).toEqual([['prepare'], []]);
  expect(asked(fresh, [], 'soon')).toEqual([]);
  convoy.apply({ type: 'removeBead', id: 'b', release: false });
  expect(asked(convoy)).toEqual(['cancel b']);
  expect(asked(convoy, ['cancel b'])).toEqual([]);
});

it('at most twenty things are under way before the next bead is started; other things are not held back', () => {
  const convoy = new ConvoyStory(Array.from({ length: 30 }, (_, n) => bead(`n${n}`)));
  expect(asked(convoy).length).toBe(20);
  const busy = Array.from({ length: 19 }, (_, n) => `start n${n}`);
  expect(asked(convoy, busy)).toEqual(['start n19']);
  expect(asked(convoy, [...busy, 'start n19'])).toEqual([]);
  convoy.start().apply({ type: 'cancel' });
  expect(asked(convoy, [...busy, 'start n19']).slice(0, 2)).toEqual(['cancel n0', 'cancel n1']);
});
