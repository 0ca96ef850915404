import type { Usage } from './types.js';

export const noUsage: Usage = { inputTokens: 0, outputTokens: 0, cachedTokens: 0, costUsd: 0, turns: 0 };

const fields = Object.keys(noUsage) as (keyof Usage)[];

/** @returns field by field what `of` makes of both; no field ever falls below zero. */
const combine = (a: Usage | undefined, b: Partial<Usage> | undefined, of: (a: number, b: number) => number): Usage => {
  const both = { ...noUsage };
  for (const field of fields) both[field] = Math.max(0, of(a?.[field] ?? 0, b?.[field] ?? 0));
  return both;
};

/** @returns both together. */
export const addUsage = (a: Usage | undefined, b: Partial<Usage> | undefined): Usage => combine(a, b, (x, y) => x + y);

/** @returns what has been used since `b`. */
export const usageSince = (a: Usage | undefined, b: Usage | undefined): Usage => combine(a, b, (x, y) => x - y);

/**
 * @returns tokens that count for a budget: read from no cache, or written. Cached ones cost a fraction, and every turn
 * reads all of them again.
 */
export const billedTokens = (usage: Usage): number =>
  Math.max(0, usage.inputTokens - usage.cachedTokens) + usage.outputTokens;

/**
 * Reads usage that came from elsewhere, without trusting it. @returns undefined when there is nothing to read, or all
 * of it is zero.
 */
export function readUsage(value: unknown): Usage | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const given = value as Record<string, unknown>;
  const usage = { ...noUsage };
  for (const field of fields) {
    const number = given[field];
    if (typeof number === 'number' && Number.isFinite(number) && number > 0) usage[field] = number;
  }
  return fields.some((field) => usage[field] > 0) ? usage : undefined;
}
