import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { downloadAsSdk } from '../../src/server/download.js';
import { scratchFolder } from '../support/scratch.js';
import { downloadService, unreachable } from './download-service.js';

const limits = { answer: 2_000, silence: 2_000 };
const options = (downloads: string) => ({
  artifact: 'cli' as const,
  into: scratchFolder('into'),
  as: 'temporal',
  downloads,
  limits,
  log: () => undefined,
});

test('the named file of the archive becomes the program, and nothing else stays', async () => {
  const { url } = await downloadService('echo hello');
  const o = options(url);
  expect(readFileSync(await downloadAsSdk(o), 'utf8')).toMatch(/echo hello/);
  expect(readdirSync(o.into)).toEqual(['temporal']);
});

test.each<[string, Parameters<typeof downloadService>[1], RegExp]>([
  ['refuses', (_, response) => Boolean(response.writeHead(403).end()), /answered with status 403/],
  ['never answers', () => true, /nothing came for 2 s/],
  ['answers with a page for people', (_, response) => Boolean(response.end('<html>Please sign in</html>')), /JSON/],
  ['answers something else', (_, response) => Boolean(response.end('{"hello":"you"}')), /answered something unknown/],
  [
    'names another kind of archive',
    (_, response) => Boolean(response.end('{"archiveUrl":"http://127.0.0.1/a.zip","fileToExtract":"a"}')),
    /unknown format/,
  ],
  [
    'stops in the middle of the archive',
    (request, response) =>
      request.url === '/a.tar.gz' && response.writeHead(200, { 'content-length': 1_000 }).write('x'),
    /nothing came for 2 s/,
  ],
  [
    'sends something that is no archive',
    (request, response) => request.url === '/a.tar.gz' && Boolean(response.end('text')),
    /tar/,
  ],
  [
    'has lost the archive',
    (request, response) => request.url === '/a.tar.gz' && Boolean(response.writeHead(404).end()),
    /answered with status 404/,
  ],
])('a service that %s is given up with that reason, and nothing stays', async (_, override, reason) => {
  const { url } = await downloadService('echo hello', override);
  const o = options(url);
  await expect(downloadAsSdk(o)).rejects.toThrow(reason);
  expect(readdirSync(o.into).filter((name) => name !== 'unpacked')).toEqual([]);
});

test('a network that refuses, or knows no such name, is told at once with that reason', async () => {
  await expect(downloadAsSdk({ ...options(unreachable), limits: { answer: 60_000, silence: 60_000 } })).rejects.toThrow(
    /ECONNREFUSED/,
  );
  await expect(
    downloadAsSdk({ ...options('http://nowhere.invalid'), limits: { answer: 60_000, silence: 60_000 } }),
  ).rejects.toThrow(/ENOTFOUND|EAI_AGAIN/);
});

test('whoever asked for it may end it', async () => {
  const { url } = await downloadService('echo hello', () => true);
  const abort = new AbortController();
  const download = downloadAsSdk({
    ...options(url),
    signal: abort.signal,
    limits: { answer: 60_000, silence: 60_000 },
  });
  abort.abort();
  await expect(download).rejects.toMatchObject({ name: 'AbortError' });
});
