import type { MergeOutcome, MergeRequest, ReturnGrant, RigSettings, RigState } from '../../../src/contract/index.js';
import { cameBack, initialRig, readyMerges, refusedAfterWork, rigEffects, stepRig } from '../../../src/domain/index.js';
import type { RigEffect, RigEvent } from '../../../src/domain/index.js';

export const minute = 60_000;
export const hour = 60 * minute;
export const sha = (n: number): string => n.toString(16).padStart(40, '0');
export const settings = (more: Partial<RigSettings> = {}): RigSettings => ({
  repo: '/srv/r.git',
  base: 'main',
  agent: { adapter: 'demo' },
  maxAgents: 2,
  checks: [],
  strategy: 'merge',
  approval: false,
  ...more,
});

/** A rig without a server: each event a few milliseconds after the last. */
export class RigStory {
  now = 1_000_000;
  state: RigState;

  constructor(more: Partial<RigSettings> = {}) {
    this.state = initialRig({ rig: 'r', settings: settings(more) }, this.now);
  }

  apply(...events: RigEvent[]): this {
    for (const event of events) this.state = stepRig(this.state, event, (this.now += 10));
    return this;
  }

  wait(ms: number): this {
    this.now += ms;
    return this;
  }

  ask(bead: string, priority = 3, since = this.now): this {
    return this.apply({ type: 'asked', request: { bead, workflowId: `bead-${bead}`, priority, since } });
  }

  give(bead: string, end: Partial<ReturnGrant> = {}): this {
    const told = { bead, infraLoss: false, progress: false, ...end };
    return this.apply({
      type: 'returned',
      end: told,
      inVain: cameBack(this.state, told),
      afterWork: refusedAfterWork(this.state, told),
    });
  }

  enqueue(item: string, commit: number, more: Partial<MergeRequest> = {}): this {
    return this.apply({
      type: 'enqueued',
      request: {
        item,
        workflowId: `bead-${item}`,
        branch: `heartbead/${item}/1-aaaa`,
        sha: sha(commit),
        target: 'main',
        priority: 3,
        since: this.now,
        title: item,
        ...more,
      },
    });
  }

  /** Begins what may begin. */
  begin(): this {
    for (const { workflowId, sha: commit } of readyMerges(this.state, this.now + 10))
      this.apply({ type: 'mergeStarted', workflowId, sha: commit });
    return this;
  }

  end(item: string, commit: number, outcome: MergeOutcome): this {
    return this.apply({ type: 'mergeEnded', workflowId: `bead-${item}`, sha: sha(commit), outcome });
  }

  /** Everything that is to be said reaches its reader. */
  tellAll(): this {
    for (const effect of this.effects) {
      if (effect.do === 'grant') this.apply({ type: 'grantTold', bead: effect.bead, delivered: true });
      if (effect.do === 'tell') this.apply({ type: 'newsTold', id: effect.news.id, delivered: true });
    }
    return this;
  }

  get effects(): RigEffect[] {
    return rigEffects(this.state, this.now);
  }
  get held(): string[] {
    return this.state.grants.map(({ bead }) => bead);
  }
  get queued(): string[] {
    return this.state.queue.map(({ item }) => item);
  }
  get merging(): string[] {
    return this.state.merging.map(({ item }) => item);
  }
  get told(): string[] {
    return this.state.story.map(({ text }) => text);
  }
  /** What was said to whom about merges. */
  get answers(): [string, string][] {
    return this.state.news.flatMap((news) =>
      news.signal === 'mergeEnded' ? [[news.payload.item, news.payload.result.outcome] as [string, string]] : [],
    );
  }
}

export const merged = (commit: number, target = 'main'): MergeOutcome => ({
  outcome: 'merged',
  sha: sha(commit),
  target,
  strategy: 'merge',
});
export const conflict: MergeOutcome = { outcome: 'conflict', paths: ['a.txt'], target: 'main', targetSha: sha(9) };
export const movedOn: MergeOutcome = { outcome: 'push_rejected', reason: 'main moved', retry: true };
