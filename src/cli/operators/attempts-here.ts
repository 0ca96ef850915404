import { join } from 'node:path';
import { accountsOf, CustomAgentsError } from '../../agents/index.js';
import { Logins } from '../../agents/logins.js';
import { hostIdOf } from '../../client/home.js';
import { refNames } from '../../contract/index.js';
import type {
  DamagedFact,
  ForgottenFact,
  KeptTreeFact,
  RefusedAccountFact,
  TeardownFact,
} from '../../domain/telling/town-facts.js';
import { shellQuoted } from '../../edge/shell-quoted.js';
import { AttemptDir } from '../../runner/attempt/attempt-dir.js';
import { inspectAttempt } from '../../runner/attempt/inspect-attempt.js';
import type { AttemptInspection } from '../../runner/types.js';

/** What was found of the attempts in a state directory. */
export interface AttemptsHere {
  kinds: { dir: AttemptDir; found: AttemptInspection }[];
  /** Paths of what lies between them and is none. */
  strange: string[];
}

export async function attemptsHere(home: string): Promise<AttemptsHere> {
  const { attempts, strange } = await AttemptDir.survey(home);
  return {
    kinds: await Promise.all(attempts.map(async (dir) => ({ dir, found: await inspectAttempt(dir) }))),
    strange,
  };
}

/** @returns the attempts on this host whose folder cannot be read. */
export async function damagedHere(home: string): Promise<DamagedFact[]> {
  return (await attemptsHere(home)).kinds.flatMap(({ dir, found }) =>
    found.kind === 'damaged'
      ? [{ bead: dir.bead, attempt: dir.attempt, problem: found.problem, setAside: setAsideCommand(home, dir.path) }]
      : [],
  );
}

/** @returns the attempts on this host of whose beads the server knew nothing when their end was looked after. */
export async function forgottenHere(home: string): Promise<ForgottenFact[]> {
  const found: ForgottenFact[] = [];
  for (const dir of await AttemptDir.list(home)) {
    if (!(await dir.forgotten())) continue;
    // An input that cannot be read is told by itself (`damagedHere`).
    const prefix = await dir.readInput().then(
      (input) => input?.workspace?.refPrefix,
      () => undefined,
    );
    const { branch, wip } = refNames(prefix);
    const refs = [wip(dir.bead, dir.attempt), branch(dir.bead, dir.attempt)];
    found.push({ bead: dir.bead, attempt: dir.attempt, refs, setAside: setAsideCommand(home, dir.path) });
  }
  return found;
}

/** @returns the attempts on this host after which a teardown failed, and to which no person has seen yet. */
export async function failedTeardownsHere(home: string): Promise<TeardownFact[]> {
  const found = await Promise.all(
    (await AttemptDir.list(home)).map(async (dir) => {
      const failed = await dir.failedTeardown();
      const { bead, attempt, teardownLog: log } = dir;
      return failed === undefined ? [] : [{ bead, attempt, failed, log, settle: `rm ${quoted(dir.teardownFailed)}` }];
    }),
  );
  return found.flat();
}

/** @returns the working trees on this host that were to go after their attempt, and were not proven. */
export async function keptTreesHere(home: string): Promise<KeptTreeFact[]> {
  const found = await Promise.all(
    (await AttemptDir.list(home)).map(async (dir) => {
      const kept = await dir.keptTree();
      return kept === undefined ? [] : [{ bead: dir.bead, attempt: dir.attempt, worktree: dir.worktree, ...kept }];
    }),
  );
  return found.flat();
}

/** @returns accounts of agents on this host that providers refuse. A user's own login is told by its beads. */
export async function refusedAccountsHere(home: string): Promise<RefusedAccountFact[]> {
  const host = (await hostIdOf(home)) ?? 'this one';
  return new Logins(home).all().flatMap(({ account, agent, cause, reason, since, until }) => {
    if (account === undefined) return [];
    const names = accountNames(agent, home);
    // One that was taken out of the settings is nobody's problem any more.
    if (names?.includes(account) === false) return [];
    return [{ host, agent, account, of: names?.length ?? Infinity, cause, reason, since, until }];
  });
}

/** @returns the accounts of an agent on this host; undefined when its settings cannot be read, which `doctor` tells. */
function accountNames(agent: string, home: string): string[] | undefined {
  try {
    return accountsOf(agent, home).map(({ name }) => name);
  } catch (error) {
    if (error instanceof CustomAgentsError) return undefined;
    throw error;
  }
}

/** @returns the command that puts a folder where nobody looks for attempts; nothing in it is lost. */
export function setAsideCommand(home: string, path: string): string {
  const aside = quoted(join(home, 'attempts-damaged'));
  return `mkdir -p ${aside} && mv ${quoted(path)} ${aside}/`;
}

const quoted = (path: string): string => (/^[\w./-]+$/.test(path) ? path : shellQuoted(path));
