/**
 * The catalogue of reports from the field: `docs/field-reports.md` names a test for each, or says why there is none.
 * @module
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** @returns the rows of the table; a row without a test has the reason in its place. */
export function fieldReports(text = readFileSync(join(root, 'docs/field-reports.md'), 'utf8')) {
  const rows = [];
  for (const line of text.split('\n')) {
    const cells = /^\| (\d+) \| (.+?) \| (.+) \| (?:`(test\/[^`]+)` › (.+)|not here: (.+)|(open)) \|$/.exec(line);
    if (cells === null) {
      if (/^\| \d/.test(line)) rows.push({ unreadable: line });
      continue;
    }
    const [, id, source, right, file, name, notHere] = cells;
    rows.push({ id: Number(id), source, right, file, name, notHere });
  }
  return rows;
}

/** @returns what is wrong with the catalogue, a sentence each. */
export function fieldReportProblems(rows = fieldReports()) {
  const problems = [];
  const seen = new Set();
  for (const { id, file, name, unreadable } of rows) {
    if (unreadable !== undefined) {
      problems.push(`this row cannot be read: ${unreadable}`);
      continue;
    }
    if (seen.has(id)) problems.push(`report ${id} is there twice`);
    seen.add(id);
    if (file === undefined) continue;
    const path = join(root, file);
    const source = existsSync(path) ? readFileSync(path, 'utf8') : '';
    if (!source.includes(name) && !source.includes(name.replaceAll("'", "\\'")))
      problems.push(`report ${id}: ${file} has no test named "${name}"`);
  }
  return problems;
}
