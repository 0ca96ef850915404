import type { Clocks, HeartbeatKind } from '../../contract/index.js';
import { elapsed } from '../instant.js';
import type { Instant } from '../instant.js';

/** Kinds that say what happened to the runner rather than to the agent's work; each is sent once, in order, at once. */
export type LifeKind = Extract<HeartbeatKind, 'adopted' | 'paused' | 'resumed'>;
/** Kinds that prove progress. */
export type ProgressKind = Extract<HeartbeatKind, 'output' | 'tool' | 'agent'>;

/** What is still to be told to the bead. Immutable: every step returns the next plan. */
export interface SignalPlan {
  /** Life events that were not yet accepted. */
  readonly life: readonly LifeKind[];
  /** Newest progress since the last accepted progress signal. */
  readonly progress?: { kind: ProgressKind; activity?: string };
  /** When the newest progress signal that was accepted was sent. */
  readonly sentAt?: Instant;
  /** Acknowledged messages that the bead does not know of. */
  readonly acknowledged: readonly string[];
}

export const emptyPlan: SignalPlan = { life: [], acknowledged: [] };

/**
 * During a long outage pauses may come and go; the bead need not hear of every one, but of the first (it may be on its
 * way) and the last.
 */
const lifeKept = 6;

/**
 * @returns the plan after a life event. Nothing is cancelled out: what seems untold may have been told, and only the
 * answer got lost.
 */
export function planLife(plan: SignalPlan, kind: LifeKind): SignalPlan {
  if (plan.life.at(-1) === kind) return plan;
  const life = [...plan.life, kind];
  return { ...plan, life: life.length > lifeKept ? [...life.slice(0, 1), ...life.slice(3)] : life };
}

/** @returns the plan after the agent made progress; the newest activity is the one that is told. */
export function planProgress(plan: SignalPlan, kind: ProgressKind, activity?: string): SignalPlan {
  const told = activity ?? plan.progress?.activity;
  return { ...plan, progress: { kind, activity: told } };
}

/** @returns the plan after the agent acknowledged messages. */
export const planAcknowledged = (plan: SignalPlan, ids: readonly string[]): SignalPlan => ({
  ...plan,
  acknowledged: [...plan.acknowledged, ...ids],
});

/**
 * @returns the kind of the signal that is due now, or how many milliseconds until progress may be told (undefined:
 * nothing to tell).
 *
 * Life events and acknowledgements are rare and go at once. Progress is told at once after a silence (the first one
 * too), else at most once per `signalEvery`: every signal costs the bead about four events of its history.
 */
export function signalDue(
  plan: SignalPlan,
  now: Instant,
  { signalEvery }: Pick<Clocks, 'signalEvery'>,
): { kind: HeartbeatKind } | { inMs: number } | undefined {
  const [life] = plan.life;
  if (life !== undefined) return { kind: life };
  if (plan.acknowledged.length > 0) return { kind: 'agent' };
  if (plan.progress === undefined) return undefined;
  const since = plan.sentAt === undefined ? signalEvery : elapsed(plan.sentAt, now);
  return since >= signalEvery ? { kind: plan.progress.kind } : { inMs: signalEvery - since };
}

/**
 * @returns the plan after the bead's server accepted a signal that was made from `sent`; what came in meanwhile stays.
 */
export function planDelivered(plan: SignalPlan, sent: SignalPlan, kind: HeartbeatKind, sentAt: Instant): SignalPlan {
  const isLife = sent.life[0] === kind;
  const told = new Set(sent.acknowledged);
  const { progress, ...rest } = plan;
  const progressTold = !isLife && progress === sent.progress;
  return {
    ...rest,
    life: isLife ? plan.life.slice(1) : plan.life,
    acknowledged: plan.acknowledged.filter((id) => !told.has(id)),
    progress: progressTold ? undefined : progress,
    sentAt: isLife ? rest.sentAt : sentAt,
  };
}
