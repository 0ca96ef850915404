import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createProgram } from '../../../src/cli/program.js';
import { verbs } from '../../../src/cli/verbs/index.js';
import { beginning, reference } from '../support/verb-pages.js';

const page = new URL('../../../docs/cli.md', import.meta.url);

test('docs/cli.md ends with every verb, argument and option that there is', async () => {
  const [written = ''] = readFileSync(page, 'utf8').split(beginning);
  await expect(`${written.trimEnd()}\n\n${reference(createProgram(verbs))}`).toMatchFileSnapshot(page.pathname);
});
