import { expect, it } from 'vitest';
import { fieldReportProblems, fieldReports } from '../../scripts/field-reports.mjs';

it('the catalogue of reports from the field is whole: each test that it names is there', () => {
  expect(fieldReportProblems()).toEqual([]);
  expect(fieldReports().length).toBeGreaterThanOrEqual(40);
});

it('a row whose test is missing, one that is there twice, and one that cannot be read are told', () => {
  const rows = fieldReports(
    [
      '| 1 | a/b#1 | it is right | `test/unit/field-reports.test.ts` › no such name of a test at all, said in ' +
        'two parts |',
      '| 1 | a/b#1 | it is right | open |',
      '| 2 | a/b#2 | it is right | not here: it has no such thing |',
      '| 3 | a/b#3 | it is right | maybe |',
    ].join('\n'),
  ).map((row) => (row.name === undefined ? row : { ...row, name: `${row.name}, but one more` }));
  expect(fieldReportProblems(rows)).toEqual([
    expect.stringMatching(/^report 1: test\/unit\/field-reports\.test\.ts has no test named "no such name/),
    'report 1 is there twice',
    expect.stringMatching(/^this row cannot be read: \| 3 /),
  ]);
});
