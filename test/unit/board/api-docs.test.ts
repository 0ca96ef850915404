import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Board } from '../../../src/board/app.js';
import type { BoardOptions } from '../../../src/board/app.js';

/** What the page alone needs: the cookie in place of the token, and which cards are on its screen. */
const ofThePage = ['POST session', 'POST looking'];

test('docs/board.md names each request that the board answers, and no other', () => {
  const board = new Board({
    version: 'test',
    readOnly: false,
    home: '/nowhere',
    log: () => undefined,
  } as unknown as BoardOptions);
  const answered = board.app.routes
    .filter(({ method, path }) => method !== 'ALL' && path.startsWith('/api/v1/'))
    .map(({ method, path }) => {
      const words = path
        .slice('/api/v1/'.length)
        .replace(':rig', 'NAME')
        .replace(':action', 'ACTION')
        .replace(/:\w+/, 'ID');
      return `${method} ${words}`;
    })
    .filter((request) => !ofThePage.includes(request));
  const [, api = ''] = readFileSync(new URL('../../../docs/board.md', import.meta.url), 'utf8').split('## The API');
  const documented = api
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .flatMap((row) =>
      [...(row.split(' | ')[0] ?? '').matchAll(/`((?:GET|POST) [^`?]+)/g)].map(([, request]) => request),
    );
  expect(documented.length).toBeGreaterThan(15);
  expect([...documented].sort()).toEqual(answered.sort());
});
