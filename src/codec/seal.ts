import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';
import { markInstead } from './marked.js';
import { KeysError } from './ring.js';
import { howToGiveKeys } from './keys.js';
import type { Keys } from './keys.js';

/** As in Temporal's own samples, so that their codec servers open our payloads and ours theirs. */
const sealedEncoding = 'binary/encrypted';
const idField = 'encryption-key-id';
const wirePayload = proto.temporal.api.common.v1.Payload;
const ivBytes = 12;
const tagBytes = 16;

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const textOf = (given: Uint8Array | null | undefined): string => Buffer.from(given ?? []).toString();

/** @returns the id of the key that a payload is sealed with; undefined when it is not sealed. */
export function sealedWith({ metadata }: Payload): string | undefined {
  return textOf(metadata?.['encoding']) === sealedEncoding ? textOf(metadata?.[idField]) : undefined;
}

export interface SealOptions {
  /**
   * What becomes of a payload that its key does not open (it was changed, or another key has that id). `keep`: it stays
   * as it is. Workers do that: a signal of garbage is dropped by the workflow then, instead of holding it up for ever.
   */
  unreadable?: 'throw' | 'keep';
}

/**
 * Seals payloads with AES-256-GCM by the current key of a ring, and opens them by the key that they name. Without keys
 * it leaves payloads as they are, and says of a sealed one that the keys are missing.
 */
export class PayloadSeal implements PayloadCodec {
  readonly #keys: Keys | undefined;
  readonly #unreadable: 'throw' | 'keep';

  constructor(keys: Keys | undefined, { unreadable = 'throw' }: SealOptions = {}) {
    this.#keys = keys;
    this.#unreadable = unreadable;
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    if (this.#keys === undefined) return payloads;
    const { current, keys } = await this.#keys.ring();
    const key = current === undefined ? undefined : keys.get(current);
    if (current === undefined || key === undefined) return payloads;
    const metadata = { encoding: bytes(sealedEncoding), [idField]: bytes(current) };
    return payloads.map((payload) => {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv('aes-256-gcm', key, iv);
      const inner = wirePayload.encode(payload).finish();
      const data = Buffer.concat([iv, cipher.update(inner), cipher.final(), cipher.getAuthTag()]);
      return { metadata, data: new Uint8Array(data) };
    });
  }

  async decode(payloads: Payload[]): Promise<Payload[]> {
    // Most towns seal nothing: they are to wait for nothing.
    if (!payloads.some((payload) => sealedWith(payload) !== undefined)) return payloads;
    return Promise.all(payloads.map((payload) => this.#openOrMark(payload)));
  }

  async #openOrMark(payload: Payload): Promise<Payload> {
    try {
      return await this.#open(payload);
    } catch (error) {
      const mark = error instanceof KeysError ? markInstead(sealedWith(payload) ?? '') : undefined;
      if (mark === undefined) throw error;
      return mark;
    }
  }

  async #open(payload: Payload): Promise<Payload> {
    const id = sealedWith(payload);
    if (id === undefined) return payload;
    if (this.#keys === undefined)
      throw new KeysError(
        `the payloads of this town are encrypted (key ${id}), and there are no keys here`,
        howToGiveKeys,
      );
    const key = await this.#keys.key(id);
    const data = payload.data ?? new Uint8Array();
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, data.subarray(0, ivBytes), { authTagLength: tagBytes });
      decipher.setAuthTag(data.subarray(-tagBytes));
      const inner = Buffer.concat([decipher.update(data.subarray(ivBytes, -tagBytes)), decipher.final()]);
      return wirePayload.decode(inner);
    } catch (error) {
      if (this.#unreadable === 'keep') return payload;
      throw new KeysError(
        `a payload that names key ${id} is not opened by the key of that id from ${this.#keys.place}: it was ` +
          'changed, or another key had this id',
        `compare key ${id} with that of the town's other hosts`,
        { cause: error },
      );
    }
  }
}
