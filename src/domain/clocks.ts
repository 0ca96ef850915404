import { readClocks } from '../contract/index.js';
import type { Budgets, Clocks } from '../contract/index.js';

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

/** The defaults, each with its reason. */
export const defaultClocks: Clocks = {
  // Each beat is a billable action on Temporal Cloud: 90 an hour. A beat that did not get through is repeated after
  // 10 s, so that a network hiccup of a minute costs nothing.
  beatEvery: 40 * second,
  heartbeatTimeout: 90 * second,
  // About four history events a signal: 103 an hour. Two fit into `stalledAfter` with 20 s to spare, so every second
  // one moves its timer: 26 more.
  signalEvery: 140 * second,
  // Agents read a large repository, or wait for a model, before they say anything.
  firstProgressWithin: 10 * minute,
  stalledAfter: 5 * minute,
  // Long builds and test suites are silent; a wrong verdict costs more than a late one.
  stopSilentAfter: 30 * minute,
  // A restarted worker polls its host queue within seconds; two minutes are a slow boot.
  adoptWithin: 2 * minute,
  leaseFor: 10 * minute,
  giveUpAfter: 11 * minute,
  maxRuntime: 8 * hour,
  checkpointEvery: 5 * minute,
  stopGrace: 20 * second,
};

export const defaultBudgets: Budgets = { agentFailures: 5, infraLosses: 10, reworkRounds: 3 };

/** Budgets without a default: what a token may cost, only its owner knows. */
export const usageBudgets: readonly string[] = ['maxTokens', 'maxCostUsd'];

/**
 * `giveUpAfter` must exceed `leaseFor` by so much: the agent must be frozen before anybody believes it gone, clocks
 * and save included.
 */
export const graceMargin = 30 * second;

/**
 * How long an infrastructure loss without progress, or a repeated agent failure, puts the next attempt off: 10 s·2ⁿ, at
 * most 10 min. `times` counts from 1.
 */
export function backoff(times: number): number {
  return Math.min(10 * second * 2 ** (Math.max(times, 1) - 1), 10 * minute);
}

/** When a provider refuses and does not say for how long. */
export const defaultRetryAfter = minute;
/** A provider that says "next month" must not park a bead silently for so long: it is asked again after this. */
export const maxRetryAfter = 6 * hour;

/**
 * @returns all clocks: the given ones over the defaults. A caller who shortens the heartbeat time-out alone has beats
 * that fit into it.
 */
export function mergeClocks(given: Partial<Clocks> | undefined): Clocks {
  const clocks = { ...defaultClocks, ...readClocks(given ?? {}) };
  const share = clocks.heartbeatTimeout / defaultClocks.heartbeatTimeout;
  // Any other is a mistake, and is told as that of the heartbeat time-out.
  if (given?.beatEvery === undefined && share > 0 && share < 1) clocks.beatEvery *= share;
  return clocks;
}

/** @returns all budgets: the given ones over the defaults. */
export const mergeBudgets = (given: Partial<Budgets> | undefined): Budgets => ({ ...defaultBudgets, ...given });

/**
 * The clocks guard each other; this holds them against one another.
 * @returns what is wrong, naming both numbers, or undefined.
 */
export function clocksProblem(clocks: Clocks): string | undefined {
  for (const [name, value] of Object.entries(clocks)) {
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
      return `the clock ${name} must be a positive number of milliseconds, not ${String(value)}`;
  }
  const unknown = Object.keys(clocks).find((name) => !(name in defaultClocks));
  if (unknown !== undefined)
    return `there is no clock named ${unknown}; there are ${Object.keys(defaultClocks).join(', ')}`;
  const rule = (ok: boolean, text: string): string | undefined => (ok ? undefined : text);
  const c = clocks;
  return (
    rule(
      c.beatEvery * 2 <= c.heartbeatTimeout,
      `heartbeatTimeout (${c.heartbeatTimeout} ms) must be at least twice beatEvery (${c.beatEvery} ms), or one ` +
        'late beat is a silence',
    ) ??
    rule(
      c.signalEvery * 2 <= c.stalledAfter,
      `signalEvery (${c.signalEvery} ms) must be at most half of stalledAfter (${c.stalledAfter} ms), or a ` +
        'working agent looks stalled',
    ) ??
    rule(
      c.stalledAfter < c.stopSilentAfter,
      `stopSilentAfter (${c.stopSilentAfter} ms) must exceed stalledAfter (${c.stalledAfter} ms), or the agent ` +
        'is stopped before it is nudged',
    ) ??
    rule(
      c.firstProgressWithin < c.stopSilentAfter,
      `stopSilentAfter (${c.stopSilentAfter} ms) must exceed firstProgressWithin (${c.firstProgressWithin} ms)`,
    ) ??
    rule(
      c.giveUpAfter >= c.leaseFor + Math.min(graceMargin, c.leaseFor),
      `giveUpAfter (${c.giveUpAfter} ms) must exceed leaseFor (${c.leaseFor} ms) by ` +
        `${Math.min(graceMargin, c.leaseFor)} ms, or a second agent could start while the first still runs`,
    ) ??
    rule(
      c.heartbeatTimeout < c.leaseFor,
      `leaseFor (${c.leaseFor} ms) must exceed heartbeatTimeout (${c.heartbeatTimeout} ms), or agents freeze ` +
        'before anybody has missed them',
    )
  );
}

/** @returns what is wrong with the budgets, or undefined. */
export function budgetsProblem(budgets: Budgets): string | undefined {
  for (const [name, value] of Object.entries(budgets)) {
    if (usageBudgets.includes(name)) {
      if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
        return `the budget ${name} must be a positive number, not ${String(value)}`;
      continue;
    }
    if (!(name in defaultBudgets))
      return (
        `there is no budget named ${name}; there are ` +
        `${[...Object.keys(defaultBudgets), ...usageBudgets].join(', ')}`
      );
    if (!Number.isInteger(value) || value < 1 || value > 1_000)
      return `the budget ${name} must be a whole number from 1 to 1,000, not ${String(value)}`;
  }
  return undefined;
}
