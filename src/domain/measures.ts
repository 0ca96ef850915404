import { beadStatuses, isFinal, outcomes } from '../contract/index.js';
import type { BeadState, RigState } from '../contract/index.js';
import { accountOf } from './bead/accounts.js';

/**
 * What is counted of beads and rigs, for metrics. A label is a word out of few (an outcome, a program, a rig), never
 * the id of a bead, an attempt or a commit: each combination of labels is a series of its own for as long as the worker
 * lives.
 */
export type Measure = { name: string; labels: Record<string, string> } & (
  { kind: 'count'; by: number } | { kind: 'seen'; value: number }
);

/** Names and meanings of all measures; Prometheus gets those with units and `_total` as its conventions have it. */
export const measures = {
  heartbead_attempts_ended: 'attempts that ended, by outcome',
  heartbead_attempts_lost: 'attempts that were lost to the infrastructure, by reason',
  heartbead_adoptions: 'attempts whose host took up the watch over them again',
  heartbead_beads_ended: 'beads that ended, by status',
  heartbead_agent_tokens: 'tokens of ended attempts, as their programs told',
  heartbead_attempt_cost_usd: 'what ended attempts have cost, as their programs told',
  heartbead_attempt_queue: 'from the dispatch of an attempt until a host has taken it',
  heartbead_attempt_first_heartbeat: 'from the dispatch of an attempt until the first heartbeat of its agent',
  heartbead_bead_duration: 'from the sling of a bead to its end',
  heartbead_merge_duration: 'from the merge queue to the outcome of the merge, waiting included',
} as const satisfies Record<`heartbead_${string}`, string>;

const tokenKinds = ['input', 'cached', 'output'] as const;

type Name = keyof typeof measures;
const count = (name: Name, labels: Record<string, string>, by = 1): Measure => ({ kind: 'count', name, labels, by });
const seen = (name: Name, labels: Record<string, string>, value: number): Measure => ({
  kind: 'seen',
  name,
  labels,
  value,
});
const seconds = (from: number, to: number): number => Math.max(to - from, 0) / 1_000;

/**
 * Why an attempt was lost: no agent was started; it was out of sight until it was given up; its host told that it was
 * ended from outside, or could not tell how it ended; what it had reported is not on the remote.
 */
const lossReasons = ['not_started', 'out_of_sight', 'ended', 'no_evidence'] as const;

/** @returns why an attempt was lost in this step; undefined when none was. */
function lossOf(before: BeadState, after: BeadState): (typeof lossReasons)[number] | undefined {
  const [was, ended, known] = [before.current, after.attempts.at(-1), before.attempts.at(-1)];
  if (ended?.countedAs !== 'infra') return undefined;
  if (known?.id === ended.id) return known.countedAs === 'infra' ? undefined : 'no_evidence';
  if (was?.id !== ended.id) return undefined;
  if (was.spawnedAt === undefined) return 'not_started';
  return was.suspectSince === undefined ? 'ended' : 'out_of_sight';
}

/** @returns what a step of a bead adds to the measures. */
export function beadMeasures(before: BeadState, after: BeadState, now: number): Measure[] {
  const labels = { agent: after.agentSpec.adapter, rig: after.rig ?? '' };
  const found: Measure[] = [];
  const [was, is] = [before.current, after.current];
  if (is !== undefined) {
    const same = was?.id === is.id ? was : undefined;
    if (is.acceptedAt !== undefined && same?.acceptedAt === undefined)
      found.push(...begun(labels), seen('heartbead_attempt_queue', labels, seconds(is.startedAt, is.acceptedAt)));
    if (is.spawnedAt !== undefined && same?.spawnedAt === undefined)
      found.push(seen('heartbead_attempt_first_heartbeat', labels, seconds(is.startedAt, is.spawnedAt)));
    const adoptions = is.adoptions - (same?.adoptions ?? 0);
    if (adoptions > 0) found.push(count('heartbead_adoptions', labels, adoptions));
  }
  const ended = after.attempts.at(-1);
  if (ended?.outcome !== undefined && ended.id === was?.id && is?.id !== ended.id) {
    const { outcome, countedAs = 'nothing', usage } = ended;
    found.push(count('heartbead_attempts_ended', { ...labels, outcome, counted_as: countedAs }));
    if (usage !== undefined) {
      const { inputTokens, outputTokens, cachedTokens, costUsd } = usage;
      const uncached = Math.max(inputTokens - cachedTokens, 0);
      const told = { input: uncached, cached: cachedTokens, output: outputTokens };
      for (const kind of tokenKinds)
        if (told[kind] > 0) found.push(count('heartbead_agent_tokens', { ...labels, kind }, told[kind]));
      found.push(seen('heartbead_attempt_cost_usd', labels, costUsd));
    }
  }
  const lost = lossOf(before, after);
  if (lost !== undefined) found.push(count('heartbead_attempts_lost', { ...labels, reason: lost }));
  const { status } = after;
  if (before.status !== status && isFinal(status)) {
    found.push(count('heartbead_beads_ended', { ...labels, status }));
    found.push(seen('heartbead_bead_duration', { ...labels, status }, seconds(after.createdAt, now)));
  }
  return found;
}

/** A series that begins with its first event would hide that event from every rate: the first loss, say. */
const begun = (labels: Record<string, string>): Measure[] => [
  count('heartbead_adoptions', labels, 0),
  ...outcomes.map((outcome) =>
    count('heartbead_attempts_ended', { ...labels, outcome, counted_as: accountOf(outcome) }, 0),
  ),
  ...lossReasons.map((reason) => count('heartbead_attempts_lost', { ...labels, reason }, 0)),
  ...tokenKinds.map((kind) => count('heartbead_agent_tokens', { ...labels, kind }, 0)),
  ...beadStatuses
    .filter((status) => isFinal(status))
    .map((status) => count('heartbead_beads_ended', { ...labels, status }, 0)),
];

/** @returns what a step of a rig adds to the measures. */
export function rigMeasures(before: RigState, after: RigState, now: number): Measure[] {
  if (before.merged === after.merged && before.notMerged === after.notMerged) return [];
  const held = [...before.queue, ...before.merging];
  const key = ({ item, from, at }: { item: string; from: string; at: number }): string => `${item} ${from} ${at}`;
  const told = new Set([...before.merged, ...before.notMerged].map(key));
  const ended = [
    ...after.merged.map((merge) => ({ merge, outcome: 'merged' })),
    ...after.notMerged.map((merge) => ({ merge, outcome: merge.outcome as string })),
  ].filter(({ merge }) => !told.has(key(merge)));
  return ended.flatMap(({ merge: { item, from }, outcome }) => {
    const queued = held.find((other) => other.item === item && other.sha === from);
    return queued === undefined
      ? []
      : [seen('heartbead_merge_duration', { rig: after.rig, outcome }, seconds(queued.queuedAt, now))];
  });
}
