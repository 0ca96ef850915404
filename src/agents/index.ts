/**
 * The table of agent programs: how each is started, how its output is read, and what its end means.
 * @module
 */
import { clip } from '../contract/index.js';
import type { AgentSpec } from '../contract/index.js';
import { demo } from './demo.js';
import { environmentProblem } from './environment.js';
import { shell } from './shell.js';
import type { AgentAdapter, AgentProblem } from './types.js';
import { z } from 'zod';

/** All adapters by name. */
export const adapters: Readonly<Record<string, AgentAdapter>> = { shell, demo };

/** @returns the adapter of that name, or undefined. */
export const findAdapter = (name: string): AgentAdapter | undefined => (Object.hasOwn(adapters, name) ? adapters[name] : undefined);

/**
 * Looks before anything is cloned: is the adapter known, are its options and the names of variables in order, is the program there?
 * @param env - the environment in which the agent would be looked for.
 */
export async function checkAgent(spec: AgentSpec, env: NodeJS.ProcessEnv): Promise<AgentProblem | undefined> {
  const adapter = findAdapter(spec.adapter);
  if (adapter === undefined) {
    return { kind: 'bad_options', problem: `there is no agent ${JSON.stringify(clip(spec.adapter, 60))}; there are ${Object.keys(adapters).join(', ')}` };
  }
  const options = adapter.options.safeParse(spec.options ?? {});
  if (!options.success) return { kind: 'bad_options', problem: `options of the agent ${adapter.name}: ${clip(z.prettifyError(options.error), 500)}` };
  const names = environmentProblem(spec.env ?? []);
  if (names !== undefined) return { kind: 'bad_options', problem: names };
  return adapter.check(spec, env);
}

export { agentEnvironmentFrom, environmentProblem } from './environment.js';
export type { DemoOptions } from './demo-options.js';
export type * from './types.js';
