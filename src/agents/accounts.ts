import { join } from 'node:path';
import type { AccountDefinition } from './custom-definition.js';

/** An account by which an agent may log in, as the settings file of its host describes it. */
export type Account = AccountDefinition;

/**
 * The environment in which an agent uses one of its accounts. What the others set is not in it: a key of theirs would
 * outrank this one's login.
 * @param env the host's own.
 * @param account name of the one that is used; undefined for the user's own login.
 */
export function accountEnvironment(
  env: NodeJS.ProcessEnv,
  accounts: readonly Account[],
  account: string | undefined,
): NodeJS.ProcessEnv {
  const used = accounts.find(({ name }) => name === account);
  if (used === undefined) return env;
  const theirs = new Set(accounts.flatMap(accountVariables));
  const kept = Object.entries(env).filter(([name]) => !theirs.has(name));
  const named = Object.entries(used.env).map(([name, from]) => [name, env[from]]);
  const home = env['HOME'] ?? '/';
  const set = Object.entries(used.set).map(([name, value]) => [
    name,
    value.startsWith('~/') ? join(home, value.slice(2)) : value,
  ]);
  return Object.fromEntries([...kept, ...named, ...set]) as NodeJS.ProcessEnv;
}

/** @returns the variables that an account sets for its agent. */
export const accountVariables = ({ env, set }: Account): string[] => [...Object.keys(env), ...Object.keys(set)];

/** @returns variables of the host that an account takes its secrets from, and which are not there. */
export const missingVariables = ({ env: names }: Account, env: NodeJS.ProcessEnv): string[] =>
  Object.values(names).filter((name) => (env[name] ?? '') === '');
