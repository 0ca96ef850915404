/** The refinery of the model, and the branches of the remote as it sees them. @module */
import { seeded } from '../../../agents/seeded.js';
import type { BranchLook, MergeInput, MergeOutcome } from '../../../contract/index.js';
import { fakeSha } from '../../../testing/fake-remote.js';
import { Broken } from '../rules.js';
import type { ModelTown } from './town.js';

/** How one task ends: its worker's answer, the activity's last failure, or its cancellation. */
export type MergeEnd = { outcome: MergeOutcome } | { broke: string } | 'interrupted';

const second = 1_000;
/** As in `workflows/fleet-activities.ts`. */
const triesAtMost = 20;
const base = 'main';

/** One attempt to bring a commit onto its target. */
interface Task {
  input: MergeInput;
  tries: number;
  pushed: boolean;
  interrupted: boolean;
  over: boolean;
  end(end: MergeEnd): void;
}

export class ModelRefinery {
  /** The commits of each branch, the oldest first: each has all that are before it. */
  readonly #branches = new Map<string, string[]>([[base, []]]);
  /** By target and commit, as what it was merged. */
  readonly #merged = new Map<string, string>();
  readonly #atWork = new Set<Task>();
  readonly #next: () => number;
  /** All faults are over: what is merged now succeeds. */
  well = false;

  constructor(
    private readonly town: ModelTown,
    seed: number,
  ) {
    this.#next = seeded(seed ^ 0x3c6ef372);
  }

  /** `ensureBranch`. */
  ensure(branch: string): void {
    if (!this.#branches.has(branch)) this.#branches.set(branch, [...(this.#branches.get(base) ?? [])]);
  }

  /** `lookAtBranch`. */
  look(branch: string, contains: readonly string[]): BranchLook {
    const commits = this.#branches.get(branch === '' ? base : branch);
    if (commits === undefined) return { missing: [...contains] };
    return {
      sha: commits.at(-1) ?? this.town.remote.baseSha,
      missing: contains.filter((sha) => !commits.includes(sha)),
    };
  }

  /** @returns whether a commit of some branch has these others before it. */
  has(commit: string, others: readonly string[]): boolean {
    for (const commits of this.#branches.values()) {
      const at = commits.indexOf(commit);
      if (at !== -1) return others.every((other) => commits.indexOf(other) !== -1 && commits.indexOf(other) <= at);
    }
    return others.length === 0;
  }

  /** @returns how the merge is interrupted. */
  merge(input: MergeInput, end: (end: MergeEnd) => void): () => void {
    const task: Task = { input, tries: 0, pushed: false, interrupted: false, over: false, end };
    const rival = [...this.#atWork].find(
      (other) =>
        other.input.rig === input.rig && this.#target(other) === this.#target(task) && other.input.withdrawn !== true,
    );
    if (rival !== undefined && input.withdrawn !== true)
      this.town.broken ??= new Broken(
        `rig ${input.rig}: ${rival.input.request.item} and ${input.request.item} are merged at once`,
      );
    this.#atWork.add(task);
    this.#try(task);
    return () => {
      if (task.over) return;
      task.interrupted = true;
      // One that has pushed may still say so before it hears of its end.
      if (!task.pushed || this.#next() < 0.5) this.#end(task, 'interrupted');
    };
  }

  #target({ input }: Task): string {
    return input.request.target === '' ? base : input.request.target;
  }

  #end(task: Task, end: MergeEnd): void {
    if (task.over) return;
    task.over = true;
    this.#atWork.delete(task);
    task.end(end);
  }

  #try(task: Task): void {
    task.tries += 1;
    const { clock } = this.town;
    clock.after(second + Math.floor(this.#next() * 90 * second), () =>
      this.town.whenThere(() => {
        if (task.over) return;
        if (this.town.remote.away) return this.#again(task, 'the remote does not answer');
        const outcome = this.#outcome(task);
        task.pushed = outcome.outcome === 'merged';
        // Its worker is killed before it could answer: the next one finds what has been pushed.
        if (!this.well && this.#next() < 0.1) return this.#again(task, 'its worker was killed');
        clock.after(second, () => this.town.whenThere(() => this.#end(task, { outcome })));
      }),
    );
  }

  #again(task: Task, reason: string): void {
    if (task.tries >= triesAtMost) return this.#end(task, { broke: reason });
    const wait = Math.min(5 * second * 2 ** (task.tries - 1), 120 * second);
    this.town.clock.after(wait, () => this.town.whenThere(() => (task.over ? undefined : this.#try(task))));
  }

  #outcome(task: Task): MergeOutcome {
    const { request, strategy, withdrawn } = task.input;
    const target = this.#target(task);
    const key = `${target} ${request.sha}`;
    const known = this.#merged.get(key);
    if (known !== undefined) return { outcome: 'merged', sha: known, target, strategy };
    if (withdrawn === true) return { outcome: 'error', reason: `${request.item} is not on ${target}` };
    const commits = this.#branches.get(target);
    if (commits === undefined) return { outcome: 'error', reason: `there is no branch ${target}` };
    const targetSha = commits.at(-1) ?? this.town.remote.baseSha;
    const drawn = this.well ? 1 : this.#next();
    if (drawn < 0.08) return { outcome: 'conflict', paths: ['README.md'], target, targetSha };
    if (drawn < 0.14) return { outcome: 'checks_failed', check: 'test', logTail: 'it fails', timedOut: drawn < 0.1 };
    if (drawn < 0.2) return { outcome: 'push_rejected', reason: 'the target moved', retry: true };
    if (drawn < 0.22) return { outcome: 'push_rejected', reason: 'the target is protected', retry: false };
    const sha = fakeSha('merge', target, request.sha);
    // An integration branch brings all that is on it.
    const brings = this.#branches.get(request.branch) ?? [];
    commits.push(...brings.filter((commit) => !commits.includes(commit)), sha);
    this.#merged.set(key, sha);
    return { outcome: 'merged', sha, target, strategy };
  }
}
