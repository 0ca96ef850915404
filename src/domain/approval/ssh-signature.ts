/**
 * Signatures as `ssh-keygen -Y sign` makes them (SSHSIG), by ed25519 keys. Pure and synchronous, so that a workflow can
 * check one: there is no crypto of Node's in its sandbox.
 * @module
 */
import { hashes, verify } from '@noble/ed25519';
import { sha256, sha512 } from '@noble/hashes/sha2.js';

// The library leaves the choice of the hash to its caller.
hashes.sha512 = sha512;

/** What a signature is for, as `ssh-keygen -n` names it: one made for git or for a file is none for Heartbead. */
export const signatureNamespace = 'heartbead';

const algorithm = 'ssh-ed25519';
const magic = new TextEncoder().encode('SSHSIG');
const mostChars = 4_000;
const noSignature = 'it is no signature as `ssh-keygen -Y sign` makes it';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A string of the SSH wire format: its length in four bytes, then itself. */
function wire(bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return joined(length, bytes);
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, at) => byte === b[at]);

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** @returns undefined for what is no base64: the sandbox has no `atob` and no `Buffer`. */
function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined;
  const digits = text.replace(/=+$/, '');
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4));
  let held = 0;
  let bits = 0;
  let at = 0;
  for (const digit of digits) {
    held = ((held << 6) | alphabet.indexOf(digit)) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at] = (held >> bits) & 0xff;
    at += 1;
  }
  return bytes;
}

function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const three = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    for (let digit = 0; digit < 4; digit += 1)
      text += at + digit > bytes.length ? '=' : (alphabet[(three >> (18 - 6 * digit)) & 63] ?? '');
  }
  return text;
}

/** Reads the SSH wire format. Every method gives undefined where the bytes end too early. */
class WireReader {
  #at = 0;
  constructor(private readonly bytes: Uint8Array) {}

  take(length: number): Uint8Array | undefined {
    if (this.#at + length > this.bytes.length) return undefined;
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }

  number(): number | undefined {
    const four = this.take(4);
    return four && new DataView(four.buffer, four.byteOffset, 4).getUint32(0);
  }

  string(): Uint8Array | undefined {
    const length = this.number();
    return length === undefined ? undefined : this.take(length);
  }

  get ended(): boolean {
    return this.#at === this.bytes.length;
  }
}

/** @returns the part of a key or signature that follows the name of its algorithm, or undefined. */
function ed25519Part(blob: Uint8Array | undefined, length: number): Uint8Array | undefined {
  if (blob === undefined) return undefined;
  const reader = new WireReader(blob);
  const name = reader.string();
  const part = reader.string();
  return name !== undefined && equal(name, bytesOf(algorithm)) && part?.length === length && reader.ended
    ? part
    : undefined;
}

/** @returns a public key without its comment, as it is compared, or undefined for what is no ed25519 key of OpenSSH. */
export function plainKey(text: unknown): string | undefined {
  if (typeof text !== 'string' || text.length > mostChars || /[\r\n\0]/.test(text.trim())) return undefined;
  const [name, encoded = ''] = text.trim().split(/\s+/);
  const blob = name === algorithm ? fromBase64(encoded) : undefined;
  return ed25519Part(blob, 32) === undefined ? undefined : `${algorithm} ${encoded}`;
}

/** @returns what is wrong with a public key, or undefined. */
export const keyProblem = (text: unknown): string | undefined =>
  plainKey(text) === undefined
    ? 'an approver is an ed25519 public key in one line, "ssh-ed25519 AAAA… comment", as `ssh-keygen -t ed25519` ' +
      `makes it, not ${JSON.stringify(text)?.slice(0, 80)}`
    : undefined;

/** @returns the name that `ssh-keygen -l` gives a key. */
export function fingerprint(key: string): string {
  const blob = fromBase64(key.split(' ')[1] ?? '') ?? new Uint8Array();
  return `SHA256:${toBase64(sha256(blob)).replace(/=+$/, '')}`;
}

/**
 * @param text what is to be signed.
 * @param signature the armoured signature; unchecked, it may come from anybody.
 * @returns the plain key by which the text is signed, or what is wrong with the signature.
 */
export function signerOf(text: string, signature: unknown): { key: string } | { problem: string } {
  if (typeof signature !== 'string' || signature.length > mostChars) return { problem: noSignature };
  const armoured = /^\s*-----BEGIN SSH SIGNATURE-----([\sA-Za-z0-9+/=]+)-----END SSH SIGNATURE-----\s*$/.exec(
    signature,
  );
  const blob = fromBase64((armoured?.[1] ?? '').replace(/\s/g, ''));
  const reader = new WireReader(blob ?? new Uint8Array());
  const head = reader.take(magic.length);
  const version = reader.number();
  const [keyBlob, space, reserved, hash, signed] = [1, 2, 3, 4, 5].map(() => reader.string());
  // One that cannot be read is none at all: a signature is written in one way.
  if (head === undefined || !equal(head, magic) || version !== 1 || space === undefined || reserved === undefined)
    return { problem: noSignature };
  if (hash === undefined || !reader.ended) return { problem: noSignature };
  const key = ed25519Part(keyBlob, 32);
  const proof = ed25519Part(signed, 64);
  if (key === undefined || proof === undefined || keyBlob === undefined)
    return { problem: 'it is not by an ed25519 key; make one by `ssh-keygen -t ed25519`' };
  if (!equal(space, bytesOf(signatureNamespace)))
    return { problem: `it is not made for Heartbead (\`ssh-keygen -Y sign -n ${signatureNamespace}\`)` };
  if (!equal(hash, bytesOf('sha512')))
    return { problem: 'its hash is not sha512, which `ssh-keygen` takes when nothing is said' };
  const message = joined(magic, wire(space), wire(reserved), wire(hash), wire(sha512(bytesOf(text))));
  return holds(proof, message, key)
    ? { key: `${algorithm} ${toBase64(keyBlob)}` }
    : { problem: 'it signs something else' };
}

/** A key that is no point of the curve makes the library throw: no signature holds by it. */
function holds(proof: Uint8Array, message: Uint8Array, key: Uint8Array): boolean {
  try {
    return verify(proof, message, key, { zip215: false });
  } catch {
    return false;
  }
}
