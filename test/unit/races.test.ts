import { expect, it } from 'vitest';
import { catalogue, catalogueProblems, leftOut, mutants, racesNotRun } from '../../scripts/races.mjs';

it('the race catalogue is whole: each race has a test that has been seen to fail, or the reason why it cannot occur', () => {
  expect(catalogueProblems()).toEqual([]);
  expect(catalogue().length).toBeGreaterThan(120);
  for (const [, reason] of leftOut()) expect(reason.length).toBeGreaterThan(3);
});

it('every broken rule is changed to something else, and has a test that must notice it', () => {
  for (const { id, find, replace, kills } of mutants()) {
    expect(find, id).not.toBe(replace);
    expect(kills.length, id).toBeGreaterThan(0);
  }
});

it('a race whose test did not run is told', () => {
  const [first] = catalogue();
  if (first === undefined) throw new Error('the catalogue is empty');
  const passed = (title: string) => ({
    testResults: [
      {
        name: `/somewhere/${first.file}`,
        assertionResults: [{ status: 'passed', ancestorTitles: ['a group'], title }],
      },
    ],
  });
  expect(racesNotRun(passed('something else'))).toHaveLength(catalogue().length);
  expect(racesNotRun(passed(`${first.name} 60m: one attempt`)).length).toBeLessThan(catalogue().length);
});
