import { agentEnvironment } from '../../contract/index.js';
import { environmentOf, processTable } from '../../runner/processes/process.js';

/** Two attempts of one bead with processes that ran (not stopped) at the same time. */
export interface Overlap {
  bead: string;
  /** Older one first. */
  attempts: [string, string];
  from: number;
  until: number;
}

const lookEvery = 200;

/**
 * Looks at the process table all the time, by the marks that agents carry: are there ever two agents of one bead at
 * once? Linux only.
 */
export class ProcessWatch {
  readonly overlaps: Overlap[] = [];
  looks = 0;
  /** Most agents that were seen at once. */
  most = 0;
  readonly #marks = new Map<string, { bead: string; attempt: string } | undefined>();
  #timer: NodeJS.Timeout | undefined;

  /** @param folder of the run: other towns on this machine are none of its business. */
  constructor(private readonly isOurs: (bead: string) => boolean) {}

  start(): void {
    this.#timer = setInterval(() => this.look(), lookEvery);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** @returns the processes with a mark of ours. */
  marked(): { pid: number; stopped: boolean; bead: string; attempt: string }[] {
    return processTable().flatMap(({ pid, startTime, zombie, stopped }) => {
      if (zombie) return [];
      const key = `${pid}/${startTime}`;
      // Between fork and exec a process has its parent's environment: one without a mark is looked at again.
      const mark = this.#marks.get(key) ?? this.read(pid);
      this.#marks.set(key, mark);
      return mark === undefined ? [] : [{ pid, stopped, ...mark }];
    });
  }

  private look(): void {
    const now = Date.now();
    this.looks += 1;
    const running = new Map<string, Set<string>>();
    for (const { stopped, bead, attempt } of this.marked()) {
      if (stopped) continue;
      const attempts = running.get(bead) ?? new Set();
      running.set(bead, attempts.add(attempt));
    }
    this.most = Math.max(this.most, running.size);
    for (const [bead, attempts] of running) {
      if (attempts.size < 2) continue;
      const [first = '', second = ''] = [...attempts].sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
      const open = this.overlaps.find(
        (overlap) =>
          overlap.bead === bead &&
          overlap.attempts[0] === first &&
          overlap.attempts[1] === second &&
          now - overlap.until < 2_000,
      );
      if (open === undefined) this.overlaps.push({ bead, attempts: [first, second], from: now, until: now });
      else open.until = now;
    }
  }

  private read(pid: number): { bead: string; attempt: string } | undefined {
    const attempt = environmentOf(pid, agentEnvironment.attempt);
    const bead = attempt === undefined ? undefined : environmentOf(pid, agentEnvironment.bead);
    return attempt === undefined || bead === undefined || !this.isOurs(bead) ? undefined : { attempt, bead };
  }
}
