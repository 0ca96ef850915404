import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { jsonLines, listAt, numberAt, textAt, toolActivity } from './json-lines.js';
import type { Line } from './json-lines.js';
import { ownFolder, readOwn, writeOwn } from './own-files.js';
import { optionsOf, realAgent } from './real-agent.js';
import { providerRefusal } from './provider-refusals.js';
import type { AgentEvent, AgentParser } from './types.js';

const sessionsFolder = 'pi-sessions';

/** An answer of the model, or the only sign that there was none: the program itself ends with 0 then. */
function answered(message: unknown): AgentEvent[] {
  if (textAt(message, 'role') !== 'assistant') return [];
  const cachedTokens = numberAt(message, 'usage', 'cacheRead') ?? 0;
  const usage: AgentEvent = {
    kind: 'usage',
    inputTokens:
      (numberAt(message, 'usage', 'input') ?? 0) + (numberAt(message, 'usage', 'cacheWrite') ?? 0) + cachedTokens,
    outputTokens: numberAt(message, 'usage', 'output') ?? 0,
    cachedTokens,
    costUsd: numberAt(message, 'usage', 'cost', 'total') ?? 0,
    turns: 1,
  };
  switch (textAt(message, 'stopReason')) {
    case 'error':
    case 'aborted': {
      const text = textAt(message, 'errorMessage') ?? 'the model gave no answer';
      const refused = providerRefusal({ text });
      return [...(refused ? [refused] : []), { kind: 'end', ok: false, text }];
    }
    case 'stop':
      return [
        usage,
        { kind: 'progress' },
        {
          kind: 'said',
          text: listAt(message, 'content')
            .map((part) => textAt(part, 'text') ?? '')
            .join(''),
        },
        { kind: 'end', ok: true },
      ];
    default:
      return [usage, { kind: 'progress' }];
  }
}

function parser(): AgentParser {
  return jsonLines((line: Line) => {
    switch (textAt(line, 'type')) {
      case 'session': {
        const id = textAt(line, 'id');
        return id === undefined ? undefined : { kind: 'session', id };
      }
      case 'message_update':
      case 'tool_execution_update':
        return { kind: 'progress' };
      case 'message_end':
        return answered(line['message']);
      case 'tool_execution_start':
        return {
          kind: 'progress',
          tool: true,
          activity: toolActivity(textAt(line, 'toolName') ?? 'tool', line['args']),
        };
      case 'tool_execution_end':
        return { kind: 'progress', tool: true };
      case 'auto_retry_start': {
        const text = textAt(line, 'errorMessage') ?? 'retries';
        return (
          providerRefusal({ text, retryAfterMs: numberAt(line, 'delayMs') }) ?? {
            kind: 'life',
            activity: `retries: ${text}`,
          }
        );
      }
      default:
        return undefined;
    }
  });
}

/** What pi reads of its user, and runs. */
const settingsOf = [
  'settings.json',
  'models.json',
  'AGENTS.md',
  'SYSTEM.md',
  'bin',
  'extensions',
  'git',
  'npm',
  'prompts',
  'skills',
  'themes',
  'tools',
] as const;

/** pi: no MCP by design, so its agent reports by `heartbead agent` from the shell. */
export const pi = realAgent({
  name: 'pi',
  description: 'pi (pi -p), reports by the command line',
  environment: [
    'ANTHROPIC_API_KEY',
    'OPENAI_API_KEY',
    'GEMINI_API_KEY',
    'OPENROUTER_API_KEY',
    'GROQ_API_KEY',
    'MISTRAL_API_KEY',
    'DEEPSEEK_API_KEY',
    'XAI_API_KEY',
    'PI_CODING_AGENT_DIR',
    'PI_OFFLINE',
  ],
  login: ({ HOME = '', PI_CODING_AGENT_DIR = join(HOME, '.pi/agent') }) => ({
    own: [PI_CODING_AGENT_DIR],
    read: settingsOf.map((name) => join(PI_CODING_AGENT_DIR, name)),
    write: [join(PI_CODING_AGENT_DIR, 'auth.json')],
  }),
  parser,
  findSession: async (session, { folder }) => {
    const sessions = join(folder, sessionsFolder);
    const file = (await readdir(sessions).catch((): string[] => [])).find((name) =>
      name.endsWith(`_${session.id}.jsonl`),
    );
    if (file === undefined || (await headed(join(sessions, file))) === undefined) return undefined;
    return { ...session, from: join(sessions, file) };
  },
  command: async (context) => {
    const { model, permissions = [], args = [], program = 'pi' } = optionsOf(context.spec);
    const sessions = await ownFolder(context.folder, sessionsFolder);
    const resumed =
      context.resume === undefined ? undefined : await copySession(context.resume.from, sessions, context.worktree);
    return {
      file: program,
      args: [
        '-p',
        '--mode',
        'json',
        '--session-dir',
        sessions,
        ...permissions,
        ...(model === undefined ? [] : ['--model', model]),
        ...(resumed === undefined ? [] : ['--session', resumed]),
        ...args,
      ],
      env: { PI_SKIP_VERSION_CHECK: '1' },
      stdin: context.prompt,
    };
  },
});

/** A conversation goes on in the folder that its first line names: this attempt's, from now on. */
async function copySession(from: string, sessions: string, worktree: string): Promise<string> {
  const found = await headed(from);
  if (found === undefined) throw new Error(`${from} holds no conversation any more`);
  const name = basename(from);
  await writeOwn(sessions, name, `${JSON.stringify({ ...found.header, cwd: worktree })}${found.rest}`);
  return join(sessions, name);
}

/** @returns the first line of a conversation and what follows; undefined where the file is none. */
async function headed(file: string): Promise<{ header: Record<string, unknown>; rest: string } | undefined> {
  const text = (await readOwn(file)) ?? '';
  const end = text.indexOf('\n');
  try {
    const header: unknown = JSON.parse(text.slice(0, end));
    if (typeof header !== 'object' || header === null || Array.isArray(header)) return undefined;
    return { header: header as Record<string, unknown>, rest: text.slice(end) };
  } catch {
    // Not a conversation, whatever it is.
    return undefined;
  }
}
