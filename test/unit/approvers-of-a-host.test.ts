import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { approversFile, approversHere } from '../../src/activities/refinery/approvers.js';
import { ApproverKeys } from '../support/approver-keys.js';

const home = mkdtempSync(join(tmpdir(), 'approvers-home-'));
const keys = new ApproverKeys();
afterAll(() => {
  rmSync(home, { recursive: true, force: true });
  keys.remove();
});

test('a host names approvers of its own, and a file that cannot be used lets nothing land', () => {
  expect(approversHere(home)).toEqual([]);
  const write = (text: string): void => writeFileSync(join(home, approversFile), text);
  write(JSON.stringify({ keys: [keys.public('ada')] }));
  expect(approversHere(home)).toEqual([keys.public('ada')]);
  for (const text of ['', '{"keys":[]}', '{"keys":["ssh-rsa AAAA"]}', '{"keys":["x"],"rigs":{}}', '[]']) {
    write(text);
    expect(() => approversHere(home), text).toThrow(/approvers\.json .*: correct it, then retry the merge/);
  }
});
