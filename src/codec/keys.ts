import type { KeyObject } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { runProgram } from '../edge/run-program.js';
import { KeysError, readRing } from './ring.js';
import type { KeyRing } from './ring.js';
import { placeOfKeys } from './source.js';
import type { KeySource } from './source.js';

/** Whether a file has changed is looked at again after so long; whoever rotates keys does not wait for longer. */
const fileFreshMs = 2_000;
/** A command may ask a service of keys, which counts requests. */
const commandFreshMs = 5 * 60_000;
/** A key that is missing is looked for at once, but not with every payload that wants it. */
const missingFreshMs = { file: 500, command: 10_000 };
const commandWithinMs = 30_000;
const ringBytes = 1024 * 1024;
/** Payloads wait so long for a ring that is looked at again; then the one of before serves them until it is there. */
const patienceMs = 500;

/** One look at where the keys come from. */
interface Reading {
  /** What it finds. */
  whole: Promise<KeyRing>;
  /** The same if it is quick, else the ring of before. */
  soon: Promise<KeyRing>;
}

/**
 * The keys of a town, as they are now: a ring that changes is read again, in living processes too. A ring that cannot
 * be read any more leaves the last good one in force.
 */
export class Keys {
  readonly #source: KeySource;
  readonly #now: () => number;
  readonly #onTrouble: (error: Error) => void;
  #ring: KeyRing | undefined;
  #readAt = 0;
  #state = '';
  #reading: Reading | undefined;

  /** @param onTrouble hears why a ring that was there before cannot be read again. */
  constructor(
    source: KeySource,
    { now = Date.now, onTrouble = () => undefined }: { now?: () => number; onTrouble?: (error: Error) => void } = {},
  ) {
    this.#source = source;
    this.#now = now;
    this.#onTrouble = onTrouble;
  }

  get place(): string {
    return placeOfKeys(this.#source);
  }

  /** @throws KeysError when there has never been a good one. */
  ring(): Promise<KeyRing> {
    return this.#within('file' in this.#source ? fileFreshMs : commandFreshMs, 'soon');
  }

  /** @throws KeysError when there is no such key, after one more look. */
  async key(id: string): Promise<KeyObject> {
    const known = (await this.ring()).keys.get(id);
    if (known !== undefined) return known;
    const fresh = await this.#within('file' in this.#source ? missingFreshMs.file : missingFreshMs.command, 'whole');
    const found = fresh.keys.get(id);
    if (found !== undefined) return found;
    throw missingKey(id, this.place, [...fresh.keys.keys()]);
  }

  async #within(freshMs: number, which: keyof Reading): Promise<KeyRing> {
    if (this.#ring !== undefined && this.#now() - this.#readAt < freshMs) return this.#ring;
    // Many payloads at once want it; one look is enough for all of them.
    this.#reading ??= this.#look(this.#ring);
    return this.#reading[which];
  }

  #look(known: KeyRing | undefined): Reading {
    const whole = this.#read().finally(() => {
      this.#reading = undefined;
      ended.abort();
    });
    const ended = new AbortController();
    if (known === undefined) return { whole, soon: whole };
    // A command, or a disk, that hangs holds no payload up for which there is a key.
    const enough = sleep(patienceMs, known, { signal: ended.signal }).catch(() => whole);
    const soon = Promise.race([whole, enough]);
    // Whoever waits for the whole of it hears of a failure.
    soon.catch(() => undefined);
    return { whole, soon };
  }

  async #read(): Promise<KeyRing> {
    try {
      const ring = 'file' in this.#source ? await this.#ofFile(this.#source.file) : await this.#ofCommand(this.#source);
      this.#ring = ring;
      return ring;
    } catch (error) {
      if (this.#ring === undefined || !(error instanceof KeysError)) throw error;
      this.#onTrouble(error);
      return this.#ring;
    } finally {
      this.#readAt = this.#now();
    }
  }

  async #ofFile(file: string): Promise<KeyRing> {
    try {
      const { mtimeMs, ino, size } = await stat(file);
      const state = `${mtimeMs} ${ino} ${size}`;
      if (this.#ring !== undefined && state === this.#state) return this.#ring;
      if (size > ringBytes)
        throw new KeysError(`the keys from ${file} cannot be used: it is too large`, 'name another file');
      const ring = readRing(await readFile(file, 'utf8'), file);
      this.#state = state;
      return ring;
    } catch (error) {
      if (error instanceof KeysError) throw error;
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
      throw new KeysError(`the keys of this town's payloads cannot be read from ${file} (${code})`, howToGiveKeys);
    }
  }

  async #ofCommand({ command }: { command: string }): Promise<KeyRing> {
    const { code, signal, ended, stdout } = await runProgram('/bin/sh', ['-c', command], {
      within: commandWithinMs,
      maxBytes: ringBytes,
    });
    if (code === 0 && ended === undefined) return readRing(stdout, this.place);
    // Not its output, which may hold keys.
    const how =
      ended === 'too late'
        ? `was ended after ${commandWithinMs / 1_000} s`
        : ended === 'too much'
          ? 'says more than any keys'
          : `ended with ${code ?? String(signal)}`;
    throw new KeysError(
      `the keys of this town's payloads cannot be read: ${this.place} ${how}`,
      'run it by hand and see what it says',
    );
  }
}

/** What to do where a program has no keys. */
export const howToGiveKeys =
  'name the file of its keys in HEARTBEAD_KEYS_FILE, or a command that prints it in HEARTBEAD_KEYS_COMMAND ' +
  '(docs/security.md)';

/** @returns the one sentence about a key that is not there. */
export const missingKey = (id: string, place: string, there: readonly string[]): KeysError =>
  new KeysError(
    `a payload is encrypted with key ${id}, which is not among the keys from ${place} (${there.join(', ')})`,
    `put key ${id} back there: without it nobody can read what was sealed with it, and nothing goes on that needs it`,
  );
