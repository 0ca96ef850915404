import { accountsOf, CustomAgentsError, Logins, missingVariables } from '../../agents/index.js';
import type { Account } from '../../agents/index.js';
import { failureTypes } from '../../contract/index.js';
import type { StartAgentInput } from '../../contract/index.js';
import type { ActivityDeps } from '../deps.js';
import { failure } from '../failures.js';

/**
 * Chooses the login that an attempt uses, before anything is cloned or paid for.
 * @returns the agent's accounts on this host, and the name of the chosen one; undefined for the user's own login.
 * @throws ApplicationFailure `HostDeclines` while its provider refuses all of them.
 */
export function chosenLogin(
  { host, env = process.env }: ActivityDeps,
  { agent, rig, retriedAt }: StartAgentInput,
): { accounts: Account[]; account: string | undefined } {
  const all = accountsHere(host, agent.adapter);
  const accounts = all.filter((account) => missingVariables(account, env).length === 0);
  const [first] = all;
  if (first !== undefined && accounts.length === 0)
    throw failure(
      failureTypes.hostDeclines,
      `host ${host.hostId} has no account for ${agent.adapter} now: its worker lacks ` +
        `${all.flatMap((account) => missingVariables(account, env)).join(', ')}`,
    );
  // What has variables of its own may have a login of its own.
  if (accounts.length === 0 && (agent.env ?? []).length > 0) return { accounts, account: undefined };
  const names = accounts.map(({ name }) => name);
  const choice = new Logins(host.home).choose({ agent: agent.adapter, accounts: names, rig, retriedAt });
  if ('declined' in choice)
    throw failure(
      failureTypes.hostDeclines,
      `host ${host.hostId} starts no ${agent.adapter} for now: ${choice.declined}`,
      { retryAfterMs: choice.retryAfterMs },
    );
  return { accounts: all, account: choice.account };
}

/** A settings file that is just being written is no reason to need a person. */
function accountsHere({ home, hostId }: ActivityDeps['host'], agent: string): Account[] {
  try {
    return accountsOf(agent, home);
  } catch (error) {
    if (!(error instanceof CustomAgentsError)) throw error;
    throw failure(failureTypes.hostDeclines, `host ${hostId} cannot run it: ${error.message}`);
  }
}
