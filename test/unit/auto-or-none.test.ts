import { expect, it } from 'vitest';
import { isWanted } from '../../src/edge/auto-or-none.js';

it('what is there by default is left out by none alone, and another word is refused', () => {
  const name = 'HEARTBEAD_SPARE_TREE';
  expect([{}, { [name]: '' }, { [name]: 'auto' }, { [name]: 'none' }].map((env) => isWanted(env, name))).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(() => isWanted({ [name]: 'off' }, name)).toThrow('HEARTBEAD_SPARE_TREE is one of auto, none, not "off"');
});
