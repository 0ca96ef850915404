import { createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** The keys of a town's payloads, by their ids. */
export interface KeyRing {
  /** The key that new payloads are sealed with. Absent: nothing is sealed yet, what is sealed is opened. */
  current?: string;
  keys: ReadonlyMap<string, KeyObject>;
}

/**
 * The keys cannot be read, or the one that is wanted is not among them. The message never quotes what was read; `next`
 * is what to do.
 */
export class KeysError extends Error {
  override readonly name = 'KeysError';

  constructor(
    message: string,
    readonly next: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Bytes of a key: AES-256. */
const keyBytes = 32;
const idPattern = /^[A-Za-z0-9._-]{1,64}$/;
const shape = 'it is {"current": "2026-11", "keys": {"2026-11": "<32 bytes as base64>"}} (docs/security.md)';

/**
 * Reads a key ring.
 * @param from where the text came from, for messages.
 * @throws KeysError which quotes nothing of the text.
 */
export function readRing(text: string, from: string): KeyRing {
  const problem = (what: string): KeysError => new KeysError(`the keys from ${from} cannot be used: ${what}`, shape);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own words quote the text.
    throw problem('they are no JSON');
  }
  const { current, keys } = (value ?? {}) as { current?: unknown; keys?: unknown };
  if (typeof keys !== 'object' || keys === null || Array.isArray(keys)) throw problem('`keys` is missing');
  const ring = new Map<string, KeyObject>();
  for (const [id, key] of Object.entries(keys)) {
    if (!idPattern.test(id)) throw problem('an id has other characters than letters, digits, `.`, `_` and `-`');
    const bytes = typeof key === 'string' ? Buffer.from(key, 'base64') : Buffer.alloc(0);
    if (bytes.length !== keyBytes) throw problem(`key ${id} has not ${keyBytes} bytes`);
    ring.set(id, createSecretKey(bytes));
  }
  if (ring.size === 0) throw problem('there is none');
  if (current === undefined || current === null) return { keys: ring };
  if (typeof current !== 'string' || !ring.has(current)) throw problem('`current` names none of them');
  return { current, keys: ring };
}
