import { execa } from 'execa';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Usage } from '../contract/index.js';
import { jsonLines, numberAt, textAt, toolActivity } from './json-lines.js';
import type { Line } from './json-lines.js';
import { mcpServer, optionsOf, realAgent } from './real-agent.js';
import { providerRefusal } from './provider-refusals.js';
import type { AgentEvent, AgentParser, SessionContext } from './types.js';

const permissions = ['--auto'];
/** It starts in a second or two; more means that it is out of order, or the host. */
const within = 120_000;

function stepUsage(part: unknown): Usage {
  const cachedTokens = numberAt(part, 'tokens', 'cache', 'read') ?? 0;
  return {
    inputTokens:
      (numberAt(part, 'tokens', 'input') ?? 0) + (numberAt(part, 'tokens', 'cache', 'write') ?? 0) + cachedTokens,
    outputTokens: (numberAt(part, 'tokens', 'output') ?? 0) + (numberAt(part, 'tokens', 'reasoning') ?? 0),
    cachedTokens,
    costUsd: numberAt(part, 'cost') ?? 0,
    turns: 1,
  };
}

function eventsOf(line: Line): AgentEvent[] {
  const part = line['part'];
  switch (textAt(line, 'type')) {
    // The model has begun to answer. A tool is told of only when it has ended.
    case 'step_start':
      return [{ kind: 'progress' }];
    case 'text':
      return [
        { kind: 'progress', activity: textAt(part, 'text') ?? '' },
        { kind: 'said', text: textAt(part, 'text') ?? '' },
      ];
    case 'reasoning':
      return [{ kind: 'progress', activity: textAt(part, 'text') ?? '' }];
    case 'tool_use':
      return [
        {
          kind: 'progress',
          tool: true,
          activity: toolActivity(
            textAt(part, 'tool') ?? 'tool',
            (part as Line | undefined)?.['state'] === undefined
              ? undefined
              : ((part as Line)['state'] as Line)['input'],
          ),
        },
      ];
    case 'step_finish':
      return [
        { kind: 'usage', ...stepUsage(part) },
        ...(textAt(part, 'reason') === 'stop' ? [{ kind: 'end', ok: true } as const] : []),
      ];
    case 'error': {
      const text = textAt(line, 'error', 'data', 'message') ?? textAt(line, 'error', 'name') ?? 'an error';
      const seconds = Number(textAt(line, 'error', 'data', 'responseHeaders', 'retry-after'));
      const refused = providerRefusal({
        text,
        status: numberAt(line, 'error', 'data', 'statusCode'),
        retryAfterMs: seconds > 0 ? seconds * 1_000 : undefined,
      });
      return [...(refused ? [refused] : []), { kind: 'end', ok: false, text }];
    }
    default:
      return [];
  }
}

function parser(): AgentParser {
  let told = false;
  return jsonLines((line) => {
    const id = textAt(line, 'sessionID');
    const session: AgentEvent[] = told || id === undefined ? [] : [{ kind: 'session', id }];
    told ||= id !== undefined;
    return [...session, ...eventsOf(line)];
  });
}

/** opencode. */
export const opencode = realAgent({
  name: 'opencode',
  description: 'opencode (opencode run), with MCP',
  environment: [
    'ANTHROPIC_API_KEY',
    'OPENAI_API_KEY',
    'OPENROUTER_API_KEY',
    'GEMINI_API_KEY',
    'GOOGLE_GENERATIVE_AI_API_KEY',
    'GROQ_API_KEY',
    'MISTRAL_API_KEY',
    'DEEPSEEK_API_KEY',
    'XAI_API_KEY',
    'OPENCODE_API_KEY',
    'OPENCODE_CONFIG_DIR',
    'OPENCODE_CONFIG_CONTENT',
    'OPENCODE_DB',
    'OPENCODE_DISABLE_MODELS_FETCH',
  ],
  mcp: true,
  login: ({ HOME = '', OPENCODE_CONFIG_DIR }) => {
    const data = join(HOME, '.local/share/opencode');
    return {
      // Programs that opencode has fetched, and runs, lie within its data.
      read: [join(data, 'bin'), ...(OPENCODE_CONFIG_DIR === undefined ? [] : [OPENCODE_CONFIG_DIR])],
      // At each start it writes into the folder of its settings.
      copy: [join(HOME, '.config/opencode')],
      // Login and conversations are in one database with its journal beside it.
      keep: [data, join(data, 'bin')],
    };
  },
  parser,
  findSession: async (session, context) =>
    context.inPlace === true || (await moveSession(session.id, context)) ? { ...session, from: session.id } : undefined,
  command: async (context) => {
    const { model, permissions: given, args = [], program = 'opencode' } = optionsOf(context.spec);
    const { command, args: serverArgs, env } = mcpServer(context);
    const config = join(context.folder, 'opencode.json');
    await writeFile(
      config,
      JSON.stringify(
        {
          mcp: {
            heartbead: {
              type: 'local',
              command: [command, ...serverArgs],
              environment: env,
              enabled: true,
              timeout: 60_000,
            },
          },
        },
        undefined,
        2,
      ),
      { mode: 0o600 },
    );
    const own = { OPENCODE_CONFIG: config, OPENCODE_DISABLE_AUTOUPDATE: '1' };
    return {
      file: program,
      args: [
        'run',
        '--format',
        'json',
        ...(given ?? permissions),
        ...(model === undefined ? [] : ['-m', model]),
        ...(context.resume === undefined ? [] : ['--session', context.resume.id]),
        ...args,
      ],
      env: own,
      stdin: context.prompt,
    };
  },
});

/** As opencode makes them. What is told as one comes from an agent's output, and becomes an argument. */
const sessionId = /^ses_[A-Za-z0-9]+$/;

/**
 * A conversation belongs to the folder in which it began, and would go on working there: it is taken out, and put back
 * as this attempt's. No wall stands around that, so opencode is told to load no plug-in, and no settings of the tree,
 * which may be an agent's.
 * @returns whether there is such a conversation.
 */
async function moveSession(id: string, { spec, env, scratch, worktree, signal }: SessionContext): Promise<boolean> {
  const program = optionsOf(spec).program ?? 'opencode';
  if (!sessionId.test(id)) return false;
  const file = join(scratch, 'opencode-session.json');
  const options = {
    env: { ...env, OPENCODE_DISABLE_AUTOUPDATE: '1', OPENCODE_DISABLE_PROJECT_CONFIG: '1', OPENCODE_PURE: '1' },
    extendEnv: false,
    stdin: 'ignore',
    timeout: within,
    reject: false,
    cancelSignal: signal,
  } as const;
  const exported = await execa(program, ['export', id], { ...options, cwd: scratch, stdout: { file } });
  if (exported.failed) return false;
  const text = await readFile(file, 'utf8');
  const session = JSON.parse(text.slice(text.indexOf('{'))) as { info?: { id?: string; directory?: string } };
  if (session.info?.id !== id) return false;
  session.info.directory = worktree;
  await writeFile(file, JSON.stringify(session), { mode: 0o600 });
  return !(await execa(program, ['import', file], { ...options, cwd: worktree })).failed;
}
