import { clip } from '../contract/index.js';
import type { AgentEvent } from './types.js';

const units: Readonly<Record<string, number>> = {
  ms: 1,
  millisecond: 1,
  s: 1_000,
  sec: 1_000,
  second: 1_000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
};

/**
 * @returns the wait that a provider's words ask for (`try again in 1.9s`, `in 3 days 4 hours`), or undefined.
 * Milliseconds.
 */
export function waitIn(text: string): number | undefined {
  const asked =
    /(?:try again|retry(?:ing)?|available|resets?)\s*(?:in|after|-after[:=]?)\s*((?:~?\d+(?:\.\d+)?\s*[a-z]+[\s,]*(?:and\s+)?)+)/i.exec(
      text,
    )?.[1];
  if (asked === undefined) return undefined;
  let wait = 0;
  for (const [, number, unit] of asked.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)/gi))
    wait += Number(number) * (units[(unit ?? '').toLowerCase().replace(/(.{2,})s$/, '$1')] ?? 0);
  return wait > 0 ? Math.ceil(wait) : undefined;
}

const authWords =
  /\b(?:401|403)\b|unauthori[sz]ed|unauthenticated|authentication[ _](?:error|failed)|invalid (?:x-)?api[ -_]?key|incorrect api key|invalid auth|api key (?:not valid|is missing|not found)|no api key|not logged in|log ?in again|please run \/login|token (?:has )?expired/i;
const limitWords = /\b(?:429|529)\b|rate.?limit|too many requests|usage limit|quota|resource.?exhausted|overloaded/i;

/** What a program tells of an error of its provider. */
export interface ProviderError {
  text: string;
  /** HTTP status, where the program tells it; outranks the words. */
  status?: number | undefined;
  retryAfterMs?: number | undefined;
}

/**
 * @returns whether a provider refuses for now or for good, or undefined for any other error. Only for what a program
 * says of an error: never for a model's words.
 */
export function refusal({
  text,
  status,
  retryAfterMs,
}: ProviderError): Extract<AgentEvent, { kind: 'rate_limited' | 'auth_failed' }> | undefined {
  const words = clip(text.trim(), 500);
  if (status === 401 || status === 403 || (status === undefined && authWords.test(text) && !limitWords.test(text)))
    return { kind: 'auth_failed', text: words };
  if (status === 429 || status === 529 || (status === undefined && limitWords.test(text))) {
    const wait = retryAfterMs ?? waitIn(text);
    return { kind: 'rate_limited', text: words, ...(wait === undefined ? {} : { retryAfterMs: Math.ceil(wait) }) };
  }
  return undefined;
}
