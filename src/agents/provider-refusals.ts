import { clip } from '../contract/index.js';
import { resetInstant } from './reset-instant.js';
import type { ProviderRefusal } from './types.js';

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

/**
 * @param now milliseconds since the epoch.
 * @returns how long to wait by a provider's words: a wait, or an instant at which a limit ends. Milliseconds.
 */
export function waitUntil(text: string, now: number): number | undefined {
  const instant = resetInstant(text, now);
  return waitIn(text) ?? (instant === undefined ? undefined : Math.max(0, instant - now));
}

const authWords =
  /\b(?:401|403)\b|unauthori[sz]ed|unauthenticated|authentication[ _](?:error|failed)|invalid (?:x-)?api[ -_]?key|incorrect api key|invalid auth|api key (?:not valid|is missing|not found)|missing api key|no api key|not logged in|log ?in again|please run \/login|(?:token|session|credentials?|login) (?:has |have )?expired/i;
const limitWords =
  /\b(?:429|529)\b|rate.?limit|too many requests|(?:usage|session|weekly|daily|hourly|monthly|\d+.?hour) limit|hit your limit|limit (?:was )?reached|quota|resource.?exhausted|overloaded|at capacity/i;
const creditWords =
  /\b402\b|credit balance (?:is )?too low|insufficient[ _](?:credits?|quota|funds|balance)|out of credits?|billing (?:hard )?limit|check your plan and billing|payment required|spend(?:ing)? limit/i;

/** What a program tells of an error of its provider. */
export interface ProviderError {
  text: string;
  /** HTTP status, where the program tells it; outranks the words. */
  status?: number | undefined;
  /** The wait that the program tells by itself, in milliseconds; outranks the words. */
  retryAfterMs?: number | undefined;
  /** Milliseconds since the epoch; for tests. */
  now?: number;
}

/**
 * @returns what a provider refuses: for now (with the wait until the limit ends, where it is told), since there is no
 * login, or no credit; or undefined for any other error. Only for what a program says of an error: never for
 * a model's words.
 */
export function providerRefusal({
  text,
  status,
  retryAfterMs,
  now = Date.now(),
}: ProviderError): ProviderRefusal | undefined {
  const words = clip(text.trim(), 500);
  // OpenAI and others answer 429 where the credit is used up, too: the words decide there, since no wait would help.
  if (
    status === 402 ||
    ((status === undefined || status === 429 || status === 403 || status === 400) && creditWords.test(text))
  )
    return { kind: 'out_of_credit', text: words };
  if (status === 401 || status === 403 || (status === undefined && authWords.test(text) && !limitWords.test(text)))
    return { kind: 'auth_failed', text: words };
  if (status === 429 || status === 529 || (status === undefined && limitWords.test(text))) {
    const wait = retryAfterMs ?? waitUntil(text, now);
    return { kind: 'rate_limited', text: words, retryAfterMs: wait === undefined ? undefined : Math.ceil(wait) };
  }
  return undefined;
}
