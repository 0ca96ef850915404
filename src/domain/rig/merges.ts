import { clip } from '../../contract/index.js';
import type {
  MergeInput,
  MergeOutcome,
  MergeRequest,
  QueuedMerge,
  RigState,
  RunningMerge,
  WithdrawMerge,
} from '../../contract/index.js';
import type { RigDraft } from './draft.js';
import { readyMerges } from './queue.js';
import { checksOf, workspaceOf } from './settings.js';
import { durationText, firstOf, shortSha } from '../words.js';

/**
 * Pushes that somebody else's were faster than: five times from the top, each of which is several tries of the
 * refinery's own.
 */
export const maxRejections = 5;
/**
 * Infrastructure failures of one item, each after half an hour of the activity's own retries: a night's outage, and a
 * merge that kills its worker ends one day.
 */
export const maxBreakdowns = 10;
/** More than this is refused with an answer: the state has to fit into one payload of 2 MiB. */
export const maxQueued = 1_000;
const kept = 50;

/** What stands aside after a try that led to nothing: 30 s·2ⁿ, at most 30 min. `tries` counts from 1. */
const standAside = (tries: number): number => Math.min(30_000 * 2 ** (tries - 1), 30 * 60_000);

/** The merge queue: each item gets one final outcome, or stays in sight. */
export class MergeRules {
  constructor(private readonly draft: RigDraft) {}

  /** @param full there is no room for it. */
  enqueued(given: MergeRequest, full = false): void {
    const { s, now } = this.draft;
    const request: MergeRequest = { ...given, target: given.target === '' ? (s.settings.base ?? '') : given.target };
    const same = (other: MergeRequest): boolean => other.workflowId === request.workflowId && other.sha === request.sha;
    if (s.queue.some(same)) {
      s.queue = s.queue.map((other) =>
        same(other) ? { ...other, priority: request.priority, title: request.title } : other,
      );
      return;
    }
    if (s.merging.some((other) => same(other) && other.withdrawn !== true)) return;
    const done = s.merged.find(({ item, from }) => item === request.item && from === request.sha);
    if (done !== undefined)
      return this.#answer(request, { outcome: 'merged', sha: done.sha, target: done.target, strategy: done.strategy });
    if (s.removed) return this.#answer(request, { outcome: 'error', reason: `rig ${s.rig} is being removed` });
    for (const older of s.queue.filter(({ workflowId }) => workflowId === request.workflowId)) {
      this.#finish(older, { outcome: 'error', reason: `${shortSha(request.sha)} has taken its place in the queue` });
    }
    s.queue = s.queue.filter(({ workflowId }) => workflowId !== request.workflowId);
    if (full || s.queue.length >= maxQueued)
      return this.#answer(request, {
        outcome: 'error',
        reason: `the merge queue of rig ${s.rig} is full (${s.queue.length}); retry when it has become shorter`,
      });
    s.queue.push({ ...request, queuedAt: now, tries: 0 });
  }

  #answer({ workflowId, item, sha }: Pick<MergeRequest, 'workflowId' | 'item' | 'sha'>, result: MergeOutcome): void {
    this.draft.say(workflowId, { signal: 'mergeEnded', payload: { item, sha, result } });
  }

  /** The one final outcome of an item: recorded, and on its way to whoever asked. */
  #finish(entry: QueuedMerge, outcome: MergeOutcome, tell = true): void {
    const { s, now } = this.draft;
    if (tell) this.#answer(entry, outcome);
    if (outcome.outcome === 'merged') {
      s.merged = [
        ...s.merged,
        {
          item: entry.item,
          sha: outcome.sha,
          target: outcome.target,
          at: now,
          from: entry.sha,
          strategy: outcome.strategy,
        },
      ].slice(-kept);
      return this.draft.tell(`${entry.item} is merged into ${outcome.target} as ${shortSha(outcome.sha)}`);
    }
    const reason = clip(outcomeReason(outcome), 300);
    s.notMerged = [
      ...s.notMerged,
      { item: entry.item, from: entry.sha, target: entry.target, at: now, outcome: outcome.outcome, reason },
    ].slice(-kept);
    this.draft.tell(`${entry.item} is not merged: ${reason}`);
  }

  withdrawn({ item, sha, workflowId }: Required<WithdrawMerge>): void {
    const { s } = this.draft;
    const meant = (other: MergeRequest): boolean => other.item === item && other.sha === sha;
    const queued = s.queue.find(meant);
    if (queued !== undefined) {
      s.queue = s.queue.filter((other) => other !== queued);
      return this.#finish(queued, { outcome: 'error', reason: 'withdrawn from the queue' });
    }
    // The refinery is at it: whether it came in time, its answer tells.
    if (s.merging.some(meant))
      s.merging = s.merging.map((other) => (meant(other) ? { ...other, withdrawn: true } : other));
    else if (
      !s.news.some(({ signal, payload }) => signal === 'mergeEnded' && payload.item === item && payload.sha === sha)
    )
      this.#repeat({ item, sha, workflowId });
  }

  /** Its answer has been given already; whoever withdraws has not understood it, and gets it once more. */
  #repeat(request: Required<WithdrawMerge>): void {
    const of = ({ item, from }: { item: string; from: string }): boolean =>
      item === request.item && from === request.sha;
    const merged = this.draft.s.merged.findLast(of);
    if (merged !== undefined)
      return this.#answer(request, {
        outcome: 'merged',
        sha: merged.sha,
        target: merged.target,
        strategy: merged.strategy,
      });
    this.#answer(request, {
      outcome: 'error',
      reason: this.draft.s.notMerged.findLast(of)?.reason ?? 'it was not in the queue',
    });
  }

  mergeStarted(workflowId: string, sha: string): void {
    const { s, now } = this.draft;
    const entry = readyMerges(s, now).find((other) => other.workflowId === workflowId && other.sha === sha);
    if (entry === undefined) return;
    s.queue = s.queue.filter((other) => other !== entry);
    s.merging.push({ ...entry, startedAt: now, strategy: s.settings.strategy });
  }

  #taken(workflowId: string, sha: string): RunningMerge | undefined {
    const { s } = this.draft;
    const entry = s.merging.find((other) => other.workflowId === workflowId && other.sha === sha);
    s.merging = s.merging.filter((other) => other !== entry);
    return entry;
  }

  mergeEnded(workflowId: string, sha: string, outcome: MergeOutcome): void {
    const entry = this.#taken(workflowId, sha);
    if (entry === undefined) return;
    if (outcome.outcome !== 'push_rejected' || !outcome.retry) return this.#finish(entry, outcome);
    if (entry.withdrawn === true || this.draft.s.removed || entry.tries + 1 >= maxRejections)
      return this.#finish(entry, { ...outcome, retry: false });
    this.#putBack(entry, outcome.reason);
  }

  mergeBroke(workflowId: string, sha: string, reason: string): void {
    const entry = this.#taken(workflowId, sha);
    if (entry === undefined) return;
    // Whether a withdrawn item is on its target has to be found out, however long it takes: merged work is never called
    // cancelled.
    if (entry.withdrawn === true) this.draft.s.merging.push({ ...entry, tries: entry.tries + 1, lastReason: reason });
    else if (this.draft.s.removed || entry.tries + 1 >= maxBreakdowns)
      this.#finish(entry, {
        outcome: 'error',
        reason: `the merge did not get through ${entry.tries + 1} times; the last time: ${reason}`,
      });
    else this.#putBack(entry, reason);
  }

  /** Whoever has stood aside long enough is one of the others again. */
  ripen(): void {
    const { s, now } = this.draft;
    s.queue = s.queue.map(({ notBefore, ...entry }) =>
      notBefore === undefined || notBefore <= now ? entry : { ...entry, notBefore },
    );
  }

  /** Back to its place by priority and age; until `notBefore` others may go ahead. */
  #putBack({ startedAt: _, strategy: __, withdrawn: ___, ...entry }: RunningMerge, reason: string): void {
    const tries = entry.tries + 1;
    this.draft.s.queue.push({ ...entry, tries, lastReason: reason, notBefore: this.draft.now + standAside(tries) });
    this.draft.tell(`${entry.item} goes back into the queue for ${durationText(standAside(tries))}: ${reason}`);
  }

  /**
   * Nobody is there any more for whom to merge: their items leave the queue; of one in work it is found out what became
   * of it.
   */
  gone(words: ReadonlyMap<string, string>, askedAt: number): void {
    const { s } = this.draft;
    for (const entry of s.queue) {
      const why = words.get(entry.workflowId);
      if (why === undefined || entry.queuedAt >= askedAt) continue;
      s.queue = s.queue.filter((other) => other !== entry);
      this.#finish(entry, { outcome: 'error', reason: why }, false);
    }
    s.merging = s.merging.map((entry) =>
      words.has(entry.workflowId) && entry.queuedAt < askedAt ? { ...entry, withdrawn: true } : entry,
    );
  }

  removed(): void {
    for (const entry of this.draft.s.queue.splice(0))
      this.#finish(entry, { outcome: 'error', reason: `rig ${this.draft.s.rig} is being removed` });
  }
}

/** @returns why an item was not merged, in one sentence. */
export function outcomeReason(outcome: Exclude<MergeOutcome, { outcome: 'merged' }>): string {
  switch (outcome.outcome) {
    case 'conflict':
      return `conflict with ${outcome.target} in ${firstOf(outcome.paths, 5)}`;
    case 'unrelated':
      return outcome.lost === undefined
        ? `no commit in common with ${outcome.target}`
        : `${outcome.target} was rewritten and has lost ${shortSha(outcome.lost)}, on which the work builds: to ` +
            'merge it would bring that back';
    case 'checks_failed':
      return `check ${outcome.check} ${outcome.timedOut ? 'did not end in time' : 'failed'}`;
    case 'changes_requested':
      return `changes requested at ${outcome.url}`;
    case 'push_rejected':
      return `the push was rejected: ${outcome.reason}`;
    case 'error':
      return outcome.reason;
  }
}

/** @returns what the refinery is asked to do, by the settings of this moment. */
export function mergeInput({ rig, settings }: RigState, merge: RunningMerge): MergeInput {
  const { item, workflowId, branch, sha, target, priority, since, title, began, approval, withdrawn } = merge;
  return {
    rig,
    repo: settings.repo,
    request: { item, workflowId, branch, sha, target, priority, since, title, began, approval },
    strategy: merge.strategy,
    checks: checksOf(settings),
    workspace: workspaceOf(settings),
    env: settings.agent.env,
    withdrawn: withdrawn === true ? true : undefined,
  };
}
