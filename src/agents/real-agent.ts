import { z } from 'zod';
import type { AgentSpec } from '../contract/index.js';
import { shellQuoted } from '../edge/shell-quoted.js';
import { findProgram } from './find-program.js';
import { agentPrograms, installCommand } from './programs.js';
import type { AgentAdapter, AgentContext, AgentEvent, AgentParser, ParserContext } from './types.js';
import { endedWell, verdictOf } from './verdict.js';

const argument = z.string().min(1).max(4_000);

/** Options that every real agent program takes. */
export const realAgentOptions = z.strictObject({
  /** Model, as the program's own flag takes it; the program's default when absent. */
  model: z
    .string()
    .regex(/^[\w@][\w./:@+-]{0,199}$/, 'not the name of a model')
    .optional(),
  /** Path or name of the executable, when it is not on PATH under its usual name. */
  program: z
    .string()
    .regex(/^(?:\/|[\w])[^\0\n]{0,1000}$/, 'not a path or a name')
    .optional(),
  /** Flags in place of the ones that let the agent work without asking (docs/agents.md lists them). */
  permissions: z.array(argument).max(40).optional(),
  /** Further arguments. */
  args: z.array(argument).max(40).optional(),
});
export type RealAgentOptions = z.output<typeof realAgentOptions>;
export const optionsOf = (spec: AgentSpec): RealAgentOptions => realAgentOptions.parse(spec.options ?? {});

/** What every real agent may see beside the allow-list: a way through the host's proxy, and its certificates. */
const network = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'ALL_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'all_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_EXTRA_CA_CERTS',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'XDG_CACHE_HOME',
  'XDG_STATE_HOME',
];

type Parts = Pick<AgentAdapter, 'description' | 'command' | 'mcp' | 'login' | 'findSession'> & {
  name: keyof typeof agentPrograms;
  environment: readonly string[];
  parser(context?: ParserContext): AgentParser;
};

/**
 * What is common to the agent programs of others: look for the program, read its options, judge its end by what it
 * tells.
 */
export function realAgent(parts: Parts): AgentAdapter {
  const known = agentPrograms[parts.name];
  // A refused login says what to do on this program.
  const advised = (event: AgentEvent): AgentEvent =>
    event.kind === 'auth_failed' ? { ...event, text: `${event.text} (${parts.name}: ${known.login})` } : event;
  return {
    ...parts,
    environment: [...network, ...parts.environment],
    options: realAgentOptions,
    check: (spec, env) => {
      const program = optionsOf(spec).program ?? known.program;
      return Promise.resolve(
        findProgram(program, env) !== undefined
          ? undefined
          : {
              kind: 'not_installed',
              problem:
                `the program ${program} is not ${program.startsWith('/') ? 'there' : "on the worker's PATH"}; ` +
                `install it with \`${installCommand(known)}\``,
            },
      );
    },
    parser: (context) => {
      const parse = parts.parser(context);
      return (line, stream) => {
        const event = parse(line, stream);
        return Array.isArray(event) ? event.map(advised) : event && advised(event);
      };
    },
    classify: verdictOf,
    hasSpoken: endedWell,
  };
}

/** A program waits so long for a hook, in seconds: on a busy machine it takes a second or two to start. */
const hookSeconds = 30;

/**
 * Heartbead's hook, in the shape that Claude Code has and others have taken over: a command that gets the event on
 * stdin.
 */
export const hook = (
  { heartbead }: Pick<AgentContext, 'heartbead'>,
  more: { matcher?: string } = {},
  timeout = hookSeconds,
): object[] => [{ ...more, hooks: [{ type: 'command', command: `${shellQuoted(heartbead)} agent hook`, timeout }] }];

/** Heartbead's MCP server, as most programs want it described. */
export function mcpServer({ heartbead, env }: Pick<AgentContext, 'heartbead' | 'env'>): {
  command: string;
  args: string[];
  env: Record<string, string>;
} {
  const names = ['HEARTBEAD_BEAD', 'HEARTBEAD_ATTEMPT', 'HEARTBEAD_SOCKET'];
  return {
    command: heartbead,
    args: ['mcp'],
    env: Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]))),
  };
}
