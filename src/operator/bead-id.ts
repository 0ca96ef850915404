import { randomInt } from 'node:crypto';
import { limits } from '../contract/index.js';

const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789'; // no l, o, 0, 1: ids are read aloud and typed

const randomMark = (length = 4): string => Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');

/** @returns an id that tells nothing of its bead: ids stand in plain text wherever a workflow is named. */
export const silentBeadId = (random = randomMark): string => `bead-${random(10)}`;

/** @returns an id made of a title: its words, and four random characters, since titles repeat. */
export function beadIdOf(title: string, random = randomMark): string {
  const words = title
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    // Short enough to be typed; the title itself stands beside it everywhere.
    .slice(0, Math.min(40, limits.beadIdChars - 5))
    .replace(/^-+|-+$/g, '');
  return `${words === '' ? 'bead' : words}-${random()}`;
}
