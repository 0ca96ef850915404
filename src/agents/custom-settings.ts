import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, YAMLParseError } from 'yaml';
import type { z } from 'zod';
import { clip } from '../contract/index.js';
import { leadsNowhere } from '../edge/errors.js';
import { yamlSays } from '../edge/yaml-says.js';
import type { Account } from './accounts.js';
import { customAgent } from './custom.js';
import { customSettings } from './custom-definition.js';
import type { AgentAdapter } from './types.js';

/** Name of the settings file in the state directory of each host. JSON is YAML as well. */
export const customAgentsFile = 'agents.yaml';

/** The settings file of a host cannot be used; the message says where and why. */
export class CustomAgentsError extends Error {
  override name = 'CustomAgentsError';
}

/**
 * Reads the agents that a host's own settings file describes.
 * @param home the state directory.
 * @param taken names of built-in agents, which cannot be described anew.
 * @throws CustomAgentsError
 */
export function customAgents(home: string, taken: readonly string[]): Record<string, AgentAdapter> {
  const { agents } = readSettings(home, taken);
  return Object.fromEntries(Object.entries(agents).map(([name, definition]) => [name, customAgent(name, definition)]));
}

/**
 * @param home the state directory.
 * @param taken names of built-in agents.
 * @returns the accounts of an agent by its host's settings file, in the order in which they are used.
 * @throws CustomAgentsError
 */
export function accountsIn(agent: string, home: string, taken: readonly string[]): Account[] {
  const { accounts } = readSettings(home, taken);
  return Object.hasOwn(accounts, agent) ? (accounts[agent] ?? []) : [];
}

function readSettings(home: string, taken: readonly string[]): z.output<typeof customSettings> {
  const file = join(home, customAgentsFile);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (leadsNowhere(error)) return { agents: {}, accounts: {} };
    throw new CustomAgentsError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  // A file in which nothing is said, or all is commented out, describes no agents.
  const parsed = customSettings.safeParse(read(file, text) ?? {});
  if (!parsed.success) throw new CustomAgentsError(`${file}: ${clip(problems(parsed.error), 800)}`);
  const double = Object.keys(parsed.data.agents).find((name) => taken.includes(name));
  if (double !== undefined)
    throw new CustomAgentsError(`${file}: there is an agent ${double} already; give yours another name`);
  const nobody = Object.keys(parsed.data.accounts).find(
    (name) => !taken.includes(name) && !Object.hasOwn(parsed.data.agents, name),
  );
  if (nobody !== undefined) throw new CustomAgentsError(`${file}: accounts.${nobody}: there is no agent ${nobody}`);
  return parsed.data;
}

function read(file: string, text: string): unknown {
  try {
    return parse(text) as unknown;
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    throw new CustomAgentsError(`${file}:${error.linePos?.[0].line ?? 1}: ${clip(yamlSays(error), 500)}`, {
      cause: error,
    });
  }
}

/** The problems of a file in one sentence, each with its place. */
const problems = (error: z.ZodError): string =>
  error.issues.map(({ path, message }) => `${path.length === 0 ? 'the file' : path.join('.')}: ${message}`).join('; ');
