import { attemptRefs } from '../contract/index.js';
import type { Checkpoint } from '../contract/index.js';
import type { AttemptWork, WorkEvents } from '../runner/end/attempt-work.js';
import { RequestRefused } from '../runner/sockets/request-refused.js';
import type { AgentReport, CheckpointAnswer, DoneAnswer, KeptWork } from '../runner/types.js';
import { fakeSha } from './fake-remote.js';
import type { FakeRemote } from './fake-remote.js';

/** What a worktree needs of its host. */
export interface WorkHost {
  readonly remote: FakeRemote;
  readonly remoteInReach: boolean;
  readonly clock: { now(): number };
}

/** Why a push fails on a fake host. */
const unreachable = 'the remote is unreachable';
/** @returns what a remote that takes no finished branch says. */
export const refusalOf = (refuses: NonNullable<FakeRemote['refuses']>): string => `refused ${refuses}`;

/**
 * An attempt's worktree on a fake host, and its way to the fake remote: what `WorkKeeper` does by git, done by names of
 * commits. It lies on the disk and outlives its runner.
 */
export class FakeWork implements AttemptWork {
  checkpoint: Checkpoint | undefined;
  pushProblem: string | undefined;
  /** Whether what failed may work later without anybody's help. */
  mayPass = true;
  report: AgentReport | undefined;
  kept: KeptWork | undefined;
  readonly vouchKey = 'fake';
  /** Hears of changes: the runner that is at work. */
  events: WorkEvents | undefined;
  #saves = 0;
  /** The newest save, on the remote or not. */
  #newest: Checkpoint | undefined;
  /** The agent has changed a file since the last save. */
  #changed = false;
  /** The agent has changed a file. */
  #gained = false;

  constructor(
    private readonly host: WorkHost,
    private readonly names: { bead: string; attempt: string },
    /** The agent will report that there was nothing to do. */
    private readonly nothingToDo: boolean,
  ) {}

  /** The agent has changed a file. */
  change(): void {
    this.#changed = true;
    this.#gained = true;
  }

  hasWorktree(): boolean {
    return true;
  }

  save(): Promise<CheckpointAnswer | undefined> {
    const { bead, attempt } = this.names;
    const ref = attemptRefs.wip(bead, attempt);
    const news = this.#newest === undefined || this.#changed;
    if (news) {
      this.#changed = false;
      this.#saves += 1;
      this.#newest = { sha: fakeSha(bead, attempt, 'wip', this.#saves), ref, wip: true, gained: this.#gained };
    }
    const checkpoint = this.#newest as Checkpoint;
    if (!this.host.remoteInReach) {
      this.pushProblem = unreachable;
      this.mayPass = true;
      return Promise.resolve({ checkpoint, pushed: false });
    }
    this.pushProblem = undefined;
    if (this.checkpoint === checkpoint) return Promise.resolve({ checkpoint, pushed: true });
    this.host.remote.push(ref, checkpoint.sha);
    this.checkpoint = checkpoint;
    this.events?.changed(checkpoint);
    return Promise.resolve({ checkpoint, pushed: true });
  }

  async reported(report: AgentReport): Promise<void> {
    await this.events?.record(report);
    this.report = report;
  }

  async done(summary: string | undefined): Promise<DoneAnswer> {
    const { bead, attempt } = this.names;
    const at = this.host.clock.now();
    if (this.nothingToDo) {
      const sha = this.host.remote.baseSha;
      await this.reported({ kind: 'no_changes', sha, summary, at });
      return { outcome: 'no_changes', sha };
    }
    const branch = attemptRefs.branch(bead, attempt);
    const sha = fakeSha(bead, attempt, 'done');
    const problem = await this.#push({ branch, sha, summary });
    if (problem !== undefined) throw new RequestRefused(503, `the branch could not be pushed: ${problem}`);
    return { outcome: 'done', branch, sha };
  }

  async pushKept(): Promise<void> {
    if (this.kept !== undefined && this.report === undefined) await this.#push(this.kept);
  }

  /** @returns why it could not be pushed; undefined when it is there and the report is recorded. */
  async #push({ branch, sha, summary }: Pick<KeptWork, 'branch' | 'sha' | 'summary'>): Promise<string | undefined> {
    const { bead, attempt } = this.names;
    const { refuses } = this.host.remote;
    const reason = !this.host.remoteInReach ? unreachable : refuses === undefined ? undefined : refusalOf(refuses);
    this.pushProblem = reason;
    if (reason !== undefined) {
      this.mayPass = reason === unreachable || refuses === 'for now';
      this.kept = { branch, sha, summary, reason, mayPass: this.mayPass };
      await this.events?.kept(this.kept);
      return reason;
    }
    this.host.remote.push(attemptRefs.branchRef(bead, attempt), sha);
    if (this.kept !== undefined) {
      this.kept = undefined;
      await this.events?.kept(undefined);
    }
    await this.reported({ kind: 'done', branch, sha, summary, at: this.host.clock.now() });
    return undefined;
  }

  /** Whether the remote has answered, and does not take what is finished: another try would not help soon. */
  get refused(): boolean {
    return this.kept !== undefined && this.kept.reason !== unreachable;
  }
}
