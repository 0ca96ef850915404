/**
 * `npm run escapes`: tries every way out that we know, in a cell and without one, and prints what came of it.
 *
 * @module
 */
import { EscapeGround } from './escape-lab.js';
import type { EscapeFindings } from './escape-lab.js';
import { comforts, escapes } from './escapes.js';
import { probeCell } from './probe.js';

const probe = probeCell(process.env);
if ('problem' in probe) {
  console.error(`escapes: ${probe.problem}`);
  process.exit(1);
}
const ground = await EscapeGround.make();
let cell: EscapeFindings;
let none: EscapeFindings;
try {
  cell = await ground.try('sandbox', 'none');
  none = await ground.try('none', 'all');
} finally {
  await ground.end();
}
const word = (out: boolean | undefined): string => (out === true ? 'OUT ' : 'held');
console.log('cell  none  way out');
for (const { id, area, what } of escapes)
  console.log(`${word(cell.out[id])}  ${word(none.out[id])}  ${area}: it ${what} (${id})`);
const failed = comforts.filter(({ id }) => cell.works[id] !== true);
const surprises = escapes.filter(({ id }) => cell.out[id] === true);
const count = (found: EscapeFindings): number => Object.values(found.out).filter(Boolean).length;
console.log(
  `\n${escapes.length} ways: ${count(cell)} lead out of the cell, ${count(none)} without one; ` +
    `${comforts.length - failed.length} of ${comforts.length} needs of an agent are met in it`,
);
for (const { id, what } of failed) console.log(`  not met: an agent ${what} (${id})`);
process.exitCode = failed.length + surprises.length === 0 ? 0 : 1;
