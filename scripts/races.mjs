/**
 * The race catalogue: `docs/races.md` names a test for each race; `test/races/mutants.json` has, for these tests, a
 * broken rule each that they must notice; `test/races/results.json` is the record of the last time all of them were
 * tried (`npm run mutants`).
 * @module
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path) => readFileSync(join(root, path), 'utf8');

/** @returns the rows of the table: id, scenario, and the test that plays it. */
export function catalogue() {
  const rows = [];
  for (const line of read('docs/races.md').split('\n')) {
    const cells = /^\| ([A-Z]\d+[a-z]?) \| (.+) \| `(test\/[^`]+)` › (.+) \|$/.exec(line);
    if (cells !== null) rows.push({ id: cells[1], scenario: cells[2], file: cells[3], name: cells[4].trim() });
  }
  return rows;
}

/** @returns the ids of those that are not applicable here, each with the reason. */
export const leftOut = () =>
  new Map(
    [...read('docs/races.md').matchAll(/^\| ([A-Z]\d+[a-z]?) \| (.+) \| not here: (.+) \|$/gm)].map(
      ([, id, , reason]) => [id, reason],
    ),
  );

export const mutants = () => JSON.parse(read('test/races/mutants.json'));
export const results = () =>
  existsSync(join(root, 'test/races/results.json')) ? JSON.parse(read('test/races/results.json')) : { mutants: [] };

/** @returns what is wrong with the catalogue itself, a sentence each. */
export function catalogueProblems() {
  const problems = [];
  const rows = catalogue();
  const noticed = new Set(
    results().mutants.flatMap(({ kills }) =>
      kills.filter(({ noticed: yes }) => yes).map(({ file, name }) => `${file} › ${name}`),
    ),
  );
  const sources = new Map();
  const source = (file) => {
    if (!sources.has(file)) sources.set(file, existsSync(join(root, file)) ? read(file) : undefined);
    return sources.get(file);
  };
  const named = (file, name) =>
    source(file)?.includes(name) === true || source(file)?.includes(name.replaceAll("'", "\\'")) === true;
  for (const { id, file, name } of rows) {
    if (!named(file, name)) problems.push(`${id}: ${file} has no test named "${name}"`);
    else if (!noticed.has(`${file} › ${name}`))
      problems.push(
        `${id}: no broken rule is recorded that "${name}" (${file}) has noticed; add one to ` +
          'test/races/mutants.json and run npm run mutants',
      );
  }
  for (const { id, file, find } of mutants()) {
    const times = (source(file) ?? '').split(find).length - 1;
    if (times !== 1)
      problems.push(
        `mutant ${id}: what it changes is ${times} times in ${file}; bring test/races/mutants.json up to date`,
      );
  }
  const known = new Set([...rows.map(({ id }) => id), ...leftOut().keys()]);
  const wanted = [
    ...Array.from({ length: 18 }, (_, n) => `R${n + 1}`),
    ...Array.from({ length: 35 }, (_, n) => `S${n + 1}`),
    ...Array.from({ length: 84 }, (_, n) => `F${n + 1}`),
    'F25a',
  ];
  for (const id of wanted) if (!known.has(id)) problems.push(`${id} is missing`);
  return problems;
}

/**
 * @param report what vitest's JSON reporter wrote of a whole run.
 * @returns the rows whose test did not run and pass, a sentence each.
 */
export function racesNotRun(report) {
  const passed = new Map();
  for (const file of report.testResults) {
    const path = file.name.slice(file.name.lastIndexOf('/test/') + 1);
    passed.set(path, [
      ...(passed.get(path) ?? []),
      ...file.assertionResults
        .filter(({ status }) => status === 'passed')
        .map(({ ancestorTitles, title }) => [...ancestorTitles, title].join(' › ')),
    ]);
  }
  // A name with a placeholder is written as in the source; what stands before the placeholder is what a report has.
  const shown = (name) => name.split(/[%$]/)[0];
  return catalogue()
    .filter(({ file, name }) => !(passed.get(file) ?? []).some((title) => title.includes(shown(name))))
    .map(({ id, file, name }) => `race ${id} was not run: "${name}" (${file})`);
}
