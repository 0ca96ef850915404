import { expect, test } from 'vitest';
import { attemptOfPath, strangerProblem } from '../../../src/runner/attempt-of-path.js';

const env = { HEARTBEAD_BEAD: 'ra', HEARTBEAD_ATTEMPT: '1-aaaa1111' };

test.each<[string, { bead: string; attempt: string } | undefined]>([
  ['/home/attempts/1-aaaa1111__ra/worktree/src', { bead: 'ra', attempt: '1-aaaa1111' }],
  ['/home/attempts/1-aaaa1111__ra', { bead: 'ra', attempt: '1-aaaa1111' }],
  ['/home/attempts/1-aaaa1111__ra/worktree/attempts/2-bbbb2222__rb/x', { bead: 'rb', attempt: '2-bbbb2222' }],
  ['/home/1-aaaa1111__ra/worktree', undefined],
  ['/home/attempts/worktree', undefined],
  ['/', undefined],
])('%s', (path, attempt) => expect(attemptOfPath(path)).toEqual(attempt));

test('a call from the folder of another attempt is refused, and both are named', () => {
  expect(strangerProblem(env, '/home/attempts/1-bbbb2222__rb/worktree')).toMatch(/bead rb .* bead ra /);
  expect(strangerProblem(env, '/home/attempts/2-aaaa2222__ra/worktree')).toBeDefined();
});

test('a call from its own folder, or from anywhere else, is heard', () => {
  for (const cwd of ['/home/attempts/1-aaaa1111__ra/worktree/deep', '/tmp', '/'])
    expect(strangerProblem(env, cwd)).toBeUndefined();
});
