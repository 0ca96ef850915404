import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Usage } from '../contract/index.js';
import { jsonLines, listAt, numberAt, textAt, toolActivity } from './json-lines.js';
import type { Line } from './json-lines.js';
import { hook, mcpServer, optionsOf, realAgent } from './real-agent.js';
import { providerRefusal } from './provider-refusals.js';
import type { AgentEvent, AgentParser } from './types.js';

/** Edits and every tool that a coding agent needs, without the flag that root may not use. */
const permissions = [
  '--permission-mode',
  'acceptEdits',
  '--allowedTools',
  'Bash,Read,Edit,Write,NotebookEdit,Glob,Grep,WebFetch,WebSearch,Task,Skill,mcp__heartbead',
];

function usageOf(usage: unknown): Pick<Usage, 'inputTokens' | 'outputTokens' | 'cachedTokens'> {
  const cachedTokens = numberAt(usage, 'cache_read_input_tokens') ?? 0;
  return {
    inputTokens:
      (numberAt(usage, 'input_tokens') ?? 0) + (numberAt(usage, 'cache_creation_input_tokens') ?? 0) + cachedTokens,
    outputTokens: numberAt(usage, 'output_tokens') ?? 0,
    cachedTokens,
  };
}

function parser(): AgentParser {
  let told: string | undefined;
  let counted: string | undefined;
  // Claude Code tells of its limits in events of their own, before the error that follows from them.
  let resetsAt: number | undefined;
  const untilReset = (): number | undefined =>
    resetsAt === undefined ? undefined : Math.max(0, resetsAt * 1_000 - Date.now());
  const limitEvent = (line: Line): undefined => {
    const rejected = textAt(line, 'rate_limit_info', 'status') === 'rejected';
    resetsAt = rejected ? numberAt(line, 'rate_limit_info', 'resetsAt') : undefined;
  };
  const session = (line: Line): AgentEvent[] => {
    const id = textAt(line, 'session_id');
    if (id === undefined || id === told) return [];
    told = id;
    return [{ kind: 'session', id }];
  };
  const assistant = (line: Line): AgentEvent[] => {
    // Claude Code reports its own errors as messages of a model named `<synthetic>`.
    if (textAt(line, 'message', 'model') === '<synthetic>')
      return [{ kind: 'life', activity: textAt(line, 'message', 'content', 0, 'text') ?? '' }];
    const events: AgentEvent[] = listAt(line, 'message', 'content').flatMap((part): AgentEvent[] => {
      if (textAt(part, 'type') === 'tool_use')
        return [
          {
            kind: 'progress',
            tool: true,
            activity: toolActivity(textAt(part, 'name') ?? 'tool', (part as Line)['input']),
          },
        ];
      const text = textAt(part, 'text');
      return [{ kind: 'progress', activity: text }];
    });
    // One line for each part of a message, each with the usage of the whole; the last line of the run corrects it.
    const id = textAt(line, 'message', 'id');
    if (id !== undefined && id !== counted) {
      counted = id;
      events.push({ kind: 'usage', ...usageOf((line['message'] as Line)['usage']), turns: 1 });
    }
    return events;
  };
  const result = (line: Line): AgentEvent[] => {
    const text = textAt(line, 'result') ?? textAt(line, 'errors', 0) ?? textAt(line, 'subtype') ?? '';
    const ok =
      line['is_error'] !== true && textAt(line, 'subtype') === 'success' && textAt(line, 'stop_reason') !== 'refusal';
    const status = numberAt(line, 'api_error_status');
    const refused =
      line['is_error'] === true ? providerRefusal({ text, status, retryAfterMs: untilReset() }) : undefined;
    const usage: AgentEvent = {
      kind: 'usage',
      total: true,
      ...usageOf(line['usage']),
      costUsd: numberAt(line, 'total_cost_usd') ?? 0,
      turns: numberAt(line, 'num_turns') ?? 0,
    };
    const words = textAt(line, 'stop_reason') === 'refusal' ? `the model refuses the task: ${text}` : text;
    const said: AgentEvent[] = ok ? [{ kind: 'said', text }] : [];
    return [...session(line), usage, ...said, ...(refused ? [refused] : []), { kind: 'end', ok, text: words }];
  };
  return jsonLines((line) => {
    switch (textAt(line, 'type')) {
      case 'system': {
        if (textAt(line, 'subtype') === 'init') return session(line);
        if (textAt(line, 'subtype') !== 'api_retry') return undefined;
        const status = numberAt(line, 'error_status');
        const text =
          `${textAt(line, 'error') ?? 'the provider does not answer'}` +
          `${status === undefined ? '' : ` (${status})`}, try ${numberAt(line, 'attempt') ?? '?'}`;
        return (
          providerRefusal({ text, status, retryAfterMs: numberAt(line, 'retry_delay_ms') }) ?? {
            kind: 'life',
            activity: `retries: ${text}`,
          }
        );
      }
      case 'assistant':
        return assistant(line);
      case 'user':
        return { kind: 'progress', tool: true };
      case 'result':
        return result(line);
      case 'rate_limit_event':
        return limitEvent(line);
      default:
        return undefined;
    }
  });
}

/** What Claude Code reads of its user, and runs. */
const settingsOf = [
  'settings.json',
  'CLAUDE.md',
  'agents',
  'commands',
  'hooks',
  'output-styles',
  'plugins',
  'rules',
  'skills',
] as const;

/** Claude Code. */
export const claude = realAgent({
  name: 'claude',
  description: 'Claude Code (claude -p), with MCP',
  environment: [
    'ANTHROPIC_API_KEY',
    'ANTHROPIC_AUTH_TOKEN',
    'ANTHROPIC_BASE_URL',
    'ANTHROPIC_MODEL',
    'ANTHROPIC_SMALL_FAST_MODEL',
    'ANTHROPIC_CUSTOM_HEADERS',
    'CLAUDE_CODE_OAUTH_TOKEN',
    'CLAUDE_CONFIG_DIR',
    'CLAUDE_CODE_USE_BEDROCK',
    'CLAUDE_CODE_USE_VERTEX',
    'CLAUDE_CODE_MAX_RETRIES',
    'CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC',
  ],
  mcp: true,
  login: ({ HOME = '', CLAUDE_CONFIG_DIR }) => {
    const folder = CLAUDE_CONFIG_DIR ?? join(HOME, '.claude');
    return {
      own: [folder],
      read: settingsOf.map((name) => join(folder, name)),
      write: [join(folder, '.credentials.json')],
      keep: [join(folder, 'projects')],
      copy: [join(CLAUDE_CONFIG_DIR ?? HOME, '.claude.json')],
    };
  },
  parser,
  findSession: async (session, { env }) => {
    const projects = join(env['CLAUDE_CONFIG_DIR'] ?? join(env['HOME'] ?? '', '.claude'), 'projects');
    const name = `${session.id}.jsonl`;
    // Kept by the folder of work, and this attempt has another one: the file itself can be named.
    for (const project of await readdir(projects).catch((): string[] => [])) {
      if ((await readdir(join(projects, project)).catch((): string[] => [])).includes(name))
        return { ...session, from: join(projects, project, name) };
    }
    return undefined;
  },
  command: async (context) => {
    const { model, permissions: given, args = [], program = 'claude' } = optionsOf(context.spec);
    const mcp = join(context.folder, 'claude-mcp.json');
    await writeFile(mcp, JSON.stringify({ mcpServers: { heartbead: mcpServer(context) } }, undefined, 2), {
      mode: 0o600,
    });
    const settings = join(context.folder, 'claude-settings.json');
    // Added to the user's own hooks. After each tool, and before the end: that is when it can take a message up.
    await writeFile(
      settings,
      JSON.stringify({ hooks: { PostToolUse: hook(context, { matcher: '*' }), Stop: hook(context) } }, undefined, 2),
      { mode: 0o600 },
    );
    return {
      file: program,
      args: [
        '-p',
        '--output-format',
        'stream-json',
        '--verbose',
        ...(given ?? permissions),
        '--mcp-config',
        mcp,
        '--settings',
        settings,
        ...(model === undefined ? [] : ['--model', model]),
        ...(context.resume === undefined ? [] : ['--resume', context.resume.from]),
        ...args,
      ],
      // Newer versions hide the tools of MCP servers behind a search; ours are few.
      env: { ENABLE_TOOL_SEARCH: 'false', DISABLE_AUTOUPDATER: '1' },
      stdin: context.prompt,
    };
  },
});
