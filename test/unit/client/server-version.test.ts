import { expect, test } from 'vitest';
import { judgeServer } from '../../../src/cli/doctor/server-checks.js';
import { isOlder, oldestServer } from '../../../src/client/server-version.js';

test.each([
  ['1.28.4', true],
  ['1.29.0', false],
  ['1.29.1', false],
  ['1.100.0', false],
  ['0.99.99', true],
  ['2.0.0', false],
  ['1.28.0-148.2', true],
  ['v1.28.0', true],
])('server %s is older than the oldest that is tested: %s', (version, older) => {
  expect(isOlder(version, oldestServer)).toBe(older);
});

test('a server that does not say its version, or says something else, is not called old', () => {
  for (const version of [undefined, null, '', 'of our own', '1.x']) expect(isOlder(version, '99.0.0')).toBe(false);
});

test('doctor warns of a server that is older than those that are tested, and of a slow one', () => {
  const judged = (version: string, took: number): unknown => judgeServer(`server ${version}`, version, took);
  expect(judged('1.29.1', 5)).toEqual({ name: 'server', verdict: 'ok', text: 'server 1.29.1' });
  expect(judged('1.28.4', 5)).toMatchObject({
    verdict: 'warn',
    text: `server 1.28.4; Heartbead is tested with servers from ${oldestServer} on`,
    next: expect.stringMatching(/^upgrade the server/) as string,
  });
  expect(judged('1.32.0', 2_500)).toMatchObject({ verdict: 'warn', next: expect.stringMatching(/slow/) as string });
});
