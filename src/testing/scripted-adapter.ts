import { z } from 'zod';
import { isRefusal } from '../agents/types.js';
import type { AgentAdapter, AgentEvent } from '../agents/types.js';

/** A line of a scripted agent's output is what it means. */
export const lineOf = (event: AgentEvent): string => JSON.stringify(event);

const progress: AgentEvent = { kind: 'progress', activity: 'works' };
/** By far the most lines are this one. */
export const progressLine = lineOf(progress);

/** Reads what scripted agents put out. They are never started by it: they are no processes. */
export const scriptedAdapter: AgentAdapter = {
  name: 'demo',
  description: 'a scripted agent of the test kit',
  options: z.unknown(),
  check: () => Promise.resolve(undefined),
  command: () => Promise.reject(new Error('a scripted agent is no program')),
  parser: () => (line) => (line === progressLine ? progress : (JSON.parse(line) as AgentEvent)),
  classify: (_exit, events) => {
    const refusal = events.findLast(isRefusal);
    if (refusal === undefined) return undefined;
    const { kind: outcome, text: reason } = refusal;
    return refusal.kind === 'rate_limited'
      ? { outcome, reason, retryAfterMs: refusal.retryAfterMs }
      : { outcome, reason };
  },
};
