import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cli, finished, lineOf } from '../cli/support/cli.js';

let cli: Cli;
let folder: string;
beforeEach(() => {
  // The page says that there is no server; a browser can be opened all the same.
  cli = new Cli({ TEMPORAL_ADDRESS: '127.0.0.1:1' });
  folder = mkdtempSync(join(tmpdir(), 'browser-'));
});
afterEach(async () => {
  await cli.end();
  rmSync(folder, { recursive: true, force: true });
});

/** What this platform opens things with, written down instead. */
function browserThatIsWrittenDown(): { PATH: string } {
  const program = join(folder, process.platform === 'darwin' ? 'open' : 'xdg-open');
  writeFileSync(
    program,
    `#!/bin/sh\necho "$*" >> '${folder}/arguments'\n/bin/cat "$1" >> '${folder}/pages'\n/bin/ls -l "$1" >> '${folder}/modes'\n`,
  );
  chmodSync(program, 0o755);
  return { PATH: folder };
}
const addressIn = (line: string): string => /http:[^"]+/.exec(line)?.[0] ?? '';
const written = (name: string): string[] => readFileSync(join(folder, name), 'utf8').trim().split('\n');

test('--open opens the printed address by a file that only its user can read, and which goes with the board', async () => {
  const env = browserThatIsWrittenDown();
  const board = cli.start(['board', '--open', '--json'], { env });
  const url = addressIn(await lineOf(board, 'stdout', /"url"/));
  await expect.poll(() => existsSync(join(folder, 'modes')), { timeout: 60_000 }).toBe(true);
  // Asked for again, it is opened again, by a command that ends at once.
  expect(await cli.run(['board', '--open'], { env })).toMatchObject({ code: 0, stdout: expect.stringContaining(url) });

  const pages = written('pages');
  expect(pages).toEqual([expect.stringContaining(`url=${url}"`), expect.stringContaining(`url=${url}"`)]);
  // The address lets its reader steer the fleet: it is in no command line, and nobody else may read the file.
  const files = written('arguments');
  const token = url.split('#token=')[1] ?? '';
  expect(token).toMatch(/^[\w-]{20,}$/);
  expect(files.join(' ')).not.toContain(token);
  expect(written('modes')).toEqual([expect.stringMatching(/^-rw-------/), expect.stringMatching(/^-rw-------/)]);
  // What the browser finds there takes the token, and no other.
  const session = (of: string): Promise<Response> =>
    fetch(new URL('/api/v1/session', url), {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: new URL(url).origin },
      body: JSON.stringify({ token: of }),
    });
  expect((await fetch(url)).status).toBe(200);
  expect([(await session(token)).status, (await session('x')).status]).toEqual([200, 401]);

  board.kill('SIGINT');
  expect((await finished(board)).code).toBe(0);
  expect(existsSync(files[0] ?? '')).toBe(false);
});

test('where there is no browser the board stays, and says so', async () => {
  const board = cli.start(['board', '--open', '--json'], { env: { PATH: folder } });
  const [started, said] = await Promise.all([
    lineOf(board, 'stdout', /"url"/),
    lineOf(board, 'stderr', /no browser could be opened .*open the address above yourself/),
  ]);
  expect(said).toContain('browser');
  const url = addressIn(started);
  expect((await fetch(url, { redirect: 'manual' })).status).toBeLessThan(400);
  // Whoever asks a board that runs already gets the same words, and an exit code that tells a script.
  expect(await cli.run(['board', '--open'], { env: { PATH: folder } })).toMatchObject({
    code: 1,
    stdout: expect.stringContaining(url),
    stderr: expect.stringContaining('open the address above yourself'),
  });
});
