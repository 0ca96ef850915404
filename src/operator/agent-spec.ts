import { allAdapters, CustomAgentsError, CUSTOM_AGENTS_FILE, environmentProblem } from '../agents/index.js';
import type { AgentAdapter } from '../agents/index.js';
import { stateDirectory } from '../client/home.js';
import type { AgentSpec } from '../contract/index.js';
import { usageError } from './cli-error.js';

/** What a person typed of an agent. */
export interface GivenAgent {
  agent?: string | undefined;
  command?: string | undefined;
  option: Record<string, unknown>;
  env: string[];
  sandbox?: boolean | undefined;
  /** The only hosts that it reaches. */
  network?: string[] | undefined;
}

/**
 * An agent as a bead or rig keeps it, checked against its adapter's own options.
 * @param help the command whose help tells more.
 * @throws CliError (usage)
 */
export function agentSpec(given: GivenAgent, help: string): AgentSpec {
  const name = given.agent ?? (given.command === undefined ? undefined : 'shell');
  if (name === undefined)
    throw usageError('which agent is to do it?', "give --command 'COMMAND' for a shell command, or --agent NAME");
  requireKnownAgent({ adapter: name, command: given.command, options: given.option });
  const variables = environmentProblem(given.env);
  if (variables !== undefined) throw usageError(variables, `see \`heartbead ${help} --help\``);
  return {
    adapter: name,
    command: given.command,
    options: Object.keys(given.option).length === 0 ? undefined : given.option,
    env: given.env.length === 0 ? undefined : given.env,
    cell: given.sandbox === undefined ? undefined : given.sandbox ? ('sandbox' as const) : ('none' as const),
    network: given.network,
  };
}

/**
 * The same where an agent need not be named. What is said of one that is not (which hosts it may reach, in which walls
 * it runs) would else be lost without a word.
 * @returns undefined where nothing is said of an agent.
 * @throws CliError (usage)
 */
export function agentSpecIfNamed(given: GivenAgent, help: string): AgentSpec | undefined {
  if (given.agent !== undefined || given.command !== undefined) return agentSpec(given, help);
  const said =
    Object.keys(given.option).length > 0 ||
    given.env.length > 0 ||
    given.sandbox !== undefined ||
    given.network !== undefined;
  if (said)
    throw usageError('which agent is meant?', "name it: --agent NAME, or --command 'COMMAND' for a shell command");
  return undefined;
}

/**
 * Holds an agent that somebody wrote down against its adapter.
 * @param what begins the message: whose agent it is.
 * @throws CliError (usage)
 */
export function requireKnownAgent({ adapter: name, command, options }: AgentSpec, what = ''): void {
  // The agent of the bead's rig, which was checked with the rig.
  if (name === 'rig') return;
  const adapters = knownAgents();
  const adapter = Object.hasOwn(adapters, name) ? adapters[name] : undefined;
  if (adapter === undefined)
    throw usageError(
      `${what}there is no agent ${JSON.stringify(name)}`,
      `there are ${Object.keys(adapters).join(', ')}; describe your own in ${CUSTOM_AGENTS_FILE} (docs/agents.md)`,
    );
  if (name === 'shell' && (command ?? '').trim() === '')
    throw usageError(`${what}the shell agent needs a command`, "give --command 'COMMAND'");
  if (name !== 'shell' && command !== undefined)
    throw usageError(`${what}the agent ${name} takes no --command`, 'leave it away, or use --agent shell');
  const checked = adapter.options.safeParse(options ?? {});
  if (checked.success) return;
  const issue = checked.error.issues[0];
  throw usageError(
    `${what}the agent ${name} does not take these options: ` +
      [issue?.path.join('.'), issue?.message].filter(Boolean).join(': '),
    'see docs/agents.md for the options of the agents',
  );
}

/** The built-in agents and those of this machine's settings file, which the hosts must have as well. */
function knownAgents(): Readonly<Record<string, AgentAdapter>> {
  try {
    return allAdapters(stateDirectory(process.env));
  } catch (error) {
    if (!(error instanceof CustomAgentsError)) throw error;
    throw usageError(error.message, 'correct the settings file (docs/agents.md)');
  }
}
