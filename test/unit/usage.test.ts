import { describe, expect, test } from 'vitest';
import { addUsage, billedTokens, noUsage, readUsage } from '../../src/contract/index.js';
import type { AttemptResult, BeadInput, BeadState, Budgets } from '../../src/contract/index.js';
import { budgetsProblem, explain, initialBead, mergeBudgets, stepBead, usageText } from '../../src/domain/index.js';

const now = 1_000_000;
const used = (inputTokens: number, more: object = {}) => ({ ...noUsage, inputTokens, turns: 1, ...more });

/** A bead whose attempts end as told, one after the other. */
function bead(budgets: Partial<Budgets>, ...ends: Partial<AttemptResult>[]): BeadState {
  const input: BeadInput = { bead: 'b', title: 'A bead', repo: '/r', agent: { adapter: 'codex' }, budgets };
  return ends.reduce((state, end) => attempt(state, end), initialBead(input, now));
}

function attempt(state: BeadState, end: Partial<AttemptResult>): BeadState {
  const id = `${state.attemptCount + 1}-aaaaaaaa`;
  const dispatched = stepBead(state, { type: 'dispatched', attempt: id }, now);
  return stepBead(
    dispatched,
    { type: 'ended', result: { attempt: id, outcome: 'rate_limited', reason: 'slow down', host: 'h1', ...end } },
    now,
  );
}

describe('what a bead has used', () => {
  test('is kept for each attempt and added up for the bead, lost and limited ones included', () => {
    const state = bead(
      {},
      { usage: used(100, { costUsd: 0.5 }) },
      { outcome: 'lost', usage: used(50, { cachedTokens: 20 }) },
      { outcome: 'unreported' },
    );
    expect(state.attempts.map(({ usage }) => usage?.inputTokens)).toEqual([100, 50, undefined]);
    expect(state.usage).toEqual({ inputTokens: 150, outputTokens: 0, cachedTokens: 20, costUsd: 0.5, turns: 2 });
    expect(explain(state, now).join('\n')).toContain('130 tokens (20 more from the cache), $0.5000, 2 turns');
  });

  test('is not believed when it is no number', () => {
    expect(readUsage({ inputTokens: 'many', outputTokens: -3, costUsd: Number.NaN })).toBeUndefined();
    expect(readUsage({ inputTokens: 5, turns: Infinity })).toEqual({ ...noUsage, inputTokens: 5 });
    expect(readUsage('x')).toBeUndefined();
  });

  test('counts for a budget without what came from a cache', () => {
    expect(billedTokens(addUsage(used(1_000, { cachedTokens: 900, outputTokens: 7 }), { inputTokens: 3 }))).toBe(110);
    expect(usageText(used(1_000, { cachedTokens: 900 }))).toBe('100 tokens (900 more from the cache), 1 turn');
  });
});

describe('a budget', () => {
  test('for tokens stops before the next attempt, and says so', () => {
    const state = bead({ maxTokens: 150 }, { usage: used(100) });
    expect(state.status).toBe('open');
    const over = attempt(state, { usage: used(60) });
    expect(over.status).toBe('blocked');
    expect(over.reason).toContain('the budget of 150 tokens is used up (160 used)');
    expect(over.wait).toMatchObject({ for: 'person', fix: expect.stringContaining('retry') as string });
  });

  test('for costs likewise', () => {
    expect(bead({ maxCostUsd: 1 }, { usage: used(1, { costUsd: 0.99 }) }).status).toBe('open');
    expect(bead({ maxCostUsd: 1 }, { usage: used(1, { costUsd: 1.2 }) }).reason).toContain(
      'the budget of $1 is used up ($1.20 used)',
    );
  });

  test('does not keep finished work from its review', () => {
    expect(
      bead(
        { maxTokens: 1 },
        { outcome: 'done', branch: 'heartbead/b/1-aaaaaaaa', sha: 'a'.repeat(40), usage: used(100) },
      ).status,
    ).toBe('in_review');
  });

  test("counts anew after an operator's retry, while the totals stay", () => {
    const blocked = bead({ maxTokens: 150 }, { usage: used(200) });
    const retried = stepBead(blocked, { type: 'retry', now: false }, now);
    expect(retried.status).toBe('open');
    const again = attempt(retried, { usage: used(100) });
    expect([again.status, again.usage?.inputTokens]).toEqual(['open', 300]);
    expect(attempt(again, { usage: used(60) }).status).toBe('blocked');
  });

  test.each([
    [{ maxTokens: 0 }, /maxTokens must be a positive number/],
    [{ maxCostUsd: Number.NaN }, /maxCostUsd/],
    [{ dollars: 3 }, /no budget named dollars.*maxTokens, maxCostUsd/],
  ])('of %j is refused', (budgets, problem) => {
    expect(budgetsProblem(mergeBudgets(budgets as Partial<Budgets>))).toMatch(problem);
  });
  test('of half a dollar or a million tokens is fine', () => {
    expect(budgetsProblem(mergeBudgets({ maxCostUsd: 0.5, maxTokens: 1e6 }))).toBeUndefined();
  });
});

describe('the conversation of an attempt', () => {
  test('is kept with its host and program, so that the next one may take it up', () => {
    expect(bead({}, { session: 'thread-1' }).session).toEqual({
      id: 'thread-1',
      adapter: 'codex',
      attempt: '1-aaaaaaaa',
      host: 'h1',
    });
  });
  test('is asked for again after a loss, but not once the agent has failed in it before it did anything', () => {
    const lost = bead({}, { session: 'thread-1' }, { outcome: 'lost' });
    expect(lost.session?.id).toBe('thread-1');
    const failed = attempt(lost, { outcome: 'agent_failed', reason: 'No saved session found with ID thread-1' });
    expect(failed.session).toBeUndefined();
  });
});
