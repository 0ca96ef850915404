import type { BeadClient } from '../../client/beads.js';
import { BeadExistsError, ClientError } from '../../client/errors.js';
import { isFinal } from '../../contract/index.js';
import type { BeadInput, BeadView, Checkpoint } from '../../contract/index.js';
import { rest } from './until.js';

/** Work that a bead knew of: its agent's attempt had reported it, and it was on the origin. */
export interface Reported {
  bead: string;
  attempt: string;
  checkpoint: Checkpoint;
}

/** A bead as it was last seen. */
export interface ChaosBead {
  id: string;
  repo: number;
  rig?: string;
  steps: number;
  view?: BeadView;
  slungAt?: number;
  /** When its end was seen. */
  closedAt?: number;
}

const lookEvery = 1_000;
const answerWithin = 4_000;

/** Looks at all beads all the time, and remembers what they said they had. */
export class BeadWatch {
  readonly beads = new Map<string, ChaosBead>();
  /** Attempts that a remote refused, before or after they had finished, by id: their bead. */
  readonly refused = new Map<string, string>();
  readonly #reported = new Map<string, Reported>();
  #running: Promise<void> | undefined;

  constructor(
    private readonly client: BeadClient,
    private readonly stop: AbortSignal,
  ) {}

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when the last look has ended. */
  async end(): Promise<void> {
    await this.#running;
  }

  get reported(): Reported[] {
    return [...this.#reported.values()];
  }

  get open(): ChaosBead[] {
    return [...this.beads.values()].filter(({ view }) => view === undefined || !isFinal(view.status));
  }

  /** Slings a bead, however often the server is away meanwhile. */
  async sling(
    bead: Pick<ChaosBead, 'id' | 'repo' | 'rig' | 'steps'>,
    input: BeadInput,
    taskQueue: string,
  ): Promise<void> {
    while (!this.stop.aborted) {
      try {
        await this.client.start(input, taskQueue);
        break;
      } catch (error) {
        // It had come through, and only the answer got lost.
        if (error instanceof BeadExistsError) break;
        if (!(error instanceof ClientError)) throw error;
        await rest(500, this.stop);
      }
    }
    this.beads.set(bead.id, { ...bead, slungAt: Date.now() });
  }

  /** Looks at every bead that was open, once. */
  async look(): Promise<void> {
    const open = this.open;
    let next = 0;
    const work = async (): Promise<void> => {
      for (let bead = open[next++]; bead !== undefined && !this.stop.aborted; bead = open[next++])
        await this.#lookAt(bead);
    };
    await Promise.all(Array.from({ length: 6 }, work));
  }

  async #run(): Promise<void> {
    while (!this.stop.aborted) {
      await this.look();
      await rest(lookEvery, this.stop);
    }
  }

  async #lookAt(bead: ChaosBead): Promise<void> {
    let view: BeadView;
    try {
      view = await this.client.view(bead.id, answerWithin);
    } catch (error) {
      // No server, no worker: that is what is being tried.
      if (error instanceof ClientError) return;
      throw error;
    }
    bead.view = view;
    if (isFinal(view.status)) bead.closedAt ??= view.story.at(-1)?.at ?? Date.now();
    for (const { id, checkpoint, outcome } of view.attempts) {
      this.#remember(bead.id, id, checkpoint);
      if (outcome === 'push_refused') this.refused.set(id, bead.id);
    }
    if (view.current !== undefined) this.#remember(bead.id, view.current.id, view.current.checkpoint);
  }

  #remember(bead: string, attempt: string, checkpoint: Checkpoint | undefined): void {
    if (checkpoint === undefined) return;
    // A checkpoint that came from an earlier attempt is that one's.
    this.#reported.set(
      `${bead} ${checkpoint.sha}`,
      this.#reported.get(`${bead} ${checkpoint.sha}`) ?? { bead, attempt, checkpoint },
    );
  }
}
