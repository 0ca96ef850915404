import { expect, test } from 'vitest';
import { readConvoyFile } from '../../../src/operator/convoy-file.js';

test.each([
  ['', /^c\.yaml is empty$/],
  ['# nothing but this\n', /^c\.yaml is empty$/],
  ['convoy: c\nbeads:\n\t- id: a\n', /^c\.yaml:\d+: Tabs are not allowed as indentation$/],
  ['{"convoy": "c", "beads": [', /^c\.yaml:1: Flow sequence .*\]$/],
  ['convoy: c\nconvoy: d\n', /^c\.yaml:2: Map keys must be unique$/],
  ['convoy: c\ntitle: T\nrig: r\nbeads:\n  - id: a\n    title: A\n    need: [b]\n', /^c\.yaml:5: beads\.0: .*need/],
])('what is wrong with a file of a convoy is one line, with its place: %j', (text, message) => {
  let said = '';
  try {
    readConvoyFile(text, 'c.yaml');
  } catch (error) {
    said = (error as Error).message;
  }
  expect(said).toMatch(message);
  expect(said).not.toContain('\n');
});
