import { expect, it } from 'vitest';
import { changes, compiler, forgotten } from '../../scripts/compiler-leads.mjs';

const compile = compiler();

it.each(changes)(
  'a new $name does not compile until every place that must decide about it has',
  { timeout: 600_000 },
  (change) => {
    expect(forgotten(change, compile(change, change.stops))).toEqual([]);
  },
);

it('says so when the compiler accepts a change', { timeout: 600_000 }, () => {
  const [first] = changes;
  if (first === undefined) throw new Error('there are no changes');
  // A field that may be absent of a type that no edge reads.
  const harmless = {
    ...first,
    find: 'export interface StoryLine {\n',
    add: '  tried?: string;\n',
    stops: ['src/domain/telling/story.ts'],
  };
  expect(forgotten(harmless, compile(harmless, harmless.stops))).toEqual(['src/domain/telling/story.ts']);
});
