import { findAgentGit, readAgentHead } from '../../git/agent-git.js';
import { keeperState } from '../../git/keeper.js';
import { AttemptDir } from '../../runner/index.js';
import { rest } from './until.js';
import type { WorkerHost } from './worker-host.js';

/** A commit that stood at HEAD in an agent's own repository. */
export interface SeenCommit {
  bead: string;
  attempt: string;
  sha: string;
}

/** Shorter than an agent takes from one commit to the next. */
const lookEvery = 500;

/** Looks into the agents' own repositories all the time: what they have committed, whoever else has heard of it. */
export class CommitWatch {
  readonly #seen = new Map<string, SeenCommit>();
  #running: Promise<void> | undefined;

  constructor(
    private readonly hosts: readonly WorkerHost[],
    private readonly stop: AbortSignal,
  ) {}

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when the last look has ended. */
  async end(): Promise<void> {
    await this.#running;
  }

  get seen(): SeenCommit[] {
    return [...this.#seen.values()];
  }

  async #run(): Promise<void> {
    while (!this.stop.aborted) {
      for (const { home } of this.hosts) for (const dir of await AttemptDir.list(home)) await this.#lookAt(dir);
      await rest(lookEvery, this.stop);
    }
  }

  async #lookAt({ bead, attempt, worktree }: AttemptDir): Promise<void> {
    // Before that no agent is there: HEAD may stand at the snapshot that the attempt goes on from.
    if ((await keeperState(worktree))?.ready !== true) return;
    const git = await findAgentGit(worktree, true);
    // It is not made yet, or removed already.
    if (typeof git === 'string') return;
    const head = await readAgentHead(git);
    if (head.kind === 'commit') this.#seen.set(`${attempt} ${head.sha}`, { bead, attempt, sha: head.sha });
  }
}
