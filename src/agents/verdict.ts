import { isRefusal } from './types.js';
import type { AgentEvent, AgentExit, ExitClass } from './types.js';

/** @returns whether a program that tells of its end has told a good one. */
export const endedWell = ({ code }: AgentExit, events: readonly AgentEvent[]): boolean =>
  code === 0 && events.findLast((event) => event.kind === 'end')?.ok === true;

/**
 * The verdict on the end of a program that tells how it ended. Its exit status says nothing: of seven programs tried,
 * four end with 0 on failures. What its provider refused counts as long as no progress came after it (the watch forgets
 * it then).
 */
export function verdictOf(_exit: AgentExit, events: readonly AgentEvent[]): ExitClass | undefined {
  const refused = events.findLast(isRefusal);
  switch (refused?.kind) {
    case 'rate_limited':
      return {
        outcome: 'rate_limited',
        reason: refused.text,
        retryAfterMs: refused.retryAfterMs,
      };
    case 'auth_failed':
    case 'out_of_credit':
      return { outcome: refused.kind, reason: refused.text };
    case undefined:
      break;
  }
  const end = events.findLast((event) => event.kind === 'end');
  return end?.ok === false
    ? {
        outcome: 'agent_failed',
        reason: `the agent's program reports a failure: ${end.text ?? 'it does not say which'}`,
      }
    : undefined;
}
