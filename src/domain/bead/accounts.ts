import type { AttemptResult, BeadState, Outcome } from '../../contract/index.js';
import { backoff, defaultRetryAfter, maxRetryAfter } from '../clocks.js';
import { counted } from '../words.js';

/** Whose account an end goes to. */
export type CountedAs = 'nothing' | 'agent' | 'infra';

/** What happens after an attempt has ended. */
export type Next =
  { do: 'verify' } | { do: 'again'; delay: number; text: string } | { do: 'block'; reason: string; fix: string };

/**
 * @returns whose account an outcome goes to. Infrastructure never uses up the agent's budget, nor the other way round.
 */
export function accountOf(outcome: Outcome): CountedAs {
  switch (outcome) {
    case 'done':
    case 'rate_limited':
    case 'auth_failed':
    case 'out_of_credit':
    case 'not_installed':
    case 'declined':
    case 'setup_failed':
    case 'escalated':
    case 'push_refused':
    case 'stopped':
      return 'nothing';
    case 'no_changes':
    case 'unreported':
    case 'agent_failed':
    case 'out_of_memory':
    case 'too_many_processes':
    case 'disk_full':
    case 'stalled':
    case 'timed_out':
      return 'agent';
    case 'lost':
      return 'infra';
    default:
      return outcome satisfies never;
  }
}

/**
 * Agents that share one login renew it at the same time; the losers are refused once, and get in with what the winner
 * has written. A minute is ample for that; five more are for a provider that is slow to know it. Milliseconds.
 */
export const loginAgainAfter: readonly number[] = [60_000, 5 * 60_000];

/**
 * Whatever an agent says or saves, and whoever ends it: only landed work (verified work where nothing merges it) or an
 * operator brings paid starts of one bead close together again. The second follows at once, the third ten seconds after
 * the second began, and so on to ten minutes; an attempt that ran for longer than that is followed at once.
 * @returns the earliest instant of the next one.
 */
export const nextPaidStart = (paid: BeadState['paid']): number =>
  paid === undefined || paid.starts <= 1 ? 0 : paid.at + backoff(paid.starts - 1);

/**
 * What one host cannot run another may: what it gives back is offered again soon, and then at growing distance, so that
 * a host without work does not give one bead back again and again. What a provider says of its limit ends the growth.
 * @param declines how often it was given back in a row.
 * @param retryAfterMs what its host says.
 * @returns milliseconds.
 */
function givenBackFor(declines: number, retryAfterMs = 0): number {
  const growing = backoff(1) * 2 ** (Math.max(declines, 1) - 1);
  return Math.max(backoff(declines), Math.min(retryAfterMs, growing, maxRetryAfter));
}

/**
 * What comes after an attempt, given the accounts as they stand *with* this end counted.
 * @param used the accounts after this end.
 * @param rules.spaced by the rule of `givenBackFor`.
 * @param rules.firstLoss by the rule of `firstLossRule`.
 */
export function nextAfter(
  result: Pick<AttemptResult, 'outcome' | 'reason' | 'retryAfterMs'>,
  used: BeadState['used'],
  budgets: BeadState['budgets'],
  { spaced = false, firstLoss }: { spaced?: boolean; firstLoss?: BeadState['firstLossRule'] } = {},
): Next {
  const { outcome, reason } = result;
  switch (outcome) {
    case 'done':
      return { do: 'verify' };
    case 'rate_limited': {
      const delay = Math.min(Math.max(result.retryAfterMs ?? defaultRetryAfter, 1_000), maxRetryAfter);
      return { do: 'again', delay, text: `the agent's provider refuses for now: ${reason}` };
    }
    case 'auth_failed': {
      const delay = used.logins === undefined ? undefined : loginAgainAfter[used.logins - 1];
      if (delay !== undefined) return { do: 'again', delay, text: `the agent cannot log in: ${reason}` };
      return {
        do: 'block',
        reason: `the agent cannot log in: ${reason}`,
        fix: 'give the agent valid credentials on its host, then retry the bead',
      };
    }
    case 'out_of_credit':
      return {
        do: 'block',
        reason: `the agent's provider wants to be paid: ${reason}`,
        fix: 'add credit (or raise the spending limit) at the provider, then retry the bead',
      };
    case 'not_installed':
      return {
        do: 'block',
        reason,
        fix: 'install the agent program on the host (or sling the bead with another agent), then retry the bead',
      };
    case 'declined': {
      const delay = spaced
        ? givenBackFor(used.declines ?? 1, result.retryAfterMs)
        : Math.min(Math.max(result.retryAfterMs ?? backoff(used.declines ?? 1), 1_000), maxRetryAfter);
      return { do: 'again', delay, text: reason };
    }
    case 'setup_failed':
      return {
        do: 'block',
        reason,
        fix: 'mend what the reason names, then retry the bead; or cancel it and sling it anew',
      };
    case 'escalated':
      return {
        do: 'block',
        reason: `the agent asks for help: ${reason}`,
        fix: 'answer with a nudge, then retry the bead',
      };
    case 'push_refused':
      if (result.retryAfterMs !== undefined)
        return { do: 'again', delay: Math.max(result.retryAfterMs, 1_000), text: reason };
      return {
        do: 'block',
        reason,
        fix:
          'mend what the remote objects to, then retry the bead: the finished commits are pushed first; or ' +
          'nudge with advice and retry it with --now: the next attempt goes on from them',
      };
    case 'stopped':
      return { do: 'again', delay: 0, text: reason };
    case 'no_changes':
    case 'unreported':
    case 'agent_failed':
    case 'out_of_memory':
    case 'too_many_processes':
    case 'disk_full':
    case 'stalled':
    case 'timed_out':
      if (used.agentFailures >= budgets.agentFailures) {
        return {
          do: 'block',
          reason:
            `${counted(used.agentFailures, 'attempt')} ${used.agentFailures === 1 ? 'has' : 'have'} failed; the ` +
            `last one: ${reason}`,
          fix: 'read the log and the attempts, mend the cause or nudge with advice, then retry the bead',
        };
      }
      // The first failure is tried again at once; a repeated one with growing distance, so that a broken set-up cannot
      // burn money quickly.
      return { do: 'again', delay: used.agentFailures <= 1 ? 0 : backoff(used.agentFailures - 1), text: reason };
    case 'lost':
      if (used.infraLosses >= budgets.infraLosses) {
        return {
          do: 'block',
          reason:
            `${counted(used.infraLosses, 'attempt')} in a row ${used.infraLosses === 1 ? 'was' : 'were'} lost ` +
            `without any saved work; the last one: ${reason}`,
          fix: 'look at the hosts (heartbead doctor), then retry the bead',
        };
      }
      // The first of a row is tried again at once, as a first failure is: what is told of further ones is soon enough.
      return {
        do: 'again',
        delay: used.infraLosses <= (firstLoss === 'at once' ? 1 : 0) ? 0 : backoff(used.infraLosses),
        text: reason,
      };
    default:
      return outcome satisfies never;
  }
}
