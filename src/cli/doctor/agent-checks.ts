import { execa } from 'execa';
import { agentPrograms, allAdapters, CustomAgentsError, findProgram, installCommand } from '../../agents/index.js';
import { fail, ok } from './check.js';
import type { Check } from './check.js';

/** The slowest starts in two seconds on a quiet machine. */
const versionWithin = 20_000;

/** @returns the version that a program tells, or undefined when it tells none. */
async function versionOf(file: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const { failed, stdout } = await execa(file, ['--version'], {
    reject: false,
    stdin: 'ignore',
    timeout: versionWithin,
    env,
    extendEnv: false,
  });
  return failed ? undefined : /\d+\.\d+[\w.-]*/.exec(stdout)?.[0];
}

/**
 * Which agent programs this host has, and in which version; and whether its settings file for further ones can be used.
 */
export async function checkAgents(env: NodeJS.ProcessEnv, home: string): Promise<Check> {
  const name = 'agents';
  let custom: string[];
  try {
    custom = Object.keys(allAdapters(home)).filter((agent) => !Object.hasOwn(allAdapters(undefined), agent));
  } catch (error) {
    if (!(error instanceof CustomAgentsError)) throw error;
    return fail(name, error.message, 'correct the settings file (docs/agents.md)');
  }
  const found = await Promise.all(
    Object.entries(agentPrograms).map(async ([agent, known]) => {
      const file = findProgram(known.program, env);
      if (file === undefined) return { agent, known, text: undefined };
      const version = await versionOf(file, env);
      return {
        agent,
        known,
        text:
          version === undefined
            ? `${agent} (does not tell its version)`
            : version === known.version
              ? `${agent} ${version}`
              : `${agent} ${version} (tried with ${known.version})`,
      };
    }),
  );
  const here = [...found.flatMap(({ text }) => text ?? []), ...custom.map((agent) => `${agent} (settings file)`)];
  const missing = found.filter(({ text }) => text === undefined);
  const absent = missing.length === 0 ? '' : `; not on PATH: ${missing.map(({ agent }) => agent).join(', ')}`;
  if (here.length === 0 && missing[0] !== undefined)
    return ok(
      name,
      `only shell commands and the demo agent${absent} (for example \`${installCommand(missing[0].known)}\`)`,
    );
  return ok(name, `${here.join(', ')}${absent}`);
}
