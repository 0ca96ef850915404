import { Mutex } from 'async-mutex';
import { GitError, pushBranch, saveWip, worktreeStatus } from '../git/index.js';
import { runGit } from '../git/run-git.js';
import type { Checkpoint } from '../contract/index.js';
import { Refusal } from './json-server.js';
import type { AgentReport, CheckpointAnswer, DoneAnswer } from './types.js';

/** Where the work of an attempt lies and where it goes. */
export interface WorkPlace {
  bead: string;
  attempt: string;
  worktree: string;
  remote: string;
  /** Commits count when they are ahead of this one. */
  baseSha: string;
  /** The saved work of an earlier attempt that this one goes on from. */
  goesOnFrom?: string;
}

/** A push that takes longer blocks nothing, but the next save waits for it. */
const PUSH_WITHIN_MS = 5 * 60_000;
/** Named in a refusal; more would not help anybody. */
const PATHS_NAMED = 8;

/**
 * Saves the attempt's work and pushes it, one thing at a time. Failures are shown and tried again later; they never
 * stop an agent.
 */
export class WorkKeeper {
  /** Newest work that is known to be on the remote. */
  checkpoint: Checkpoint | undefined;
  /** Why the newest push failed. */
  pushProblem: string | undefined;
  /** Whether what failed may work later without anybody's help. */
  mayPass = true;
  report: AgentReport | undefined;
  private readonly turn = new Mutex();
  /** A save that waits for its turn: another one asked for meanwhile would find the same. */
  private next: Promise<CheckpointAnswer | undefined> | undefined;

  constructor(
    private readonly place: WorkPlace,
    private readonly events: {
      record(report: AgentReport): Promise<void>;
      changed(checkpoint: Checkpoint): void;
      trouble(what: string, error: unknown): void;
    },
  ) {}

  /**
   * Saves the working tree as a wip commit and pushes it.
   * @param withinMs - for everything together; less than the usual when somebody waits for it.
   * @returns undefined when it could not even be saved here; `pushProblem` says why.
   */
  save(withinMs: number = PUSH_WITHIN_MS): Promise<CheckpointAnswer | undefined> {
    this.next ??= this.turn.runExclusive(async () => {
      this.next = undefined;
      try {
        const signal = AbortSignal.timeout(withinMs);
        const { bead, attempt, worktree, remote, baseSha, goesOnFrom } = this.place;
        const { checkpoint, pushed, pushProblem, unsaved } = await saveWip({
          worktree,
          bead,
          attempt,
          remote,
          push: true,
          signal,
          since: goesOnFrom ?? baseSha,
        });
        if (unsaved !== undefined)
          this.events.trouble('save', new Error(`not everything could be saved: ${unsaved.join('; ')}`));
        if (pushed) this.pushedAt(checkpoint);
        else this.failed('push', pushProblem ?? new Error('the remote did not take it'));
        return { checkpoint, pushed };
      } catch (error) {
        this.failed('save', error);
        return undefined;
      }
    });
    return this.next;
  }

  /** Escalation or any other report than `done`. */
  async reported(report: AgentReport): Promise<void> {
    await this.events.record(report);
    this.report = report;
  }

  /**
   * Takes the agent's word that it is done: refuses while there is uncommitted work, pushes HEAD to the attempt's
   * branch, and records the report before it is answered.
   * @throws Refusal 409 when the tree is dirty, 503 when the branch cannot be pushed for now.
   */
  done(summary: string | undefined): Promise<DoneAnswer> {
    return this.turn.runExclusive(async () => {
      const { bead, attempt, worktree, remote, baseSha } = this.place;
      const { head, dirty } = await worktreeStatus(worktree);
      if (dirty)
        throw new Refusal(
          409,
          `there is uncommitted work: ${await this.dirtyPaths()}; commit what belongs to the task, remove or ignore the rest, then report done again`,
        );
      const said = summary === undefined ? {} : { summary };
      if ((await this.commitsAhead(baseSha)) === 0) {
        await this.reported({ kind: 'no_changes', sha: head, ...said, at: Date.now() });
        return { outcome: 'no_changes', sha: head };
      }
      let pushed;
      try {
        pushed = await pushBranch({ worktree, remote, bead, attempt });
      } catch (error) {
        this.failed('push', error);
        throw new Refusal(
          503,
          `the branch could not be pushed: ${error instanceof Error ? error.message : String(error)}; report done again in a while`,
        );
      }
      await this.reported({ kind: 'done', ...pushed, ...said, at: Date.now() });
      return { outcome: 'done', ...pushed };
    });
  }

  private pushedAt(checkpoint: Checkpoint): void {
    const news = this.checkpoint?.sha !== checkpoint.sha || this.checkpoint.ref !== checkpoint.ref;
    this.checkpoint = checkpoint;
    this.pushProblem = undefined;
    if (news) this.events.changed(checkpoint);
  }

  private failed(what: string, error: unknown): void {
    this.mayPass = !(error instanceof GitError) || error.mayPass;
    const timedOut = error instanceof DOMException && error.name === 'TimeoutError';
    this.pushProblem = timedOut ? 'it took too long' : error instanceof Error ? error.message : String(error);
    this.events.trouble(what, error);
  }

  private async commitsAhead(baseSha: string): Promise<number> {
    const { stdout } = await runGit({ worktree: this.place.worktree }, ['rev-list', '--count', `${baseSha}..HEAD`], {
      doing: 'counting commits',
    });
    return Number(stdout.trim());
  }

  private async dirtyPaths(): Promise<string> {
    const { stdout } = await runGit({ worktree: this.place.worktree }, ['status', '--porcelain', '-z'], {
      doing: 'listing uncommitted work',
    });
    const paths = stdout
      .split('\0')
      .filter((entry) => entry.length > 3)
      .map((entry) => entry.slice(3));
    return `${paths.slice(0, PATHS_NAMED).join(', ')}${paths.length > PATHS_NAMED ? ` and ${paths.length - PATHS_NAMED} more` : ''}`;
  }
}
