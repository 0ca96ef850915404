import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withFileLock } from './file-lock.mjs';
import { executableProblem } from '../edge/programs.js';
import type { BinarySource } from './found-binary.js';

/** Beside every cached program: where it came from. Written last, so its presence says that the entry is whole. */
const cardName = 'binary.json';
const unfinished = 'unfinished-';

export interface CachedBinary {
  path: string;
  /** How it got into the cache. */
  origin: BinarySource;
  version: string;
}

/** One kind of program in the cache: `<cache>/<kind>/<key>/<program>`; a key names one version of one origin. */
export class BinaryCache {
  readonly #folder: string;
  readonly #program: string;

  constructor(cache: string, kind: string, program: string) {
    this.#folder = join(cache, kind);
    this.#program = process.platform === 'win32' ? `${program}.exe` : program;
  }

  /** The program's file name. */
  get program(): string {
    return this.#program;
  }

  /** @returns the first of the keys that is there, whole and executable. */
  find(keys: readonly string[]): CachedBinary | undefined {
    for (const key of keys) {
      const path = join(this.#folder, key, this.#program);
      const card = join(this.#folder, key, cardName);
      if (!existsSync(card) || executableProblem(path) !== undefined) continue;
      const { origin, version } = JSON.parse(readFileSync(card, 'utf8')) as { origin: BinarySource; version: string };
      return { path, origin, version };
    }
    return undefined;
  }

  /**
   * Runs the action while no other process fetches this kind of program; what died in the middle of one is cleared away
   * first.
   */
  async exclusively<T>(
    log: (line: string) => void,
    signal: AbortSignal | undefined,
    action: () => Promise<T>,
  ): Promise<T> {
    const onWait = ({ pid, host }: { pid: number; host: string }): void =>
      log(`another process (${pid} on ${host}) is getting it; waiting for that`);
    return withFileLock(
      join(this.#folder, 'lock'),
      async () => {
        for (const name of await readdir(this.#folder))
          if (name.startsWith(unfinished)) await rm(join(this.#folder, name), { recursive: true, force: true });
        return action();
      },
      { onWait, signal },
    );
  }

  /**
   * Adds an entry: `make` fills a folder beside the final one, which then takes its place at once. So a program in the
   * cache is always whole.
   * @param make puts the program into the folder and returns its version.
   */
  async add(key: string, origin: BinarySource, make: (folder: string) => Promise<string>): Promise<CachedBinary> {
    await mkdir(this.#folder, { recursive: true });
    const folder = await mkdtemp(join(this.#folder, unfinished));
    try {
      const version = await make(folder);
      await writeFile(join(folder, cardName), JSON.stringify({ origin, version }));
      const final = join(this.#folder, key);
      await rm(final, { recursive: true, force: true });
      await rename(folder, final);
      return { path: join(final, this.#program), origin, version };
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }
}
