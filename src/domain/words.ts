import type { AttemptCell } from '../contract/index.js';
import { plainLine } from '../contract/index.js';

/** @returns a duration in plain words, rounded to what a person needs: `under 1 s`, `45 s`, `12 min`, `3 h 20 min`. */
export function durationText(ms: number): string {
  const s = Math.round(Math.max(ms, 0) / 1_000);
  if (s < 120) return ms < 1_000 && ms > 0 ? 'under 1 s' : `${s} s`;
  const m = Math.round(s / 60);
  if (m < 120) return `${m} min`;
  const h = Math.floor(m / 60);
  if (h < 48) return m % 60 === 0 ? `${h} h` : `${h} h ${m % 60} min`;
  const d = Math.floor(h / 24);
  return h % 24 === 0 ? `${d} d` : `${d} d ${h % 24} h`;
}

/** A commit as people read it, the same wherever it is shown: 12 characters are one commit in any repository. */
export const shortSha = (sha: string): string => sha.slice(0, 12);

/** @returns `1 bead`, `2 beads`: a count with its noun, which takes an s. */
export const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

/** @returns `a, b and 3 more`: the first few of many names. */
export const firstOf = (names: readonly string[], few: number): string =>
  `${names.slice(0, few).join(', ')}${names.length > few ? ` and ${names.length - few} more` : ''}`;

/** @returns the length of a text in UTF-8; plain code, since the workflow counts too. */
export function utf8Bytes(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

/** @returns `4 min ago`, `in 20 s`, `now`. */
export function relative(at: number, now: number): string {
  if (Math.abs(at - now) < 1_000) return 'now';
  return at > now ? `in ${durationText(at - now)}` : `${durationText(now - at)} ago`;
}

/**
 * @returns the text as it may stand on one line of a terminal: see `plainLine`; cut to `max`
 * characters.
 */
export function oneLine(text: string, max = 200): string {
  const clean = plainLine(text);
  return clean.length <= max ? clean : `${clean.slice(0, max - 1)}…`;
}

/** What an agent runs in on its host. */
export const cellWords: Record<AttemptCell, string> = {
  sandbox: 'in a sandbox',
  none: 'without a sandbox',
  command: "behind its host's own command",
};
