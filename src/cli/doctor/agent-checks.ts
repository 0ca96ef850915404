import {
  accountVariables,
  accountsOf,
  agentPrograms,
  allAdapters,
  CustomAgentsError,
  findProgram,
  installCommand,
  Logins,
  missingVariables,
  refusedText,
} from '../../agents/index.js';
import type { AgentAdapter } from '../../agents/index.js';
import { counted, durationText } from '../../domain/words.js';
import { runProgram } from '../../edge/run-program.js';
import { fail, ok, warn } from './check.js';
import type { DoctorCheck } from './check.js';

/** The slowest starts in two seconds on a quiet machine. */
const versionWithin = 20_000;

/** @returns the version that a program tells, or undefined when it tells none. */
async function versionOf(
  file: string,
  env: NodeJS.ProcessEnv,
  args: readonly string[] = ['--version'],
): Promise<string | undefined> {
  const { code, ended, stdout } = await runProgram(file, args, { within: versionWithin, env, maxBytes: 64 * 1024 });
  return code !== 0 || ended !== undefined ? undefined : /\d+\.\d+[\w.-]*/.exec(stdout)?.[0];
}

/**
 * Which agent programs this host has, and in which version; and whether its settings file for further ones can be used.
 */
export async function checkAgents(env: NodeJS.ProcessEnv, home: string): Promise<DoctorCheck> {
  const name = 'agents';
  let custom: AgentAdapter[];
  try {
    custom = Object.entries(allAdapters(home)).flatMap(([agent, adapter]) =>
      Object.hasOwn(allAdapters(undefined), agent) ? [] : [adapter],
    );
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
  const own = await Promise.all(custom.map((adapter) => ownAgent(adapter, env, home)));
  const here = [...found.flatMap(({ text }) => text ?? []), ...own.flatMap(({ text }) => text ?? [])];
  const missing = found.filter(({ text }) => text === undefined);
  const absent = missing.length === 0 ? '' : `; not on PATH: ${missing.map(({ agent }) => agent).join(', ')}`;
  const problems = own.flatMap(({ problem }) => problem ?? []);
  if (problems.length > 0)
    return warn(
      name,
      `${[...problems, ...here].join(', ')}${absent}`,
      'install the program, or set the variables for the worker and start it again; else correct agents.yaml',
    );
  if (here.length === 0 && missing[0] !== undefined)
    return ok(
      name,
      `only shell commands and the demo agent${absent} (for example \`${installCommand(missing[0].known)}\`)`,
    );
  return ok(name, `${here.join(', ')}${absent}`);
}

/** An agent of the settings file: whether its program is here, in which version, and what it lacks. */
async function ownAgent(
  { name, program, version, environment = [] }: AgentAdapter,
  env: NodeJS.ProcessEnv,
  home: string,
): Promise<{ text?: string; problem?: string }> {
  const file = program === undefined ? undefined : findProgram(program, env);
  if (file === undefined) return { problem: `${name}: its program ${program ?? ''} is not there` };
  const ofAccounts = accountsOf(name, home).flatMap(accountVariables);
  const lacks = environment.filter((variable) => (env[variable] ?? '') === '' && !ofAccounts.includes(variable));
  if (lacks.length > 0)
    return { problem: `${name}: ${lacks.join(', ')} ${lacks.length === 1 ? 'is' : 'are'} not set here` };
  const found = await versionOf(file, env, version);
  return { text: found === undefined ? `${name} (settings file)` : `${name} ${found} (settings file)` };
}

/** The accounts of agents that have several logins here: whether they can be used, and which are refused. */
export function checkAccounts(env: NodeJS.ProcessEnv, home: string, now = Date.now()): DoctorCheck {
  const name = 'accounts';
  let accounts: { agent: string; account: ReturnType<typeof accountsOf>[number] }[];
  try {
    accounts = Object.keys(allAdapters(home)).flatMap((agent) =>
      accountsOf(agent, home).map((account) => ({ agent, account })),
    );
  } catch (error) {
    if (!(error instanceof CustomAgentsError)) throw error;
    return fail(name, 'the settings file cannot be used', 'correct it (docs/agents.md)');
  }
  if (accounts.length === 0) return ok(name, "each agent has the user's own login");
  const lacking = accounts.flatMap(({ agent, account }) => {
    const missing = missingVariables(account, env);
    return missing.length === 0 ? [] : [`account ${account.name} of ${agent}: ${missing.join(', ')} not set here`];
  });
  const refused = new Logins(home)
    .all()
    .filter(({ account, cause, until }) => account !== undefined && (cause !== 'rate_limited' || until > now));
  const text = [
    ...lacking,
    ...refused.map(
      (one) => `${refusedText(one)}${one.until > now ? ` (for ${durationText(one.until - now)} yet)` : ''}`,
    ),
  ].join('; ');
  if (lacking.length > 0) return warn(name, text, 'set the variables for the worker, and start it again');
  const mend = refused.some(({ cause }) => cause !== 'rate_limited');
  return mend
    ? warn(name, text, 'log in again, or add credit; then `heartbead retry --host HOST`')
    : ok(name, text === '' ? `${counted(accounts.length, 'account')}, none refused` : text);
}
