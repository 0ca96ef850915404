import { execa } from 'execa';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BinaryCache } from './binary-cache.js';
import { cacheDirectory } from './cache.js';
import { downloadAsSdk, sdkVersion } from './download.js';
import { ServerNotFound, describeBinary } from './found-binary.js';
import { executableProblem, onPath } from './programs.js';
import { withProgress } from './progress-line.js';
import type { FindOptions, FoundBinary } from './found-binary.js';

const jarVersion = '1.38.0';

/**
 * Finds the time-skipping test server: `TEMPORAL_TEST_SERVER_PATH`, the cache, the SDK's download, Maven (then it needs
 * `java` to run); the last two fill the cache. Concurrent callers, also of other processes, fetch it once.
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

async function fromCacheOrNet(
  env: NodeJS.ProcessEnv,
  log: (line: string) => void,
  options: FindOptions,
): Promise<FoundBinary> {
  const cache = new BinaryCache(cacheDirectory(env), 'test-server', 'temporal-test-server');
  const keys = { download: `sdk-${sdkVersion}`, maven: `maven-${jarVersion}` };
  const lookUp = (): FoundBinary | undefined => {
    const entry = cache.lookUp([keys.download, keys.maven]);
    // The jars without a java are of no use; better to say so than to let the server fail to start.
    if (entry === undefined || (entry.origin === 'maven' && javaProblem(env) !== undefined)) return undefined;
    return { path: entry.path, source: 'cache', version: entry.version };
  };
  return (
    lookUp() ??
    cache.exclusively(log, options.signal, async () => {
      const meanwhile = lookUp();
      if (meanwhile !== undefined) return meanwhile;
      const failed: string[] = [];
      log('there is no time-skipping server on this machine yet; trying the download of the SDK');
      try {
        const { path, version } = await cache.add(keys.download, 'download', async (folder) => {
          await downloadAsSdk({
            artifact: 'temporal-test-server',
            into: folder,
            as: cache.program,
            log,
            signal: options.signal,
            downloads: options.downloads,
          });
          return `of SDK ${sdkVersion}`;
        });
        return { path, source: 'download', version };
      } catch (error) {
        options.signal?.throwIfAborted();
        failed.push(`download: ${messageOf(error)}`);
        log(`the download does not work here (${messageOf(error)})`);
      }
      const mvn = onPath('mvn', env);
      const java = javaProblem(env);
      if (mvn === undefined) failed.push('Maven: there is no mvn on PATH');
      if (java !== undefined) failed.push(`Maven: ${java}`);
      if (mvn !== undefined && java === undefined) {
        try {
          const { path, version } = await cache.add(keys.maven, 'maven', (folder) =>
            fetchJars(mvn, folder, cache.program, env, log, options.signal),
          );
          return { path, source: 'maven', version };
        } catch (error) {
          options.signal?.throwIfAborted();
          failed.push(`Maven: ${messageOf(error)}`);
        }
      }
      throw new ServerNotFound(
        [
          'no time-skipping Temporal server was found, and none could be got:',
          ...failed.map((line) => `  ${line}`),
          'Install Java (8 or newer) and Maven, or set TEMPORAL_TEST_SERVER_PATH to a temporal-test-server program.',
        ].join('\n'),
      );
    })
  );
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
exec "\${JAVA_HOME:+$JAVA_HOME/bin/}java" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$here/lib/*" io.temporal.testserver.TestServer "$@"
`;

function javaProblem(env: NodeJS.ProcessEnv): string | undefined {
  const home = env['JAVA_HOME'];
  if (home === undefined || home === '')
    return onPath('java', env) === undefined ? 'there is no java on PATH' : undefined;
  const problem = executableProblem(join(home, 'bin/java'));
  return problem === undefined ? undefined : `JAVA_HOME is ${home}, but ${join(home, 'bin/java')} ${problem}`;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
