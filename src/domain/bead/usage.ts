import { billedTokens, usageSince } from '../../contract/index.js';
import type { BeadState, Usage } from '../../contract/index.js';

const count = (tokens: number): string => Math.round(tokens).toLocaleString('en-US');

/** @returns what was used in a few words, such as `12,300 tokens (9,000 more from the cache), $0.42, 7 turns`. */
export function usageText(usage: Usage): string {
  const parts = [
    `${count(billedTokens(usage))} ` +
      `tokens${usage.cachedTokens > 0 ? ` (${count(usage.cachedTokens)} more from the cache)` : ''}`,
  ];
  if (usage.costUsd > 0) parts.push(`$${usage.costUsd.toFixed(usage.costUsd < 1 ? 4 : 2)}`);
  if (usage.turns > 0) parts.push(`${count(usage.turns)} ${usage.turns === 1 ? 'turn' : 'turns'}`);
  return parts.join(', ');
}

/**
 * @returns why no further attempt may start, or undefined while the budgets for tokens and cost last. An operator's
 * retry lets them count anew.
 */
export function usageProblem({
  budgets,
  usage,
  usageAtRetry,
}: Pick<BeadState, 'budgets' | 'usage' | 'usageAtRetry'>): string | undefined {
  const since = usageSince(usage, usageAtRetry);
  const { maxTokens, maxCostUsd } = budgets;
  const tokens = billedTokens(since);
  if (maxTokens !== undefined && tokens >= maxTokens)
    return `the budget of ${count(maxTokens)} tokens is used up (${count(tokens)} used)`;
  if (maxCostUsd !== undefined && since.costUsd >= maxCostUsd)
    return `the budget of $${maxCostUsd} is used up ($${since.costUsd.toFixed(2)} used)`;
  return undefined;
}
