import { readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { jsonLines, numberAt, textAt, toolActivity } from './json-lines.js';
import { copyOwn, isOwnFolder, ownFolder, writeOwn } from './own-files.js';
import { hook, mcpServer, optionsOf, realAgent } from './real-agent.js';
import { providerRefusal } from './provider-refusals.js';
import type { AgentContext, AgentParser } from './types.js';

const permissions = ['--approval-mode', 'yolo', '--skip-trust'];
const homeFolder = 'gemini-home';
/** Made anew for each attempt; everything else of the user's is linked. */
/** Gemini counts in milliseconds. */
const hookMs = 30_000;
const ownNames = new Set(['settings.json', 'tmp', 'history', 'projects.json', 'trustedFolders.json']);
/** Name of the project in the attempt's home; its conversations lie below. */
const project = 'worktree';

/** Retries and failures are told on stderr alone. */
function complaint(line: string): ReturnType<AgentParser> {
  if (!/attempt \d+ failed|error|retry|exceeded|unauthor|quota/i.test(line)) return undefined;
  return providerRefusal({ text: line }) ?? { kind: 'life', activity: line };
}

function parser(): AgentParser {
  // It tells of its words in pieces.
  let said = '';
  const lines = jsonLines((line) => {
    switch (textAt(line, 'type')) {
      case 'init': {
        const id = textAt(line, 'session_id');
        return id === undefined ? undefined : { kind: 'session', id };
      }
      case 'message': {
        if (textAt(line, 'role') !== 'assistant') return undefined;
        const activity = textAt(line, 'content') ?? '';
        said += activity;
        return { kind: 'progress', activity };
      }
      case 'tool_use':
        said = '';
        return {
          kind: 'progress',
          tool: true,
          activity: toolActivity(textAt(line, 'tool_name') ?? 'tool', line['parameters']),
        };
      case 'tool_result':
        return { kind: 'progress', tool: true };
      case 'error':
        return complaint(textAt(line, 'message') ?? 'error');
      case 'result': {
        const text = textAt(line, 'error', 'message');
        const ok = textAt(line, 'status') === 'success';
        const refused = ok || text === undefined ? undefined : providerRefusal({ text });
        return [
          {
            kind: 'usage',
            total: true,
            inputTokens: numberAt(line, 'stats', 'input_tokens') ?? 0,
            outputTokens: numberAt(line, 'stats', 'output_tokens') ?? 0,
            cachedTokens: numberAt(line, 'stats', 'cached') ?? 0,
          },
          ...(ok ? [{ kind: 'said', text: said } as const] : []),
          ...(refused ? [refused] : []),
          { kind: 'end', ok, text },
        ];
      }
      default:
        return undefined;
    }
  });
  return (line, stream) => (stream === 'stderr' ? complaint(line) : lines(line));
}

const userFolder = (env: Readonly<Record<string, string>>): string =>
  join(env['GEMINI_CLI_HOME'] ?? env['HOME'] ?? '', '.gemini');

async function userSettings(folder: string): Promise<Record<string, unknown>> {
  const text = await readFile(join(folder, 'settings.json'), 'utf8').catch(() => '{}');
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    // It may have comments; those on lines of their own are what people write.
    return JSON.parse(text.replace(/^\s*\/\/.*$/gm, '')) as Record<string, unknown>;
  }
}

/**
 * Gemini reads MCP servers from the user's settings or the repository's, and writes neither for us: the attempt gets a
 * home of its own, in which the user's files (login, extensions, memory) are links and the settings are his with our
 * server added.
 */
async function makeHome(context: AgentContext): Promise<string> {
  const home = join(context.folder, homeFolder);
  const inner = await ownFolder(context.folder, `${homeFolder}/.gemini`);
  const own = (path: string, text: string): Promise<void> => writeOwn(inner, path, text);
  const user = userFolder(context.env);
  for (const name of await readdir(user).catch((): string[] => [])) {
    if (!ownNames.has(name))
      await symlink(join(user, name), join(inner, name)).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      });
  }
  const settings = await userSettings(user);
  const servers = {
    ...(settings['mcpServers'] as Record<string, unknown> | undefined),
    heartbead: { ...mcpServer(context), trust: true, timeout: 600_000 },
  };
  const hooks = settings['hooks'] as Record<string, unknown[] | undefined> | undefined;
  const added = {
    ...hooks,
    AfterTool: [...(hooks?.['AfterTool'] ?? []), ...hook(context, { matcher: '*' }, hookMs)],
    AfterAgent: [...(hooks?.['AfterAgent'] ?? []), ...hook(context, {}, hookMs)],
  };
  await own('settings.json', JSON.stringify({ ...settings, mcpServers: servers, hooks: added }, undefined, 2));
  await own('projects.json', JSON.stringify({ projects: { [context.worktree]: project } }));
  await own(`tmp/${project}/.project_root`, context.worktree);
  const chats = join(inner, 'tmp', project, 'chats');
  if (context.resume !== undefined && context.resume.from !== chats) await copyOwn(context.resume.from, chats);
  return home;
}

/** Gemini CLI. */
export const gemini = realAgent({
  name: 'gemini',
  description: 'Gemini CLI (gemini), with MCP',
  environment: [
    'GEMINI_API_KEY',
    'GOOGLE_API_KEY',
    'GOOGLE_GEMINI_BASE_URL',
    'GOOGLE_CLOUD_PROJECT',
    'GOOGLE_CLOUD_LOCATION',
    'GOOGLE_APPLICATION_CREDENTIALS',
    'GOOGLE_GENAI_USE_VERTEXAI',
    'GEMINI_MODEL',
    'GEMINI_CLI_HOME',
  ],
  mcp: true,
  login: ({ GOOGLE_APPLICATION_CREDENTIALS, ...env }) => {
    const folder = userFolder(env);
    return {
      read: [folder, ...(GOOGLE_APPLICATION_CREDENTIALS === undefined ? [] : [GOOGLE_APPLICATION_CREDENTIALS])],
      write: ['oauth_creds.json', 'google_accounts.json', 'mcp-oauth-tokens.json'].map((name) => join(folder, name)),
    };
  },
  parser,
  findSession: async (session, { folder }) => {
    const path = `${homeFolder}/.gemini/tmp/${project}/chats`;
    if (!(await isOwnFolder(folder, path))) return undefined;
    const chats = join(folder, path);
    const files = await readdir(chats).catch((): string[] => []);
    return files.some((file) => file.includes(session.id.slice(0, 8))) ? { ...session, from: chats } : undefined;
  },
  command: async (context) => {
    const { model, permissions: given, args = [], program = 'gemini' } = optionsOf(context.spec);
    return {
      file: program,
      args: [
        '--output-format',
        'stream-json',
        ...(given ?? permissions),
        ...(model === undefined ? [] : ['-m', model]),
        ...(context.resume === undefined ? [] : ['--resume', context.resume.id]),
        ...args,
      ],
      // Its wrapper process ignores SIGTERM; without it the program itself gets it.
      env: {
        GEMINI_CLI_HOME: await makeHome(context),
        GEMINI_CLI_TRUST_WORKSPACE: 'true',
        GEMINI_CLI_NO_RELAUNCH: 'true',
      },
      stdin: context.prompt,
    };
  },
});
