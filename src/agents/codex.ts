import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { noUsage, usageSince } from '../contract/index.js';
import { jsonLines, numberAt, textAt, toolActivity } from './json-lines.js';
import type { Line } from './json-lines.js';
import { mcpServer, optionsOf, realAgent } from './real-agent.js';
import { providerRefusal } from './provider-refusals.js';
import type { AgentEvent, AgentParser, ParserContext } from './types.js';

/** Its own sandbox keeps `.git` read-only, and no commit would work in it. */
const permissions = ['--dangerously-bypass-approvals-and-sandbox'];

/** A table or list of codex's configuration as TOML, whose strings are JSON's as far as paths and words go. */
const toml = (value: unknown): string =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? `{${Object.entries(value)
        .map(([key, item]) => `${key}=${toml(item)}`)
        .join(',')}}`
    : JSON.stringify(value);

function item(line: Line): AgentEvent | AgentEvent[] | undefined {
  const entry = line['item'];
  switch (textAt(entry, 'type')) {
    case 'command_execution':
      return { kind: 'progress', tool: true, activity: toolActivity('shell', entry) };
    case 'mcp_tool_call':
      return {
        kind: 'progress',
        tool: true,
        activity: `${textAt(entry, 'server') ?? 'mcp'}: ${textAt(entry, 'tool') ?? 'tool'}`,
      };
    case 'file_change':
      return { kind: 'progress', tool: true, activity: 'changes files' };
    // Warnings, most of them harmless.
    case 'error':
      return { kind: 'life', activity: textAt(entry, 'message') ?? '' };
    case undefined:
      return undefined;
    case 'agent_message': {
      const text = textAt(entry, 'text') ?? '';
      return [
        { kind: 'progress', activity: text },
        { kind: 'said', text },
      ];
    }
    default: {
      const text = textAt(entry, 'text');
      return { kind: 'progress', activity: text };
    }
  }
}

function parser(context?: ParserContext): AgentParser {
  let turns = 0;
  return jsonLines((line) => {
    switch (textAt(line, 'type')) {
      case 'thread.started': {
        const id = textAt(line, 'thread_id');
        return id === undefined ? undefined : { kind: 'session', id };
      }
      case 'item.started':
      case 'item.updated':
      case 'item.completed':
        return item(line);
      // Its own retries; the last one is followed by `turn.failed`.
      case 'error': {
        const text = textAt(line, 'message') ?? '';
        return providerRefusal({ text }) ?? { kind: 'life', activity: text };
      }
      case 'turn.failed': {
        const text = textAt(line, 'error', 'message') ?? 'the turn failed';
        const refused = providerRefusal({ text });
        return [...(refused ? [refused] : []), { kind: 'end', ok: false, text }];
      }
      case 'turn.completed': {
        turns += 1;
        // Counted over the whole thread, also over what an earlier attempt did in it.
        const thread = {
          ...noUsage,
          inputTokens: numberAt(line, 'usage', 'input_tokens') ?? 0,
          cachedTokens: numberAt(line, 'usage', 'cached_input_tokens') ?? 0,
          outputTokens: numberAt(line, 'usage', 'output_tokens') ?? 0,
        };
        return [
          { kind: 'usage', total: true, ...usageSince(thread, context?.usedBefore), turns },
          { kind: 'end', ok: true },
        ];
      }
      default:
        return undefined;
    }
  });
}

/** Codex. */
export const codex = realAgent({
  name: 'codex',
  description: 'Codex (codex exec), with MCP',
  environment: ['OPENAI_API_KEY', 'OPENAI_BASE_URL', 'CODEX_API_KEY', 'CODEX_HOME'],
  mcp: true,
  login: ({ HOME = '', CODEX_HOME = join(HOME, '.codex') }) => ({
    own: [CODEX_HOME],
    read: ['config.toml', 'AGENTS.md', 'plugins', 'prompts', 'rules', 'skills'].map((name) => join(CODEX_HOME, name)),
    write: [join(CODEX_HOME, 'auth.json')],
    keep: [join(CODEX_HOME, 'sessions')],
  }),
  parser,
  findSession: async (session, { env }) => {
    const folder = join(env['CODEX_HOME'] ?? join(env['HOME'] ?? '', '.codex'), 'sessions');
    const files = await readdir(folder, { recursive: true }).catch((): string[] => []);
    return files.some((file) => file.endsWith(`-${session.id}.jsonl`)) ? { ...session, from: session.id } : undefined;
  },
  command: (context) => {
    const { model, permissions: given, args = [], program = 'codex' } = optionsOf(context.spec);
    // A report pushes the branch; a busy machine starts slowly.
    const server = { ...mcpServer(context), startup_timeout_sec: 60, tool_timeout_sec: 600 };
    return {
      file: program,
      args: [
        'exec',
        ...(context.resume === undefined ? [] : ['resume', context.resume.from]),
        '--json',
        ...(given ?? permissions),
        '-c',
        `mcp_servers.heartbead=${toml(server)}`,
        ...(model === undefined ? [] : ['-m', model]),
        ...args,
        '-',
      ],
      stdin: context.prompt,
    };
  },
});
