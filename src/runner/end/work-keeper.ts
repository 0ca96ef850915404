import { existsSync } from 'node:fs';
import { Mutex } from 'async-mutex';
import { refNames } from '../../contract/index.js';
import { shortSha } from '../../domain/words.js';
import { errorMessage } from '../../edge/errors.js';
import {
  absentWithin,
  commitsAhead,
  conflictMarkers,
  descendsFrom,
  GitError,
  heavyFiles,
  movedWithin,
  notSignedOff,
  pushBranch,
  pushRefusal,
  sameFiles,
  saveRulesOf,
  saveWip,
  unfinishedIn,
  Voucher,
  worktreeStatus,
} from '../../git/index.js';
import type { Checkpoint, Saves, StartAgentInput } from '../../contract/index.js';
import {
  absentProblem,
  heavyProblem,
  leftBehind,
  meantStatus,
  signoffProblem,
  stashed,
  uncommittedProblem,
  unfinishedProblem,
  withinProblem,
} from './done-advice.js';
import type { AttemptWork, WorkEvents } from './attempt-work.js';
import { RequestRefused } from '../sockets/request-refused.js';
import type { AttemptDir } from '../attempt/attempt-dir.js';
import type { AgentReport, AttemptSetup, CheckpointAnswer, DoneAnswer, KeptWork } from '../types.js';

/** Where the work of an attempt lies and where it goes. */
export interface WorkPlace {
  bead: string;
  attempt: string;
  worktree: string;
  remote: string;
  /** How the rig wants work in progress saved. */
  saves?: Saves | undefined;
  /** Whether every commit has to carry a `Signed-off-by`. */
  signoff?: boolean | undefined;
  /** What the names of our refs on the remote begin with; as usual when absent. */
  refPrefix?: string | undefined;
  /** Untracked files that are no reason to refuse `done`, beside those that are known. */
  litter?: string[] | undefined;
  /** Commits count when they are ahead of this one. */
  baseSha: string;
  /** The saved work of an earlier attempt that this one goes on from. */
  goesOnFrom?: string;
  /** Finished work descends from this one. */
  rootSha: string;
}

/** @returns where an attempt's work lies and goes, by what is known of it on this host. */
export const workPlaceOf = (dir: AttemptDir, input: StartAgentInput, setup: AttemptSetup): WorkPlace => ({
  bead: input.bead,
  attempt: input.attempt,
  worktree: dir.worktree,
  remote: input.repo,
  saves: input.workspace?.saves,
  signoff: input.workspace?.signoff,
  refPrefix: input.workspace?.refPrefix,
  litter: input.workspace?.litter,
  baseSha: setup.baseSha,
  rootSha: setup.rootSha ?? setup.baseSha,
  goesOnFrom: setup.goesOnFrom ?? input.checkpoint?.sha,
});

/** A push that takes longer blocks nothing, but the next save waits for it. */
const pushWithinMs = 5 * 60_000;

/**
 * Saves the attempt's work and pushes it, one thing at a time. Failures are shown and tried again later; they never
 * stop an agent.
 */
export class WorkKeeper implements AttemptWork {
  /** Newest work that is known to be on the remote. */
  checkpoint: Checkpoint | undefined;
  /** Why the newest push failed. */
  pushProblem: string | undefined;
  /** Whether what failed may work later without anybody's help. */
  mayPass = true;
  report: AgentReport | undefined;
  /** What the agent has called done, and the remote has not taken; gone as soon as it has. */
  kept: KeptWork | undefined;
  /** What the agent has been asked already: commits, and what about them. */
  readonly #asked = new Set<string>();
  readonly #voucher: Voucher;
  readonly #turn = new Mutex();
  /** Ends the push of finished work that is on its way, or the last one that was. */
  #pushing: AbortController | undefined;
  /** A save that waits for its turn: another one asked for meanwhile would find the same. */
  #next: Promise<CheckpointAnswer | undefined> | undefined;

  constructor(
    private readonly place: WorkPlace,
    private readonly events: WorkEvents,
  ) {
    this.#voucher = new Voucher(place.signoff);
  }

  hasWorktree(): boolean {
    return existsSync(this.place.worktree);
  }

  /** Public half of the key by which this runner's word on finished work is known. */
  get vouchKey(): string {
    return this.#voucher.key;
  }

  /**
   * Saves the working tree as a wip commit and pushes it.
   * @param withinMs for everything together; less than the usual when somebody waits for it.
   * @returns undefined when it could not even be saved here; `pushProblem` says why.
   */
  save(withinMs: number = pushWithinMs): Promise<CheckpointAnswer | undefined> {
    this.#next ??= this.#turn.runExclusive(async () => {
      this.#next = undefined;
      try {
        const signal = AbortSignal.timeout(withinMs);
        const { bead, attempt, worktree, remote, baseSha, goesOnFrom, saves, signoff, refPrefix } = this.place;
        const { wip } = refNames(refPrefix);
        const hostOnly = saves?.policy === 'host';
        const { checkpoint, pushed, pushProblem, unsaved, trouble } = await saveWip({
          worktree,
          bead,
          attempt,
          remote,
          base: baseSha,
          push: !hostOnly,
          rules: saveRulesOf(saves),
          signoff,
          refPrefix,
          known: this.checkpoint?.ref === wip(bead, attempt) ? this.checkpoint.sha : undefined,
          signal,
          since: goesOnFrom ?? baseSha,
        });
        if (unsaved !== undefined)
          this.events.trouble('save', new Error(`not everything could be saved: ${unsaved.join('; ')}`));
        if (trouble !== undefined) this.events.trouble('save', new Error(trouble));
        if (pushed) this.#pushedAt(checkpoint);
        else if (!hostOnly) this.#failed('push', pushProblem ?? new Error('the remote did not take it'));
        return { checkpoint, pushed };
      } catch (error) {
        this.#failed('save', error);
        return undefined;
      }
    });
    return this.#next;
  }

  /** Escalation or any other report than `done`. */
  async reported(report: AgentReport): Promise<void> {
    await this.events.record(report);
    this.report = report;
  }

  /**
   * Takes the agent's word that it is done: refuses while there is uncommitted work, or work that builds on something
   * else than its base; pushes the commit that was looked at to the attempt's branch, and records the report before it
   * is answered.
   * @throws RequestRefused 409 when the agent has to mend something, 503 when the branch cannot be pushed for now.
   */
  done(summary: string | undefined): Promise<DoneAnswer> {
    return this.#turn.runExclusive(async () => {
      const { bead, attempt, worktree, baseSha, rootSha, signoff, refPrefix, litter } = this.place;
      const branch = refNames(refPrefix).branch(bead, attempt);
      const { head, meant } = await meantStatus(worktree, litter);
      const uncommitted = uncommittedProblem(worktree, meant);
      if (uncommitted !== undefined) throw new RequestRefused(409, `${uncommitted}, then report done again`);
      const unfinished = unfinishedProblem(worktree, await unfinishedIn(worktree));
      if (unfinished !== undefined) throw new RequestRefused(409, `${unfinished}; then report done again`);
      if (head === '' || !(await descendsFrom(worktree, head, rootSha))) throw this.#unrelated(head);
      const said = summary === undefined ? {} : { summary };
      const stash = await stashed(worktree);
      if (stash !== undefined) this.#askOnce(`stash ${stash.sha}`, stash.advice);
      if ((await commitsAhead(worktree, head, baseSha)) === 0) {
        const left = await leftBehind(worktree, { head, baseSha });
        if (left !== undefined) this.#askOnce(left.sha, left.advice);
        await this.reported({ kind: 'no_changes', sha: head, ...said, at: Date.now() });
        return { outcome: 'no_changes', sha: head };
      }
      if (await sameFiles(worktree, head, baseSha))
        this.#askOnce(
          `same ${head}`,
          'with your commits all files are as they were when this bead began, so that there is no work to take: ' +
            'commit what the task asks for',
        );
      if (signoff === true) {
        const unsigned = signoffProblem(await notSignedOff(worktree, { from: baseSha, to: head, refPrefix }));
        if (unsigned !== undefined) throw new RequestRefused(409, `${unsigned}, then report done again`);
      }
      const marked = await conflictMarkers(worktree, baseSha, head);
      if (marked.length > 0)
        this.#askOnce(
          head,
          `there are conflict markers in what you have committed (${marked.slice(0, 8).join(', ')}): resolve them`,
        );
      const heavy = heavyProblem(await heavyFiles(worktree, { from: baseSha, to: head }), baseSha);
      if (heavy !== undefined) this.#askOnce(`heavy ${head}`, heavy);
      const within = await movedWithin(worktree, baseSha, head);
      const undeclared = withinProblem(within.undeclared);
      if (undeclared !== undefined) this.#askOnce(`within ${head}`, undeclared);
      const absent = absentProblem(await absentWithin(worktree, within.declared), baseSha);
      if (absent !== undefined) this.#askOnce(`absent ${head}`, absent);
      const problem = await this.#push({ branch, sha: head, ...said });
      if (problem !== undefined) throw problem;
      return { outcome: 'done', branch, sha: head };
    });
  }

  /**
   * Pushes once more what was called done; only while it is still what the worktree stands at. The agent has gone: also
   * a push that it had asked for, and that is still on its way, is waited for no longer.
   */
  async pushKept(withinMs: number): Promise<void> {
    const enough = AbortSignal.timeout(withinMs);
    const cut = (): void => this.#pushing?.abort(enough.reason);
    enough.addEventListener('abort', cut);
    try {
      await this.#turn.runExclusive(async () => {
        const { kept } = this;
        if (kept === undefined || this.report !== undefined || enough.aborted) return;
        try {
          const { head } = await worktreeStatus(this.place.worktree);
          if (head === kept.sha) await this.#push(kept);
          // The agent went on and never said that it was done with that: what it called done before is not the end.
          else await this.#keep(undefined);
        } catch (error) {
          this.#failed('push', error);
        }
      });
    } finally {
      enough.removeEventListener('abort', cut);
    }
  }

  /** @returns why it could not be pushed, for the agent; undefined when it is there and the report is recorded. */
  async #push({
    branch,
    sha,
    summary,
  }: Pick<KeptWork, 'branch' | 'sha' | 'summary'>): Promise<RequestRefused | undefined> {
    const { bead, attempt, worktree, remote, refPrefix } = this.place;
    const said = summary === undefined ? {} : { summary };
    this.#pushing = new AbortController();
    const { signal } = this.#pushing;
    try {
      await pushBranch({ worktree, remote, bead, attempt, sha, voucher: this.#voucher, refPrefix, signal });
    } catch (error) {
      this.#failed('push', error);
      const reason = this.pushProblem ?? errorMessage(error);
      const refusal = error instanceof GitError ? pushRefusal(error) : undefined;
      const mayPass = refusal === undefined && this.mayPass;
      await this.#keep({ branch, sha, reason, mayPass, ...said });
      switch (refusal) {
        case 'commit': {
          // Git has said nothing where it is not the remote that refuses.
          const ours = error instanceof GitError && error.stderr === '';
          const what = ours ? 'these commits cannot be taken' : 'the remote does not take these commits';
          return new RequestRefused(409, `${what}: ${reason}; then report done again`);
        }
        case 'access':
        case 'ref':
          return new RequestRefused(
            503,
            `the branch could not be pushed: ${reason}. Your commits are kept, and nothing in them has to ` +
              'change: a person is asked, and you may end now',
          );
        case undefined:
          return new RequestRefused(
            503,
            `the branch could not be pushed: ${reason}; report done again in a while, or end: your commits ` +
              'are kept and pushed later',
          );
      }
    }
    await this.#keep(undefined);
    await this.reported({ kind: 'done', branch, sha, ...said, at: Date.now() });
    return undefined;
  }

  async #keep(work: KeptWork | undefined): Promise<void> {
    if (this.kept === undefined && work === undefined) return;
    this.kept = work;
    try {
      await this.events.kept(work);
    } catch (error) {
      // Only a successor of this runner would miss it; the agent's answer must not depend on a full disk.
      this.events.trouble('runner.json', error);
    }
  }

  /** What may be meant so is asked about; who reports done again on the same commit has answered. */
  #askOnce(about: string, question: string): void {
    if (this.#asked.has(about)) return;
    this.#asked.add(about);
    throw new RequestRefused(
      409,
      `${question}, and report done again; if it is meant to be so, just report done again`,
    );
  }

  #unrelated(head: string): RequestRefused {
    const { bead, attempt, rootSha, refPrefix } = this.place;
    const branch = refNames(refPrefix).branch(bead, attempt);
    const what = head === '' ? 'the branch that is checked out has no commit' : `HEAD (${shortSha(head)})`;
    const advice =
      head === ''
        ? `\`git checkout ${branch}\``
        : `\`git checkout -B ${branch} ${rootSha}\`, then take your work from there (\`git cherry-pick …\`, or ` +
          `\`git checkout ${shortSha(head)} -- PATH\`)`;
    return new RequestRefused(
      409,
      `${what} does not build on the commit that this bead began with (${shortSha(rootSha)}): ${advice}, ` +
        'commit, and report done again',
    );
  }

  #pushedAt(checkpoint: Checkpoint): void {
    const news = this.checkpoint?.sha !== checkpoint.sha || this.checkpoint.ref !== checkpoint.ref;
    this.checkpoint = checkpoint;
    this.pushProblem = undefined;
    if (news) this.events.changed(checkpoint);
  }

  #failed(what: string, error: unknown): void {
    this.mayPass = !(error instanceof GitError) || error.mayPass;
    const timedOut = error instanceof DOMException && error.name === 'TimeoutError';
    this.pushProblem = timedOut ? 'it took too long' : errorMessage(error);
    this.events.trouble(what, error);
  }
}
