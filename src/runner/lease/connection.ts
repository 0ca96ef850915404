import { Client, Connection } from '@temporalio/client';
import type { TLSConfig } from '@temporalio/client';
import { isDeepStrictEqual } from 'node:util';
import { Keys, sealingConverter } from '../../codec/index.js';
import type { KeySource } from '../../codec/index.js';
import type { RunnerConnection } from '../types.js';

/** The part of `@temporalio/envconfig`'s connection options that a runner can use. */
export interface ConnectionSource {
  address?: string;
  namespace: string;
  tls?: TLSConfig | boolean | null;
  apiKey?: string | (() => string);
  metadata?: Record<string, unknown>;
  keySource?: KeySource | undefined;
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const bytes = (text: string): Buffer => Buffer.from(text, 'base64');

type TlsRecord = Exclude<RunnerConnection['tls'], boolean | undefined>;

function tlsRecord({ serverNameOverride, serverRootCACertificate: root, clientCertPair: pair }: TLSConfig): TlsRecord {
  const record: TlsRecord = {};
  if (serverNameOverride !== undefined) record.serverNameOverride = serverNameOverride;
  if (root) record.serverRootCACertificate = base64(root);
  if (pair) record.clientCertPair = { crt: base64(pair.crt), key: base64(pair.key) };
  return record;
}

const tlsOptions = ({
  serverNameOverride,
  serverRootCACertificate: root,
  clientCertPair: pair,
}: TlsRecord): TLSConfig => ({
  serverNameOverride,
  serverRootCACertificate: root === undefined ? undefined : bytes(root),
  clientCertPair: pair && { crt: bytes(pair.crt), key: bytes(pair.key) },
});

/**
 * @returns what goes into `connection.json`, so that the runner reaches the same server as the worker. It is compared
 * with what is read from there, so what is not given is no key of it.
 */
export function connectionRecord({
  address,
  namespace,
  tls,
  apiKey,
  metadata,
  keySource,
}: ConnectionSource): RunnerConnection {
  const texts = Object.entries(metadata ?? {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  const record: RunnerConnection = { address: address ?? '127.0.0.1:7233', namespace };
  if (apiKey !== undefined) record.apiKey = typeof apiKey === 'function' ? apiKey() : apiKey;
  if (keySource !== undefined) record.keySource = keySource;
  if (texts.length > 0) record.metadata = Object.fromEntries(texts);
  if (tls !== undefined && tls !== null) record.tls = typeof tls === 'boolean' ? tls : tlsRecord(tls);
  return record;
}

/** What a runner asks of the server: the SDK's client on a host. */
export interface LineClient {
  readonly activity: {
    heartbeat(token: Uint8Array, details: unknown): Promise<void>;
    complete(token: Uint8Array, result: unknown): Promise<void>;
    reportCancellation(token: Uint8Array, details: unknown): Promise<void>;
  };
  readonly workflow: {
    getHandle(workflowId: string): {
      signal(name: string, payload: unknown): Promise<void>;
      query<T>(name: string): Promise<T>;
    };
  };
  /** @param deadline by the system's clock: it goes over the network. */
  withDeadline<T>(deadline: number, call: () => Promise<T>): Promise<T>;
}

/** A connection to the server that a runner uses or has used. */
export interface RunnerLine {
  /** By what it was made; two equal ones are one and the same way to the server. */
  readonly record: RunnerConnection;
  readonly client: LineClient;
  close(): Promise<void>;
}

/** @returns whether both lead to the same server with the same key. */
export const sameConnection = (one: RunnerConnection, other: RunnerConnection): boolean =>
  isDeepStrictEqual(one, other);

/**
 * Connects lazily: a runner must be able to start, and to live on, while its server is away.
 * @param identity shown in the Web UI.
 * @param onTrouble hears why keys that were there before cannot be read again.
 */
export function connectRunner(
  record: RunnerConnection,
  identity: string,
  onTrouble?: (error: Error) => void,
): RunnerLine & { reach(): Promise<void> } {
  const { tls } = record;
  const connection = Connection.lazy({
    address: record.address,
    apiKey: record.apiKey,
    metadata: record.metadata,
    tls: typeof tls === 'object' ? tlsOptions(tls) : tls,
    // gRPC's own back-off grows to two minutes: after an outage that alone could outlast a heartbeat timeout.
    channelArgs: { 'grpc.initial_reconnect_backoff_ms': 250, 'grpc.max_reconnect_backoff_ms': 2_000 },
  });
  const keys = record.keySource === undefined ? undefined : new Keys(record.keySource, { onTrouble });
  return {
    record,
    client: new Client({
      connection,
      namespace: record.namespace,
      identity,
      dataConverter: sealingConverter(keys),
    }),
    // Resolves when the server has answered; rejects when it has not within ten seconds.
    reach: () => connection.ensureConnected(),
    close: () => connection.close(),
  };
}
