import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dropSpareTree, exists, lookOverSpareTree, makeSpareTree, repositoryConfiguration } from '../../git/index.js';
import type { SpareLook, SpareTree } from '../../git/index.js';
import { isMissing } from '../../edge/errors.js';
import { diskProblem } from '../../host/index.js';
import type { Host } from '../../host/index.js';

/** The next one is made when the agent of the last start has had the disk for a moment; milliseconds. */
const nextAfter = 1_000;
/** Each takes as much of the disk as a worktree. */
const atMost = 3;
/** Of a repository in which nothing begins for so long none is kept; milliseconds. */
const keptFor = 60 * 60_000;
/** Nobody waits longer for the end of a worker; milliseconds. */
const closeWithin = 5_000;

interface Kept {
  spare: SpareTree;
  /** Of the repository by which it is looked over. */
  configuration: string;
  look?: SpareLook | undefined;
  timer: NodeJS.Timeout;
}

/**
 * One tree for each repository that this host has begun work in lately, checked out before the next attempt asks for
 * it: to write thousands of files takes longer than all else of a start. It lies where no agent's cell reaches, and an
 * attempt that takes it makes it equal to its own commit. What was made by an earlier worker is not used.
 */
export class SpareTrees {
  /** By mirror; the longest unused one first. */
  readonly #kept = new Map<string, Kept>();
  /** By mirror: the commit that the next one is made of. */
  readonly #wanted = new Map<string, string>();
  /** Trees with submodules, or that could not be made: not tried again before another commit is asked for. */
  readonly #unfit = new Map<string, string>();
  /** Paths of trees that were taken: what a start has not used is still there. */
  readonly #taken = new Set<string>();
  readonly #over = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> | undefined;

  constructor(private readonly host: Pick<Host, 'home' | 'diskFloor' | 'places' | 'logger'>) {}

  get #folder(): string {
    return join(this.host.home, 'spare-trees');
  }

  /** Removes what an earlier worker has left; once, before anything is made. */
  begin(): void {
    this.#do(() => this.#clear());
  }

  /**
   * Begins a look at the files of the tree that waits for this mirror, whoever takes it.
   * @param at the commit that is going to be wanted, where that is known.
   * @param signal breaks it off, and ends its worth: what was seen counts only as long as the start goes on.
   */
  lookOver(mirror: string, { at, signal }: { at?: string | undefined; signal: AbortSignal }): void {
    const kept = this.#kept.get(mirror);
    if (kept === undefined || kept.look !== undefined || (at !== undefined && at !== kept.spare.at)) return;
    const { spare, configuration } = kept;
    const look = lookOverSpareTree(spare, {
      configuration,
      signal: AbortSignal.any([signal, this.#over.signal]),
      onTrouble: (error) => this.#warn(`the spare tree ${spare.path} could not be looked over`, error),
    });
    kept.look = look;
    const forget = (): void => void look.over.then(() => (kept.look = undefined));
    if (signal.aborted) forget();
    else signal.addEventListener('abort', forget, { once: true });
  }

  /**
   * @returns the tree that waits for this mirror, which is the caller's until {@link dropSoon}; undefined when there is
   * none.
   */
  take(mirror: string): SpareTree | undefined {
    const kept = this.#kept.get(mirror);
    if (kept === undefined) return undefined;
    clearTimeout(kept.timer);
    this.#kept.delete(mirror);
    return { ...kept.spare, look: kept.look };
  }

  /** An attempt has begun at this commit: the next one may, too. */
  stockSoon(mirror: string, at: string): void {
    if (this.#over.signal.aborted || this.#unfit.get(mirror) === at) return;
    this.#wanted.set(mirror, at);
    this.#soon();
  }

  /**
   * What is left of a tree that was taken goes when no start is on its way: to remove a large one takes seconds. When
   * this worker ends before, the next one removes it.
   */
  dropSoon(spare: SpareTree | undefined): void {
    if (spare === undefined || this.#over.signal.aborted) return;
    this.#taken.add(spare.path);
    this.#soon();
  }

  #soon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.stock(), nextAfter);
    this.#timer.unref();
  }

  /** Begins to make what is wanted, unless it is at it. */
  stock(): void {
    this.#do(() => this.#make());
  }

  /** @returns when nothing is being made or looked at any more. */
  async settled(): Promise<void> {
    await this.#work;
    await Promise.all([...this.#kept.values()].flatMap(({ look }) => look?.over ?? []));
  }

  /** Gives the disk back what waits. @returns whether there was anything. */
  async dropAll(): Promise<boolean> {
    const all = [...this.#kept.keys()];
    for (const mirror of all) await this.#drop(mirror);
    return (await this.#dropTaken()) || all.length > 0;
  }

  /** Nothing is made any more. What the disk does not take back soon is left to the next worker. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#over.abort(new Error('the worker stops'));
    const gone = this.settled().then(() => this.dropAll());
    await Promise.race([gone, sleep(closeWithin, undefined, { ref: false })]);
  }

  /** One thing at a time; what is asked for meanwhile follows. */
  #do(work: () => Promise<void>): void {
    if (this.#over.signal.aborted) return;
    this.#work ??= work().finally(() => {
      this.#work = undefined;
      if (this.#wanted.size > 0 || this.#taken.size > 0) this.stock();
    });
  }

  async #make(): Promise<void> {
    for (;;) {
      await this.host.places.betweenStarts();
      if (this.#over.signal.aborted) return;
      await this.#dropTaken();
      const [next] = this.#wanted;
      if (next === undefined || this.#over.signal.aborted) return;
      const [mirror, at] = next;
      this.#wanted.delete(mirror);
      // One that waits is made equal to the commit that it is needed at.
      if (this.#kept.has(mirror)) continue;
      const spare: SpareTree = { mirror, at, path: join(this.#folder, randomBytes(6).toString('hex')) };
      try {
        if (!(await this.#room())) continue;
        if (!(await makeSpareTree(spare, this.#over.signal))) this.#unfit.set(mirror, at);
        else if (await this.#room()) this.#keep(spare, await repositoryConfiguration(mirror));
        else await dropSpareTree(spare.path);
      } catch (error) {
        if (this.#over.signal.aborted) return;
        this.#unfit.set(mirror, at);
        this.#warn(`no tree of ${mirror} could be checked out in advance; its agents' starts take longer`, error);
      }
    }
  }

  #keep(spare: SpareTree, configuration: string): void {
    const timer = setTimeout(() => void this.#drop(spare.mirror), keptFor);
    timer.unref();
    this.#kept.set(spare.mirror, { spare, configuration, timer });
    const [longest] = this.#kept.keys();
    if (this.#kept.size > atMost && longest !== undefined) void this.#drop(longest);
  }

  async #drop(mirror: string): Promise<void> {
    const spare = this.take(mirror);
    if (spare === undefined) return;
    spare.look?.stop();
    await spare.look?.over;
    await this.#remove(spare.path);
  }

  /** @returns whether there was anything; most starts have used the whole tree. */
  async #dropTaken(): Promise<boolean> {
    let found = false;
    for (const path of this.#taken) {
      this.#taken.delete(path);
      if (!(await exists(path))) continue;
      found = true;
      await this.#remove(path);
    }
    return found;
  }

  #remove(path: string): Promise<void> {
    return dropSpareTree(path).catch((error: unknown) =>
      this.#warn(`the spare tree ${path} could not be removed; the next worker tries again`, error),
    );
  }

  /** What waits must not take the room of what works. */
  async #room(): Promise<boolean> {
    return (await diskProblem(this.host.home, 2 * this.host.diskFloor)) === undefined;
  }

  async #clear(): Promise<void> {
    try {
      for (const name of await readdir(this.#folder)) await dropSpareTree(join(this.#folder, name));
    } catch (error) {
      if (!isMissing(error)) this.#warn('what an earlier worker kept ready could not be removed', error);
    }
  }

  #warn(what: string, error: unknown): void {
    this.host.logger.warn({ err: error }, what);
  }
}
