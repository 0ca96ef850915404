/**
 * The table of agent programs: how each is started, how its output is read, and what its end means.
 * @module
 */
import { join } from 'node:path';
import { clip } from '../contract/index.js';
import type { AgentSpec } from '../contract/index.js';
import { claude } from './claude.js';
import { codex } from './codex.js';
import { accountsIn, customAgents, customAgentsFile, CustomAgentsError } from './custom-settings.js';
import { demo } from './demo.js';
import { environmentProblem } from './environment.js';
import { providerHosts } from './provider-hosts.js';
import { gemini } from './gemini.js';
import { opencode } from './opencode.js';
import { pi } from './pi.js';
import { shell } from './shell.js';
import type { Account } from './accounts.js';
import type { AgentAdapter, AgentProblem } from './types.js';
import { z } from 'zod';

/** All built-in adapters by name. */
export const adapters: Readonly<Record<string, AgentAdapter>> = { shell, claude, codex, opencode, gemini, pi, demo };

/**
 * @param home state directory of the host, whose settings file may describe further ones.
 * @throws CustomAgentsError when that file cannot be used.
 */
export function allAdapters(home: string | undefined): Readonly<Record<string, AgentAdapter>> {
  return home === undefined ? adapters : { ...adapters, ...customAgents(home, Object.keys(adapters)) };
}

/**
 * @returns the adapter of that name, or undefined. The settings file is read only for names that are not built in.
 * @throws CustomAgentsError
 */
export function findAdapter(name: string, home?: string): AgentAdapter | undefined {
  if (Object.hasOwn(adapters, name)) return adapters[name];
  const all = allAdapters(home);
  return Object.hasOwn(all, name) ? all[name] : undefined;
}

/**
 * Looks before anything is cloned: is the adapter known, are its options and the names of variables in order, is the
 * program there?
 * @param env the environment in which the agent would be looked for.
 * @param home the host's state directory.
 */
export async function checkAgent(
  spec: AgentSpec,
  env: NodeJS.ProcessEnv,
  home?: string,
): Promise<AgentProblem | undefined> {
  let adapter: AgentAdapter | undefined;
  try {
    adapter = findAdapter(spec.adapter, home);
    if (adapter === undefined)
      return {
        kind: 'not_here',
        problem:
          `there is no agent ${JSON.stringify(clip(spec.adapter, 60))}; there are ` +
          `${Object.keys(allAdapters(home)).join(', ')}` +
          (home === undefined
            ? ''
            : `, and none but the built-in ones beside those in ${join(home, customAgentsFile)}`),
      };
  } catch (error) {
    if (!(error instanceof CustomAgentsError)) throw error;
    return { kind: 'not_here', problem: error.message };
  }
  const options = adapter.options.safeParse(spec.options ?? {});
  if (!options.success)
    return {
      kind: 'bad_options',
      problem: `options of the agent ${adapter.name}: ${clip(z.prettifyError(options.error), 500)}`,
    };
  const names = environmentProblem(spec.env ?? []);
  if (names !== undefined) return { kind: 'bad_options', problem: names };
  return adapter.check(spec, env);
}

/**
 * @returns the accounts by which an agent may log in on a host, in the order in which they are used; none: it has the
 * user's own login.
 * @throws CustomAgentsError
 */
export const accountsOf = (agent: string, home: string): Account[] => accountsIn(agent, home, Object.keys(adapters));

/** @returns where the models of an agent are, for the list of hosts of its sandbox. */
export function agentProvider(spec: AgentSpec, env: NodeJS.ProcessEnv, home?: string): string[] {
  const names = [...(findAdapter(spec.adapter, home)?.environment ?? []), ...(spec.env ?? [])];
  return providerHosts(spec.adapter, names, env);
}

export { customAgentsFile as CUSTOM_AGENTS_FILE, CustomAgentsError } from './custom-settings.js';
export { accountEnvironment, accountVariables, missingVariables } from './accounts.js';
export type { Account } from './accounts.js';
export { Logins, refusedText } from './logins.js';
export type { RefusedLogin } from './logins.js';
export { agentEnvironmentFrom, environmentProblem } from './environment.js';
export { findProgram } from './find-program.js';
export { agentPrograms, installCommand } from './programs.js';
export type { DemoOptions } from './demo-options.js';
export type * from './types.js';
