import { describe, expect, test } from 'vitest';
import { resetInstant } from '../../../src/agents/reset-instant.js';
import { providerRefusal } from '../../../src/agents/provider-refusals.js';

/** A Saturday, 12:00 in UTC: 13:00 in Paris, 04:00 in Los Angeles. */
const now = Date.UTC(2026, 10, 28, 12, 0, 0);
const inHours = (hours: number): number => now + hours * 3_600_000;

describe('the instant at which a limit ends', () => {
  test.each([
    ["You've hit your session limit · resets 3pm (Europe/Paris)", inHours(2)],
    ["You've hit your session limit · resets 1:30am (Europe/Paris)", inHours(12.5)],
    ['Claude usage limit reached. Your limit will reset at 7pm (America/Los_Angeles).', inHours(15)],
    ['5-hour limit reached ∙ resets 11am (UTC)', inHours(23)],
    ["You've hit your weekly limit · resets Dec 1 at 9am (UTC)", Date.UTC(2026, 11, 1, 9)],
    ['Opus weekly limit reached ∙ resets Dec 3, 5:15pm (Europe/London)', Date.UTC(2026, 11, 3, 17, 15)],
    ['limit reached · resets Jan 2 at 9am (UTC)', Date.UTC(2027, 0, 2, 9)],
    ['limit reached · resets Mon 9:00am (UTC)', Date.UTC(2026, 10, 30, 9)],
    ['limit reached · resets Sat 9:00am (UTC)', Date.UTC(2026, 11, 5, 9)],
    ["You've hit your usage limit. Try again at Nov 30th, 2026 9:15 PM UTC.", Date.UTC(2026, 10, 30, 21, 15)],
    ['Claude AI usage limit reached|1795362074', 1_795_362_074_000],
    ['quota resets at 2026-11-29T03:04:05Z', Date.UTC(2026, 10, 29, 3, 4, 5)],
    ['available again at 15:45 (UTC)', Date.UTC(2026, 10, 28, 15, 45)],
  ])('%s', (text, expected) => {
    expect(resetInstant(text, now)).toBe(expected);
  });

  test.each(['the cache resets at every start', 'resets 3pm (Mars/Base)', 'try again later', 'reset at noon'])(
    '%s: no instant',
    (text) => {
      expect(resetInstant(text, now)).toBeUndefined();
    },
  );

  test('a time without a zone is the host’s', () => {
    const local = new Date(now);
    local.setHours(23, 30, 0, 0);
    expect(resetInstant('resets 11:30pm', now)).toBe(
      local.getTime() > now ? local.getTime() : local.getTime() + 86_400_000,
    );
  });
});

describe('what a provider refuses, in its own words', () => {
  test.each([
    [
      "You've hit your session limit · resets 4pm (UTC)",
      undefined,
      { kind: 'rate_limited', retryAfterMs: 4 * 3_600_000 },
    ],
    [
      "You've hit your limit · resets 10:30pm (UTC)",
      undefined,
      { kind: 'rate_limited', retryAfterMs: 10.5 * 3_600_000 },
    ],
    [
      "You've hit your usage limit. Upgrade to Pro or try again in 3 days 4 hours 5 minutes.",
      undefined,
      { kind: 'rate_limited', retryAfterMs: (76 * 60 + 5) * 60_000 },
    ],
    [
      'You have exhausted your daily quota on this model; quota will reset after 14h23m5s',
      undefined,
      { kind: 'rate_limited', retryAfterMs: 51_785_000 },
    ],
    [
      'Rate limit reached for gpt-5.2. Please try again in 1.898s.',
      undefined,
      { kind: 'rate_limited', retryAfterMs: 1_898 },
    ],
    [
      'API Error: 529 {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
      undefined,
      { kind: 'rate_limited' },
    ],
    ['Resource has been exhausted (e.g. check quota).', 429, { kind: 'rate_limited' }],
    ['Selected model is at capacity. Please try a different model.', undefined, { kind: 'rate_limited' }],
    ['Credit balance is too low', undefined, { kind: 'out_of_credit' }],
    ['You exceeded your current quota, please check your plan and billing details.', 429, { kind: 'out_of_credit' }],
    ['Insufficient credits. Add more using your account page.', 402, { kind: 'out_of_credit' }],
    ['This request requires more credits', 402, { kind: 'out_of_credit' }],
    ['OAuth token has expired. Please obtain a new token.', undefined, { kind: 'auth_failed' }],
    ['Invalid API key · Please run /login', 401, { kind: 'auth_failed' }],
    ['Missing API key for OpenAI-compatible auth', undefined, { kind: 'auth_failed' }],
  ])('%s (%s)', (text, status, expected) => {
    expect(providerRefusal({ text, status, now })).toMatchObject({ text, ...expected });
  });

  test.each(['Prompt is too long', 'fetch failed: ECONNREFUSED', 'the context window is exceeded', 'tests failed'])(
    '%s: any other error',
    (text) => {
      expect(providerRefusal({ text, now })).toBeUndefined();
    },
  );
});
