import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { MergeRequest } from '../../src/contract/index.js';
import { ApproverKeys } from '../support/approver-keys.js';
import { bead, fileOnOrigin, leftovers, merge, originSha, useLab } from './support/lab.js';

const lab = useLab();
const keys = new ApproverKeys();
afterAll(() => keys.remove());

/** What is signed, line by line, as `docs/security.md` says it. */
const textOf = ({ item, target, sha }: MergeRequest, found?: string): string =>
  [
    'heartbead approval',
    'namespace: test',
    'rig: demo',
    `bead: ${item}`,
    `target: ${target}`,
    `commit: ${sha}`,
    ...(found === undefined ? [] : [`found on the target as: ${found}`]),
    '',
  ].join('\n');
const settle = async (text: string): Promise<void> => {
  await mkdir(lab.home, { recursive: true });
  await writeFile(join(lab.home, 'approvers.json'), text);
};

test("what no approver of the refinery's host has signed is not landed, whoever asks; without its file all is", async () => {
  const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  const other = await bead(lab, 'other', [{ 'other.txt': 'x\n' }]);
  const before = await originSha(lab, 'refs/heads/main');
  await settle(JSON.stringify({ keys: [keys.public('ada')] }));
  const refused: [string, MergeRequest, RegExp][] = [
    ['unsigned', request, /is not approved by an approver of the refinery's host: there is no signature/],
    [
      'signed by another',
      { ...request, approval: { signature: await keys.sign('mallory', textOf(request)) } },
      /its key is SHA256:/,
    ],
    [
      'signed for another bead',
      { ...request, approval: { signature: await keys.sign('ada', textOf(other)) } },
      /of lamp is not approved by/,
    ],
    [
      'found on its target since',
      { ...request, approval: { signature: await keys.sign('ada', textOf(request)), found: before } },
      /of lamp is not approved by/,
    ],
  ];
  for (const [what, asked, reason] of refused)
    expect(await merge(lab, asked), what).toMatchObject({
      outcome: 'error',
      reason: expect.stringMatching(reason) as string,
      approvers: [keys.public('ada')],
    });
  expect(await originSha(lab, 'refs/heads/main')).toBe(before);
  expect(await leftovers(lab.home)).toEqual([]);

  const signed = { ...request, approval: { signature: await keys.sign('ada', textOf(request)) } };
  expect(await merge(lab, signed)).toMatchObject({ outcome: 'merged' });
  expect(await fileOnOrigin(lab, 'lamp.txt')).toBe('on');
  await rm(join(lab.home, 'approvers.json'));
  expect(await merge(lab, other)).toMatchObject({ outcome: 'merged' });
});

test('a file of approvers that cannot be used lets nothing land', async () => {
  const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
  const before = await originSha(lab, 'refs/heads/main');
  await settle('{"keys": []}');
  await expect(merge(lab, request)).rejects.toThrow(/approvers\.json says who approves, and cannot be used/);
  expect(await originSha(lab, 'refs/heads/main')).toBe(before);
});
