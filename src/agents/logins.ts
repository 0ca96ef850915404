/**
 * What a host knows of the logins of its agents: which of them a provider refuses, why, and until when. Kept in the
 * state directory, one small file for each refused login, so that workers and runners of the host share it. No secret
 * is in it, but for what a provider's own words may hold.
 * @module
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { z } from 'zod';
import { clip } from '../contract/index.js';
import { isMissing } from '../edge/errors.js';
import { refusalKinds } from './types.js';

/** Its folder in the state directory. */
const folder = 'logins';

/** A login that a provider refuses. All instants are milliseconds of the host's clock. */
export interface RefusedLogin {
  agent: string;
  /** Name of the account; absent for an agent without any, which has the user's own login. */
  account?: string | undefined;
  cause: (typeof refusalKinds)[number];
  /** The provider's words. */
  reason: string;
  since: number;
  /** From when on an attempt may find out whether it is still so. */
  until: number;
  /** How many attempts have found out that it was. */
  tries: number;
  /** When the newest of them was let go. */
  triedAt?: number | undefined;
}

const refusedLogin: z.ZodType<RefusedLogin> = z.object({
  agent: z.string(),
  account: z.string().optional(),
  cause: z.enum(refusalKinds),
  reason: z.string(),
  since: z.number(),
  until: z.number(),
  tries: z.number(),
  triedAt: z.number().optional(),
});

const minute = 60_000;
/**
 * How long a login is left alone when its provider does not say. A refused one may have been renewed by another agent
 * within a minute; credit comes back when somebody pays.
 */
const leftAlone: Record<RefusedLogin['cause'], readonly number[]> = {
  rate_limited: [minute],
  auth_failed: [minute, 5 * minute, 30 * minute],
  out_of_credit: [30 * minute],
};
const leftAloneFor = (cause: RefusedLogin['cause'], tries: number): number => {
  const steps = leftAlone[cause];
  return steps[Math.min(tries, steps.length - 1)] ?? minute;
};

/** Whoever asks for a login. */
export interface LoginWish {
  agent: string;
  /** Names of the agent's accounts, in the order in which they are used. */
  accounts: readonly string[];
  /**
   * A rig has stops of its own, which let one bead find out for all: of a user's own login its beads are not held back
   * here. Nor are they by a limit of it, which may be one of the model only.
   */
  rig?: string | undefined;
  /** When an operator last retried its bead. */
  retriedAt?: number | undefined;
}

/** `account` is undefined for the user's own login. */
export type LoginChoice = { account: string | undefined } | { declined: string; retryAfterMs: number };

/** The refused logins of one host. */
export class Logins {
  readonly #folder: string;

  /** @param home the state directory. */
  constructor(
    home: string,
    private readonly now: () => number = Date.now,
  ) {
    this.#folder = join(home, folder);
  }

  /** @returns all that are refused, also those whose time is over and which nobody has tried since. */
  all(): RefusedLogin[] {
    return this.#names().flatMap((name) => this.#read(name) ?? []);
  }

  /**
   * @returns the login that the next attempt takes: the first that is not refused, else one whose turn it is to be
   * tried again (nobody else tries it then). Or why there is none, and when there may be one.
   */
  choose({ agent, accounts, rig, retriedAt }: LoginWish): LoginChoice {
    const now = this.now();
    const logins = (accounts.length === 0 ? [undefined] : accounts).map((account) => ({
      account,
      refused: this.#refused(agent, account),
    }));
    const isHeld = (refused: RefusedLogin | undefined): boolean => {
      if (refused === undefined) return false;
      if (refused.cause === 'rate_limited') return accounts.length > 0 && refused.until > now;
      return accounts.length > 0 || rig === undefined;
    };
    const free = logins.find(({ refused }) => !isHeld(refused));
    if (free !== undefined) return { account: free.account };
    const held = logins.flatMap(({ refused }) => refused ?? []);
    const tried = held.find(
      ({ until, triedAt, since }) => until <= now || (retriedAt !== undefined && retriedAt > (triedAt ?? since)),
    );
    if (tried !== undefined) {
      this.#write({ ...tried, triedAt: now, until: now + leftAloneFor(tried.cause, tried.tries) });
      return { account: tried.account };
    }
    const soonest = Math.min(...held.map(({ until }) => until)) - now;
    // A limit ends at its instant; what a person mends may be mended at any time.
    const most = held.every(({ cause }) => cause === 'rate_limited') ? Infinity : 5 * minute;
    return { declined: held.map(refusedText).join('; '), retryAfterMs: Math.max(Math.min(soonest, most), 1_000) };
  }

  /**
   * An attempt was refused.
   * @param refused whose login, and by which words.
   * @param began when the attempt began to use it: one that began before somebody found out the same says nothing new.
   */
  refuse(
    { agent, account, cause, reason }: Pick<RefusedLogin, 'agent' | 'account' | 'cause' | 'reason'>,
    { retryAfterMs, began }: { retryAfterMs?: number | undefined; began: number },
  ): void {
    const now = this.now();
    const known = this.#refused(agent, account);
    const same = known?.cause === cause ? known : undefined;
    const again = same !== undefined && began >= (same.triedAt ?? same.since);
    const tries = (same?.tries ?? 0) + (again ? 1 : 0);
    const until = now + (retryAfterMs ?? leftAloneFor(cause, tries));
    this.#write({
      agent,
      account,
      cause,
      reason: clip(reason, 500),
      since: same?.since ?? now,
      until: again || same === undefined ? until : Math.max(until, same.until),
      tries,
      triedAt: same?.triedAt,
    });
  }

  /** An attempt that began after its login was refused is served. */
  served({ agent, account }: Pick<RefusedLogin, 'agent' | 'account'>, began: number): void {
    const known = this.#refused(agent, account);
    if (known !== undefined && began >= (known.triedAt ?? known.since))
      rmSync(this.#path(agent, account), { force: true });
  }

  /** @returns the account of an agent that may be used first, and from when on: at once, when it is not refused. */
  soonest(agent: string, accounts: readonly string[]): { account: string; at: number } | undefined {
    const known = accounts.map((account) => ({ account, at: this.#refused(agent, account)?.until ?? 0 }));
    return known.find(({ at }) => at === Math.min(...known.map((other) => other.at)));
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder).filter((name) => name.endsWith('.json'));
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  /** Names of agents and accounts begin with a letter, and have no dot. */
  #name = (agent: string, account: string | undefined): string => `${agent}.${account ?? ''}.json`;
  #path = (agent: string, account: string | undefined): string => join(this.#folder, this.#name(agent, account));
  #refused = (agent: string, account: string | undefined): RefusedLogin | undefined =>
    this.#read(this.#name(agent, account));

  /** A file that cannot be read holds nobody back: the next attempt finds out anew. */
  #read(name: string): RefusedLogin | undefined {
    try {
      const read = refusedLogin.safeParse(JSON.parse(readFileSync(join(this.#folder, name), 'utf8')));
      return read.success ? read.data : undefined;
    } catch (error) {
      if (error instanceof SyntaxError || isMissing(error)) return undefined;
      throw error;
    }
  }

  #write(refused: RefusedLogin): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    writeFileAtomic.sync(this.#path(refused.agent, refused.account), JSON.stringify(refused), { mode: 0o600 });
  }
}

const causeWords: Record<RefusedLogin['cause'], string> = {
  rate_limited: 'is spent for now',
  auth_failed: 'is refused',
  out_of_credit: 'is out of credit',
};

/** @returns a refused login in a few words, such as `account work of claude is spent for now: …`. */
export function refusedText({ agent, account, cause, reason }: RefusedLogin): string {
  const whose = account === undefined ? `the login of ${agent}` : `account ${account} of ${agent}`;
  return `${whose} ${causeWords[cause]}: ${reason}`;
}
