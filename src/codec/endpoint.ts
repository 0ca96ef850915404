import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Payload, PayloadCodec } from '@temporalio/common';
import writeFileAtomic from 'write-file-atomic';
import { isMissing } from '../edge/errors.js';
import { sameSecret } from '../edge/same-secret.js';
import { KeysError } from './ring.js';

export interface CodecEndpointOptions {
  codec: PayloadCodec;
  /** Whoever has it may have every payload opened. */
  token: string;
  /** Origins of pages that may ask: that of the Web UI. */
  origins: readonly string[];
}

/** What of a request is looked at. `path` begins behind the place where the endpoint is mounted. */
export interface CodecRequest {
  method: string;
  path: string;
  header: (name: string) => string | undefined;
  /** Reads the body. @throws Error when it is longer. */
  body: (most: number) => Promise<string>;
}

export interface CodecAnswer {
  status: 200 | 204 | 400 | 401 | 403 | 404 | 405 | 413;
  headers: Record<string, string>;
  body: string;
}

interface WirePayload {
  metadata?: Record<string, string>;
  data?: string;
}

/** The largest page of a history that the server hands out is smaller. */
const bodyBytes = 32 * 1024 * 1024;

/**
 * @returns what answers `POST /encode` and `POST /decode` as Temporal's Web UI and command line ask it, with the token
 * as `Authorization: Bearer TOKEN`, or as the first part of the path for a page that can send none.
 */
export function codecEndpoint({
  codec,
  token,
  origins,
}: CodecEndpointOptions): (request: CodecRequest) => Promise<CodecAnswer> {
  const known = new Set(origins.map((origin) => origin.toLowerCase().replace(/\/$/, '')));
  return async ({ method, path, header, body }) => {
    const origin = header('origin')?.toLowerCase();
    const cors: Record<string, string> =
      origin === undefined
        ? {}
        : {
            'access-control-allow-origin': origin,
            'access-control-allow-methods': 'POST',
            'access-control-allow-headers': 'content-type, authorization, x-namespace, caller-type',
            'access-control-allow-credentials': 'true',
            vary: 'origin',
          };
    const said = (status: CodecAnswer['status'], text: string): CodecAnswer => ({
      status,
      headers: { ...cors, 'content-type': 'text/plain; charset=utf-8' },
      body: text,
    });
    // Without the headers a browser shows the page nothing of this.
    if (origin !== undefined && !known.has(origin))
      return {
        status: 403,
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: `pages of ${JSON.stringify(origin)} may not ask here: name it in HEARTBEAD_CODEC_ORIGINS\n`,
      };
    const [, inPath, verb] = /^(?:\/([^/]+))?\/(encode|decode)$/.exec(path) ?? [];
    if (verb === undefined) return said(404, 'this answers POST /encode and POST /decode\n');
    if (method === 'OPTIONS') return { status: 204, headers: cors, body: '' };
    if (method !== 'POST') return said(405, 'this answers POST only\n');
    const given = inPath ?? /^Bearer (.+)$/i.exec(header('authorization') ?? '')?.[1];
    if (given === undefined || !sameSecret(given, token))
      return said(401, 'the token is missing or wrong: it stands in codec-token of the state directory\n');
    let payloads: Payload[];
    try {
      payloads = payloadsOf(await body(bodyBytes));
    } catch (error) {
      if (error instanceof SyntaxError) return said(400, `${error.message}\n`);
      if (error instanceof RangeError) return said(413, `${error.message}\n`);
      throw error;
    }
    const done =
      verb === 'encode'
        ? await codec.encode(payloads)
        : await Promise.all(payloads.map((payload) => openedOrSealed(codec, payload)));
    return {
      status: 200,
      headers: { ...cors, 'content-type': 'application/json', 'cache-control': 'no-store' },
      body: JSON.stringify({ payloads: done.map(wire) }),
    };
  };
}

/** One payload whose key is missing stays as it is; the others of its page are shown all the same. */
async function openedOrSealed(codec: PayloadCodec, payload: Payload): Promise<Payload> {
  try {
    return (await codec.decode([payload]))[0] ?? payload;
  } catch (error) {
    if (error instanceof KeysError) return payload;
    throw error;
  }
}

/** @throws SyntaxError when the text is no list of payloads. */
function payloadsOf(text: string): Payload[] {
  let value: { payloads?: unknown } | null;
  try {
    value = JSON.parse(text) as { payloads?: unknown } | null;
  } catch {
    throw new SyntaxError('the body is not JSON');
  }
  if (!Array.isArray(value?.payloads)) throw new SyntaxError('the body has no `payloads`');
  return (value.payloads as unknown[]).map((one) => {
    const { metadata = {}, data = '' } = (one ?? {}) as WirePayload;
    return {
      metadata: Object.fromEntries(Object.entries(metadata).map(([name, text64]) => [name, bytesOf(text64)])),
      data: bytesOf(data),
    };
  });
}

const bytesOf = (base64: unknown): Uint8Array => {
  if (typeof base64 !== 'string') throw new SyntaxError('a payload is not as the Temporal API writes it');
  return new Uint8Array(Buffer.from(base64, 'base64'));
};

const base64 = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString('base64');
const wire = ({ metadata, data }: Payload): WirePayload => ({
  metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, bytes]) => [name, base64(bytes)])),
  data: base64(data),
});

/**
 * @returns the token of a state directory's codec endpoint, made when there is none: it stays, since it is typed into
 * the settings of a page.
 */
export async function codecToken(home: string): Promise<string> {
  const file = join(home, 'codec-token');
  try {
    const kept = (await readFile(file, 'utf8')).trim();
    if (kept !== '') return kept;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  const token = randomBytes(24).toString('base64url');
  await writeFileAtomic(file, `${token}\n`, { mode: 0o600 });
  return token;
}

/** @returns the origins of pages that may ask: the Web UI of the town, and what the variable names. */
export function codecOrigins(env: NodeJS.ProcessEnv, uiAddress: string | undefined): string[] {
  const named = (env['HEARTBEAD_CODEC_ORIGINS'] ?? '').split(',').map((one) => one.trim());
  const local = uiAddress === undefined ? [] : [uiAddress, uiAddress.replace('127.0.0.1', 'localhost')];
  return [...local, ...named].filter((one) => one !== '').map((one) => new URL(one).origin);
}
