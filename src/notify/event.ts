import { createHash } from 'node:crypto';
import type { Problem, ProblemKind } from '../domain/telling/problems.js';
import type { EventName } from './settings.js';

/** What a hook is told, as JSON. Fields may be added; none is renamed or removed. */
export interface Notification {
  /** The same for each try, and for each host that tells it: a receiver may drop what it has seen. */
  id: string;
  event: EventName;
  kind: 'bead' | 'convoy' | 'rig' | 'host';
  about: string;
  title: string;
  rig?: string;
  convoy?: string;
  /** One sentence. */
  text: string;
  /** The command that helps, when a person is needed. */
  fix?: string;
  branch?: string;
  sha?: string;
  /** When it happened, or was first seen. Milliseconds. */
  at: number;
  namespace: string;
  taskQueue: string;
}

const events: Partial<Record<ProblemKind, [EventName, Notification['kind']]>> = {
  'bead-blocked': ['blocked', 'bead'],
  budget: ['budget', 'bead'],
  escalation: ['escalation', 'bead'],
  approval: ['approval', 'bead'],
  'convoy-blocked': ['blocked', 'convoy'],
  breaker: ['breaker', 'rig'],
  'shared-cause': ['blocked', 'rig'],
  declined: ['blocked', 'rig'],
  spend: ['budget', 'rig'],
};

/** @returns what to tell of a problem; undefined for those that nobody is called for. */
export function notificationOf(
  problem: Problem,
  town: Pick<Notification, 'namespace' | 'taskQueue'>,
  now: number,
): Notification | undefined {
  const found = events[problem.kind];
  if (found === undefined) return undefined;
  const [event, usual] = found;
  const kind = problem.of ?? usual;
  // Without an instant of its own, another reason is another event.
  const mark = problem.since ?? createHash('sha256').update(problem.why).digest('hex').slice(0, 12);
  return {
    id: problem.once === undefined ? `${event}:${kind}-${problem.about}:${mark}` : `${event}:${problem.once}`,
    event,
    kind,
    about: problem.about,
    title: problem.what,
    text: `${problem.what}: ${problem.why}`,
    fix: problem.fix,
    at: problem.since ?? now,
    ...town,
  };
}
