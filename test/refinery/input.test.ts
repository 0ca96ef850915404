import { expect, test } from 'vitest';
import type { MergeInput } from '../../src/contract/index.js';
import { check, inputOf, list, start, useLab } from './support/lab.js';

const lab = useLab();
const request = {
  item: 'lamp',
  workflowId: 'bead-lamp',
  branch: 'heartbead/lamp/1-abcd',
  sha: 'a'.repeat(40),
  target: 'main',
  priority: 3,
  since: 1,
  title: 'Add lamp',
};

const bad: [string, (input: MergeInput) => MergeInput, RegExp][] = [
  [
    'an item that is a path',
    (input) => ({ ...input, request: { ...request, item: '../../etc' } }),
    /request\.item: only letters/,
  ],
  ['a rig that is a parent folder', (input) => ({ ...input, rig: '..' }), /rig: only letters/],
  [
    'a branch like an option',
    (input) => ({ ...input, request: { ...request, branch: '--upload-pack=x' } }),
    /request\.branch: a branch name cannot begin with a dash/,
  ],
  ['a target like an option', (input) => ({ ...input, request: { ...request, target: '-f' } }), /request\.target/],
  [
    'an abbreviated commit',
    (input) => ({ ...input, request: { ...request, sha: 'abc123' } }),
    /request\.sha: a commit id has 40/,
  ],
  [
    'a repository that runs a command',
    (input) => ({ ...input, repo: 'ext::sh -c touch% /tmp/x' }),
    /repo: this kind of repository URL can run commands/,
  ],
  ['a strategy that does not exist', (input) => ({ ...input, strategy: 'octopus' as 'merge' }), /strategy/],
  ['a check without time', (input) => ({ ...input, checks: [check('true', { timeout: 0 })] }), /checks\.0\.timeout/],
  ['nothing at all', () => undefined as unknown as MergeInput, /input: /],
];

test.each(bad)('%s is refused before anything is touched, for good, and by its name', async (_name, spoil, message) => {
  const failure: unknown = await start(lab, spoil(inputOf(lab, request))).outcome.catch((error: unknown) => error);
  expect(failure).toMatchObject({ type: 'BadInput', nonRetryable: true, message: expect.stringMatching(message) });
  expect(await list(lab.home)).toEqual([]);
});
