/** Words and times as the page shows them. */
import { unseen } from '../../contract/plain-text.js';

/** Controls but for the tab and the end of a line, and what is not seen. */
const invisible = new RegExp(`[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]|${unseen}`, 'gu');

/**
 * @returns a text in which nothing hides: control characters, those that turn the direction of writing, and those that
 * take no room, are named.
 */
export const visible = (text: string): string =>
  text.replace(invisible, (found) => {
    if (found === '\r') return '';
    const code = (found.codePointAt(0) ?? 0).toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
  });

/** @returns `12 s`, `4 min`, `2 h 5 min`, `3 d`. */
export function lasting(ms: number): string {
  const s = Math.max(Math.round(ms / 1_000), 0);
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return `${min} min`;
  const h = Math.floor(min / 60);
  if (h < 48) return min % 60 === 0 || h > 9 ? `${h} h` : `${h} h ${min % 60} min`;
  return `${Math.floor(h / 24)} d`;
}

export const relativeTime = (at: number, now: number): string =>
  at > now + 999 ? `in ${lasting(at - now)}` : now - at < 1_000 ? 'now' : `${lasting(now - at)} ago`;

export const exact = (at: number): string =>
  new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

export const money = (usd: number): string => (usd === 0 ? '' : `$${usd.toFixed(usd < 1 ? 3 : 2)}`);

export function tokens(count: number): string {
  if (count === 0) return '';
  if (count < 1_000) return `${count} tok`;
  if (count < 1_000_000) return `${(count / 1_000).toFixed(count < 10_000 ? 1 : 0)}k tok`;
  return `${(count / 1_000_000).toFixed(1)}M tok`;
}

/** @returns the number of an attempt, by which a person knows it; its id begins with that. */
export const attemptLabel = (id: string): string => id.split('-')[0] ?? id;

/** @returns the search part of an address, of those names that have a value. */
export const searchOf = (values: Record<string, string>): URLSearchParams =>
  new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ''));

export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

export const statusLabels: Record<string, string> = {
  open: 'open',
  in_progress: 'in progress',
  in_review: 'in review',
  blocked: 'blocked',
  closed: 'landed',
  failed: 'failed',
  cancelled: 'cancelled',
  terminated: 'terminated',
};
