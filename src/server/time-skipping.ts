import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';
import type { ConnectionPlugin } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import getPort from 'get-port';
import { errorMessage } from '../edge/errors.js';
import { shellQuoted } from '../edge/shell-quoted.js';
import { endWithUs } from './end-with-us.js';
import { findTestServer } from './find-test-server.js';
import { KeepAliveProxy } from './keep-alive-proxy.js';
import { registerSearchAttributes } from './search-attributes.js';
import type { FindOptions } from './found-binary.js';

/**
 * The SDK gives a server 5 s to answer, which a Java program on a busy machine may exceed; a second and a third try
 * find it in the page cache.
 */
const tries = 3;

export interface TimeSkippingOptions extends FindOptions {
  /** The program, when it is known already. */
  program?: string;
}

/**
 * Starts a time-skipping Temporal server that knows Heartbead's search attributes. Its time is one for all workflows on
 * it: use one server per test file. End it with `teardown()`; if this process ends before that, however it ends, the
 * server is ended too.
 */
export async function startTimeSkipping({
  program,
  ...find
}: TimeSkippingOptions = {}): Promise<TestWorkflowEnvironment> {
  const path = program ?? (await findTestServer(find)).path;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(path);
    } catch (error) {
      if (attempt === tries)
        throw new Error(`the time-skipping server ${path} does not start: ${errorMessage(error)}`, { cause: error });
    }
  }
}

/**
 * The SDK starts the server, and ends it only if it gets the chance to: it does not tell the process id, by which a
 * guard could. So the SDK gets a small script, which leaves its process id, keeps what the server prints in a file, and
 * becomes the server.
 */
async function startOnce(program: string): Promise<TestWorkflowEnvironment> {
  const folder = await mkdtemp(join(tmpdir(), 'heartbead-time-skipping-'));
  const pidFile = join(folder, 'pid');
  const log = join(folder, 'log');
  const script = join(folder, 'server');
  const port = await getPort({ host: '127.0.0.1' });
  const proxy = await KeepAliveProxy.open(port);
  // The first argument is the port that the SDK connects to, which is the proxy's.
  await writeFile(
    script,
    `#!/bin/sh\necho $$ > '${pidFile}'\nshift\nexec ${shellQuoted(program)} ${port} "$@" > '${log}' 2>&1\n`,
    { mode: 0o755 },
  );
  const remove = async (): Promise<void> => {
    await proxy.close();
    await rm(folder, { recursive: true, force: true });
  };
  const retries = new Retries();
  let environment: TestWorkflowEnvironment;
  try {
    environment = await TestWorkflowEnvironment.createTimeSkipping({
      plugins: [retries],
      server: { port: proxy.port, executable: { type: 'existing-path', path: script } },
    });
  } catch (error) {
    const printed = await readFile(log, 'utf8').catch(() => '');
    await remove();
    throw printed === ''
      ? error
      : new Error(`${errorMessage(error)}; it printed: ${printed.trim().slice(-500)}`, { cause: error });
  }
  const release = endWithUs(Number(await readFile(pidFile, 'utf8')));
  const teardown = environment.teardown.bind(environment);
  environment.teardown = async () => {
    await retries.end();
    await teardown();
    release();
    await remove();
  };
  try {
    await registerSearchAttributes(environment.connection, environment.namespace ?? 'default');
    return environment;
  } catch (error) {
    await environment.teardown();
    throw error;
  }
}

/**
 * The SDK's client tries a refused call again after a pause, without a look at whether its connection is closed by
 * then; if it is, the exception comes out of a timer, and ends this process. So before the connection is closed nothing
 * is tried again any more, and what pauses has its try.
 */
class Retries implements ConnectionPlugin {
  readonly name = 'heartbead-retries';
  #ended = false;
  #pauseUntil = 0;

  configureConnection: NonNullable<ConnectionPlugin['configureConnection']> = (options) => {
    const { retryableDecider, delayFunction } = defaultGrpcRetryOptions();
    const retry = makeGrpcRetryInterceptor({
      retryableDecider: (attempt, status) => !this.#ended && retryableDecider(attempt, status),
      delayFunction: (attempt, status) => {
        const delay = delayFunction(attempt, status);
        this.#pauseUntil = Math.max(this.#pauseUntil, performance.now() + delay);
        return delay;
      },
    });
    return { ...options, interceptors: [retry] };
  };

  async end(): Promise<void> {
    this.#ended = true;
    // Timers have whole milliseconds.
    const rest = this.#pauseUntil - performance.now();
    if (rest > 0) await sleep(Math.ceil(rest) + 1);
  }
}
