import type { BeadClient } from '../../client/beads.js';
import { ClientError } from '../../client/errors.js';
import type { BeadView } from '../../contract/index.js';
import type { BeadWatch } from './bead-watch.js';
import type { ChaosOrigin } from './origins.js';
import { rest } from './until.js';

export interface OperatorOptions {
  beads: BeadClient;
  watch: BeadWatch;
  /** Lets the rig of a repository start attempts again, where it has one. */
  resume: (repo: number) => Promise<unknown>;
  origins: readonly ChaosOrigin[];
  stop: AbortSignal;
  say: (line: string) => void;
}

const lookEvery = 1_000;

/** As a bead says that its remote has not taken the merge of its verified work. */
const mergeRefused = /^the merge could not be pushed: /;

/**
 * @returns whether a bead waits for a person because of its remote: that did not take what its agent had finished, or
 * could not be read, or did not take the merge.
 */
export function waitsForRemote({ status, attempts, reason }: BeadView): boolean {
  const outcome = attempts.at(-1)?.outcome;
  return (
    status === 'blocked' && (outcome === 'push_refused' || outcome === 'setup_failed' || mergeRefused.test(reason))
  );
}

/**
 * The person who mends a remote and then does what the beads that wait for it ask for: `retry`, and `rig resume`. A
 * bead that waits for anything else is left as it is: nobody has promised that a person would help there.
 */
export class Operator {
  #running: Promise<void> | undefined;

  constructor(private readonly options: OperatorOptions) {}

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when the last look has ended. */
  async end(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    const { watch, origins, stop } = this.options;
    while (!stop.aborted) {
      for (const { id, repo, view } of watch.open) {
        if (view !== undefined && waitsForRemote(view) && origins[repo]?.refusing === undefined)
          await this.#retry(id, repo);
      }
      await rest(lookEvery, stop);
    }
  }

  async #retry(bead: string, repo: number): Promise<void> {
    const { beads, resume, say } = this.options;
    // In this order: a rig that nothing has stopped refuses to be resumed, and the bead is to be retried all the same.
    try {
      say(`retry ${bead}: ${await beads.retry(bead)}`);
      await resume(repo);
    } catch (error) {
      // No server, no worker, nothing to resume, or it has gone on meanwhile: the next look tells.
      if (!(error instanceof ClientError)) throw error;
    }
  }
}
