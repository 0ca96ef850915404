import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Recorded histories: a folder per recording, a file per run, and the checksums of all. Files are added and never
 * edited.
 */
export const folder = fileURLToPath(new URL('histories/', import.meta.url));
const checksumFile = join(folder, 'checksums.txt');

/** @returns paths below `folder`, sorted. */
export const recorded = (): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .sort();

/** @returns the exported history of a recorded file. */
export const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'));

export const checksum = (name: string): string =>
  createHash('sha256')
    .update(readFileSync(join(folder, name)))
    .digest('hex');

/** @returns checksum by file name, as it was when it was recorded. */
export function checksums(): Map<string, string> {
  const lines = existsSync(checksumFile) ? readFileSync(checksumFile, 'utf8').split('\n').filter(Boolean) : [];
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]));
}

/** A new folder for one recording: by date, and a number when there is one of that day. */
export function newRecording(day: string): string {
  for (let number = 1; ; number++) {
    const name = number === 1 ? day : `${day}.${number}`;
    if (existsSync(join(folder, name))) continue;
    mkdirSync(join(folder, name), { recursive: true });
    return name;
  }
}

/** Adds one file and its checksum. */
export function add(name: string, history: unknown): void {
  writeFileSync(join(folder, name), `${JSON.stringify(anonymous(history))}\n`, { flag: 'wx' });
  writeFileSync(checksumFile, `${checksum(name)}  ${name}\n`, { flag: 'a' });
}

/**
 * Replay does not look at who did a thing, nor at the places of a stack trace; both would name the machine of the
 * recording.
 */
function anonymous(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(anonymous);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === 'identity' ? 'recorded' : key === 'stackTrace' ? '' : anonymous(inner),
    ]),
  );
}
