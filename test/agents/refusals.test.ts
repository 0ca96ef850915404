import { describe, expect, test } from 'vitest';
import { generous, told, until } from '../process/support/town.js';
import { agentNames } from './support/programs.js';
import { attemptOf, diligent } from './support/scripts.js';
import { stage } from './support/stage.js';

/** Short enough for a test, long enough for the slowest program to begin. */
const impatient = { firstProgressWithin: 20_000, stalledAfter: 6_000 };

describe.each(agentNames)('%s, refused by its provider', { timeout: 3 * generous }, (name) => {
  test('429: the attempt is over as rate-limited, uses up nothing, and the next one does the work', async (context) => {
    const { town, llm, sling } = await stage(name, context);
    llm.play((situation) => (attemptOf(situation) === 1 ? { status: 429, retryAfter: 2 } : diligent(situation)));
    const bead = await sling({}, impatient);
    const limited = await town.seen(bead, 'is rate-limited', ({ attempts }) => attempts.length > 0);
    expect(limited.attempts[0], told(limited)).toMatchObject({ outcome: 'rate_limited', countedAs: 'nothing' });
    expect(limited.used).toMatchObject({ agentFailures: 0, infraLosses: 0 });
    // Not every program hands on how long to wait; then it is a minute, which a person may cut short.
    if (limited.wait?.for === 'backoff' && limited.wait.until - limited.now > 10_000) await town.beads.retry(bead);
    const closed = await town.closed(bead);
    expect(
      closed.attempts.map(({ outcome }) => outcome),
      told(closed),
    ).toEqual(['rate_limited', 'done']);
  });

  test('429 for a moment only: the program waits by itself, and nobody hears of it', async (context) => {
    const { town, llm, sling } = await stage(name, context);
    llm.play((situation) =>
      situation.step === 1 && situation.tries === 1 ? { status: 429, retryAfter: 1 } : diligent(situation),
    );
    const bead = await sling();
    const closed = await town.closed(bead);
    expect(
      closed.attempts.map(({ outcome }) => outcome),
      told(closed),
    ).toEqual(['done']);
  });

  test('401: the attempt ends at once, and the login is tried again in a minute', async (context) => {
    const { town, llm, sling } = await stage(name, context);
    llm.play(() => ({ status: 401 }));
    const bead = await sling();
    const waiting = await town.seen(bead, 'has tried once', ({ attempts, current }) => attempts.length > 0 && !current);
    expect(
      waiting.attempts.map(({ outcome, countedAs }) => [outcome, countedAs]),
      told(waiting),
    ).toEqual([['auth_failed', 'nothing']]);
    expect(waiting.reason).toMatch(/log(?:ged)? ?in|login/);
    const attempt = waiting.attempts[0]?.id ?? '';
    await until('nothing of it is left', () => Promise.resolve(town.processesOf(attempt).length === 0));
  });

  test('no answer at all: tries in silence are no progress, and the attempt ends', async (context) => {
    const { town, llm, sling } = await stage(name, context);
    await llm.stop();
    const bead = await sling(
      { budgets: { agentFailures: 1 } },
      { firstProgressWithin: 10_000, stalledAfter: 10_000, stopSilentAfter: 15_000 },
    );
    const blocked = await town.seen(bead, 'is blocked', ({ status }) => status === 'blocked');
    // Some programs give up by themselves before.
    expect(['stalled', 'agent_failed'], told(blocked)).toContain(blocked.attempts[0]?.outcome);
    expect(blocked.attempts[0]?.countedAs).toBe('agent');
    expect(town.processesOf(blocked.attempts[0]?.id ?? '')).toEqual([]);
  });
});
