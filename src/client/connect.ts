import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { DEFAULT_TASK_QUEUE } from '../contract/index.js';
import { Keys, keySource, sealingConverter } from '../codec/index.js';
import type { KeySource } from '../codec/index.js';
import { durationText } from '../domain/words.js';
import { processAlive } from '../runner/processes/process.js';
import { clientSpans } from '../traces/client-spans.js';
import { Tracer } from '../traces/tracer.js';
import { defaultDeadline } from './deadline.js';
import { ConfigurationError, NoServerError } from './errors.js';
import { demoDirectory, stateDirectory } from './home.js';
import { readRecord } from './records.js';
import { sealGuard } from './seal-guard.js';
import { whyNoAnswer } from './why-no-answer.js';

type ConnectionOptions = ReturnType<typeof loadClientConnectConfig>['connectionOptions'];

/** Where a server was found, and what belongs to it on this host. */
export interface ConnectionSettings {
  /** `host:port`. */
  address: string;
  namespace: string;
  /**
   * For `Connection` and `NativeConnection` alike: address, TLS, API key, metadata. May hold secrets: never print it.
   */
  options: ConnectionOptions & { address: string };
  /**
   * - `configured`: by `TEMPORAL_ADDRESS` and its like, or the Temporal configuration file.
   * - `embedded`: the server that `heartbead up` started in this state directory.
   * - `demo`: the server of a running demo (`npm start`); only when there is neither of the others.
   */
  source: 'configured' | 'embedded' | 'demo';
  /** State directory that belongs to the server on this host. */
  home: string;
  /** Main task queue of the town. */
  taskQueue: string;
  /** Where the keys of its payloads come from; undefined where they are not encrypted. */
  keySource: KeySource | undefined;
  /** Titles stand in no memo, no summary and no id: `HEARTBEAD_PRIVATE_NAMES`. */
  privateNames: boolean;
  /** Known for servers that Heartbead started. */
  uiAddress?: string;
}

export interface ConnectOptions {
  env?: NodeJS.ProcessEnv;
  /** Default: `stateDirectory(env)`. */
  home?: string;
  /** Milliseconds until an address that does not answer is given up; default 10 s. */
  connectTimeout?: number;
  /** Called with each request that goes out. */
  onRequest?: () => void;
}

/**
 * Finds the server to talk to, without talking to it.
 * @throws NoServerError when none is configured and none runs here.
 */
export async function connectionSettings(options: ConnectOptions = {}): Promise<ConnectionSettings> {
  const env = options.env ?? process.env;
  const home = options.home ?? stateDirectory(env);
  const queue = env['HEARTBEAD_TASK_QUEUE'];
  const { connectionOptions, namespace } = configured(env);
  if (connectionOptions.address !== undefined && connectionOptions.address !== '') {
    const address = connectionOptions.address;
    const own = await readRecord(home, 'server');
    return {
      address,
      namespace: namespace ?? 'default',
      options: { ...connectionOptions, address },
      source: 'configured',
      home,
      taskQueue: queue ?? DEFAULT_TASK_QUEUE,
      keySource: keySource(env, home),
      privateNames: privateNames(env),
      uiAddress: own?.address === address ? own.uiAddress : undefined,
    };
  }
  for (const source of ['embedded', 'demo'] as const) {
    const place = source === 'embedded' ? home : demoDirectory(home);
    const record = await readRecord(place, 'server');
    if (record !== undefined && processAlive(record.pid, record.startTime)) {
      const { address, uiAddress } = record;
      return {
        address,
        namespace: namespace ?? record.namespace,
        options: { address },
        source,
        home: place,
        taskQueue: queue ?? record.taskQueue,
        keySource: keySource(env, place),
        privateNames: privateNames(env),
        uiAddress,
      };
    }
  }
  throw new NoServerError(
    `no Temporal server: TEMPORAL_ADDRESS is not set, and none was started in ${home}`,
    'run `heartbead up` to start one, or set TEMPORAL_ADDRESS',
  );
}

/** A connection with what belongs to it. Close it: an open one keeps the process alive. */
export interface TownConnection extends ConnectionSettings {
  client: Client;
  connection: Connection;
  /** Undefined where its payloads are not encrypted. */
  keys: Keys | undefined;
  close(): Promise<void>;
}

/**
 * Connects to the server that is configured (by `@temporalio/envconfig`), or else to the one that `heartbead up`
 * started.
 * @throws NoServerError when there is none, or it does not answer within `connectTimeout`.
 */
export async function connect(options: ConnectOptions = {}): Promise<TownConnection> {
  const settings = await connectionSettings(options);
  const connection = await open(settings, options.connectTimeout ?? defaultDeadline, options.onRequest);
  const keys = settings.keySource === undefined ? undefined : new Keys(settings.keySource);
  const tracer = Tracer.from(options.env ?? process.env, 'heartbead', (what) => process.emitWarning(what));
  const client = new Client({
    connection,
    namespace: settings.namespace,
    dataConverter: sealingConverter(keys),
    interceptors: {
      workflow: [
        ...(tracer === undefined ? [] : [clientSpans(tracer, settings.namespace)]),
        sealGuard({ ...settings, connection, keys }),
      ],
    },
  });
  const close = async (): Promise<void> => {
    await tracer?.flush();
    await connection.close();
  };
  return { ...settings, client, connection, keys, close };
}

async function open(
  settings: ConnectionSettings,
  connectTimeout: number,
  onRequest: (() => void) | undefined,
): Promise<Connection> {
  const { address, tls, apiKey, metadata } = settings.options;
  try {
    return await Connection.connect({
      address,
      connectTimeout,
      tls,
      apiKey,
      metadata,
      interceptors:
        onRequest === undefined
          ? undefined
          : [
              (call, next) => {
                onRequest();
                // The call as it is: the type asks for a class of a package that only the SDK depends on.
                return next(call) as never;
              },
            ],
    });
  } catch (error) {
    const found = settings.source === 'configured' ? await whyNoAnswer(settings.options) : undefined;
    const next =
      settings.source === 'configured'
        ? (found?.next ??
          'check TEMPORAL_ADDRESS and that the server is up; without TEMPORAL_ADDRESS, `heartbead up` starts a ' +
            'server here')
        : `look at the server's log in ${settings.home}, or run \`heartbead up\` again`;
    throw new NoServerError(
      `the Temporal server at ${settings.address} did not answer within ${durationText(connectTimeout)}` +
        (found === undefined ? '' : `: ${found.why}`),
      next,
      { cause: error },
    );
  }
}

function configured(env: NodeJS.ProcessEnv): ReturnType<typeof loadClientConnectConfig> {
  try {
    return loadClientConnectConfig({ overrideEnvVars: definedOnly(env) });
  } catch (error) {
    // Never the error's own text: it may quote the file, and the file may hold an API key. A path may be told.
    const file = fileOf(error);
    if (file !== undefined)
      throw new ConfigurationError(
        `a file that the Temporal configuration names cannot be read: ${file}`,
        'correct the TEMPORAL_…_PATH variable (or the configuration file) that names it',
        { cause: error },
      );
    throw new ConfigurationError(
      'the Temporal configuration (TEMPORAL_… variables or the configuration file) cannot be read',
      'check it with `temporal config list`, or name another file in TEMPORAL_CONFIG_FILE',
      { cause: error },
    );
  }
}

/** @returns the path of a file that could not be read, with what the system says of it. */
function fileOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    const { code, path } = at as NodeJS.ErrnoException;
    if (code !== undefined && path !== undefined) return `${path} (${code})`;
  }
  return undefined;
}

/** @returns whether names are to tell nothing of what beads are about. */
export const privateNames = (env: NodeJS.ProcessEnv): boolean =>
  /^(?:1|true|yes)$/i.test(env['HEARTBEAD_PRIVATE_NAMES'] ?? '');

const definedOnly = (env: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
