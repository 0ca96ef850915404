/** What a rig's state asks of its workflow. The workflow carries it out, and decides nothing. @module */
import { mergedBy } from '../../contract/index.js';
import type { MergeStrategy, RigNews, RigState, RunningMerge } from '../../contract/index.js';
import type { RunLength } from '../run-length.js';
import { readyMerges } from './queue.js';
import { hasMuchToTell, newsToCarry, tellsAtOnce } from './room.js';

/** What has to be done now. Each has a key; while one is under way it is not begun again. */
export type RigEffect =
  /** A merge that may begin leaves the queue; it is then asked for as `merge`. */
  | { do: 'takeMerge'; key: string; workflowId: string; sha: string }
  | {
      do: 'grant';
      key: string;
      bead: string;
      workflowId: string;
      grantedAt: number;
      probe: boolean;
      ahead?: boolean;
    }
  | { do: 'tell'; key: string; news: RigNews }
  | { do: 'merge'; key: string; merge: RunningMerge };

/** A merge that the workflow has under way. `withdrawn`: it was begun to find out whether it had been merged. */
export interface MergeUnderWay {
  key: string;
  strategy: MergeStrategy;
  withdrawn: boolean;
}

/** What the state does not say: how long the run is, and which merges it has under way. */
export interface RigRun {
  length: RunLength;
  merges: readonly MergeUnderWay[];
  /** A run of an earlier build: it tells all news at once, and carries over however much there is. */
  tellsAllAtOnce?: boolean;
  /** A run of an earlier build: of what it carries over, besides what waits, only news have weight. */
  weighsOnlyNews?: boolean;
}

const freshRun: RigRun = { length: 'fine', merges: [] };

/** A grant that was made before a pause or an opening, and not yet sent, waits too. */
const mayTell = (s: RigState, probe: boolean): boolean => !s.paused && !s.removed && (!s.breaker.open || probe);

export const mergeKey = ({ workflowId, sha }: Pick<RunningMerge, 'workflowId' | 'sha'>): string =>
  `merge ${workflowId} ${sha}`;

/** What the rig has to tell, grants first; the server takes only so many signals of one workflow at a time. */
function thingsToTell(s: RigState, run: RigRun): RigEffect[] {
  const effects: RigEffect[] = [];
  for (const { told, probe, bead, workflowId, grantedAt, ahead } of s.grants)
    if (told !== true && mayTell(s, probe))
      effects.push({ do: 'grant', key: `grant ${workflowId}`, bead, workflowId, grantedAt, probe, ahead });
  for (const news of s.news) effects.push({ do: 'tell', key: `news ${news.id}`, news });
  return run.tellsAllAtOnce === true ? effects : effects.slice(0, tellsAtOnce);
}

/**
 * @returns what the state asks for. A run that is to end begins no merge; once its merges have ended it begins nothing
 * at all: what is not begun is in the state and begun by the next run, or under load something would always be under
 * way. Only of news it tells as many as are too much to be carried over.
 */
export function rigEffects(s: RigState, now: number, run: RigRun = freshRun): RigEffect[] {
  if (rigDrains(s, run)) return [];
  const effects: RigEffect[] = [];
  const merges = run.length === 'fine';
  if (merges)
    for (const { workflowId, sha } of readyMerges(s, now))
      effects.push({ do: 'takeMerge', key: `take ${workflowId} ${sha}`, workflowId, sha });
  effects.push(...thingsToTell(s, run));
  if (merges) for (const merge of s.merging) effects.push({ do: 'merge', key: mergeKey(merge), merge });
  return effects;
}

/** @returns whether the run is to end, and neither a merge nor too much news is in its way any more. */
export const rigDrains = (s: RigState, { length, merges, tellsAllAtOnce, weighsOnlyNews }: RigRun): boolean =>
  length !== 'fine' &&
  merges.length === 0 &&
  (tellsAllAtOnce === true || newsToCarry(s, weighsOnlyNews !== true) === 'fits');

/** @returns whether it matters to a run if more than news has weight: only then has it to find out. */
export const rigWeighsAll = (s: RigState, length: RunLength): boolean =>
  length !== 'fine' && newsToCarry(s) !== newsToCarry(s, false);

/** @returns whether it matters to a run if news are told in batches: only then has it to find out. */
export const rigTellsInBatches = (s: RigState, length: RunLength): boolean =>
  hasMuchToTell(s) || (length !== 'fine' && newsToCarry(s) !== 'fits');

/**
 * @returns whether a bead has another grant by now than the one that it was told of: it has given that back, and asked
 * again. Of the new one it has not heard.
 */
export const hasAnotherGrant = (
  { grants }: RigState,
  told: Pick<Extract<RigEffect, { do: 'grant' }>, 'bead' | 'grantedAt'>,
): boolean => grants.some(({ bead, grantedAt }) => bead === told.bead && grantedAt !== told.grantedAt);

/**
 * @returns the keys of the merges to interrupt: one that nobody wants any more, and what is in the way of the next run.
 * It stays in the state and begins again. A forge's merge may wait for days, so it is never waited for.
 */
export function mergesToInterrupt(s: RigState, { length, merges }: RigRun): string[] {
  return merges
    .filter(({ key, strategy, withdrawn }) => {
      if (length === 'now' || (length === 'soon' && mergedBy(strategy) === 'forge')) return true;
      return !withdrawn && s.merging.some((merge) => mergeKey(merge) === key && merge.withdrawn === true);
    })
    .map(({ key }) => key);
}

/** @returns whether a removed rig has nothing left to do. */
export const rigOver = (s: RigState): boolean =>
  s.removed && s.grants.length === 0 && s.merging.length === 0 && s.news.length === 0;
