import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { agentPrograms } from '../../../src/agents/index.js';
import { settingsFileAgents } from '../../../src/agents/programs.js';
import { cacheDirectory } from '../../../src/server/cache.js';

export type AgentName = keyof typeof agentPrograms;

/** Those that this run is about: `npm run test:agents` says which. */
const asked = process.env['HEARTBEAD_TEST_AGENTS'];
export const agentNames: AgentName[] = (Object.keys(agentPrograms) as AgentName[]).filter((name) =>
  (asked === undefined ? ['claude', 'pi'] : asked === 'all' ? Object.keys(agentPrograms) : asked.split(',')).includes(
    name,
  ),
);

export type SettingsFileAgent = keyof typeof settingsFileAgents;
export const settingsFileNames: SettingsFileAgent[] = (Object.keys(settingsFileAgents) as SettingsFileAgent[]).filter(
  (name) => asked === undefined || asked === 'all' || asked.split(',').includes(name),
);

/** @returns the fetched program, or why there is none. */
export function installed(name: AgentName | SettingsFileAgent): { file: string } | { missing: string } {
  const { version, files } = { ...agentPrograms, ...settingsFileAgents }[name];
  const modules = join(cacheDirectory(), 'agents', `${name}-${version}`, 'node_modules');
  const file = files.map((path) => join(modules, path)).find((path) => existsSync(path));
  return file === undefined
    ? { missing: `${name} ${version} is not in the cache; \`npm run test:agents -- ${name}\` fetches it` }
    : { file };
}

/** How a program is led to a provider of ours: files in its home, variables, and the model to ask for. */
interface Leading {
  files?: Record<string, string>;
  env?: Record<string, string>;
  model?: string;
}

const lead: Record<AgentName, (url: string) => Leading> = {
  claude: (url) => ({
    env: { ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: 'dummy', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' },
  }),
  codex: (url) => ({
    files: {
      '.codex/config.toml':
        'model = "fake-model"\nmodel_provider = "fake"\n[model_providers.fake]\nname = "fake"\nbase_url = ' +
        `"${url}/v1"\nenv_key = "OPENAI_API_KEY"\nwire_api = "responses"\n`,
    },
    env: { OPENAI_API_KEY: 'dummy' },
  }),
  opencode: (url) => ({
    files: {
      '.config/opencode/opencode.json': JSON.stringify({
        model: 'fake/fake-model',
        small_model: 'fake/fake-model',
        provider: {
          fake: {
            npm: '@ai-sdk/openai-compatible',
            options: { baseURL: `${url}/v1`, apiKey: 'dummy' },
            models: { 'fake-model': {} },
          },
        },
      }),
    },
    env: { OPENCODE_DISABLE_MODELS_FETCH: '1' },
  }),
  gemini: (url) => ({
    files: { '.gemini/settings.json': '{"security":{"auth":{"selectedType":"gemini-api-key"}}}' },
    env: { GEMINI_API_KEY: 'dummy', GOOGLE_GEMINI_BASE_URL: url },
    model: 'gemini-2.5-flash',
  }),
  pi: (url) => ({
    files: {
      '.pi/agent/models.json': JSON.stringify({
        providers: {
          fake: {
            baseUrl: `${url}/v1`,
            api: 'openai-completions',
            apiKey: 'dummy',
            compat: { supportsDeveloperRole: false },
            models: [{ id: 'fake-model' }],
          },
        },
      }),
    },
    env: { PI_OFFLINE: '1' },
    model: 'fake/fake-model',
  }),
};

/**
 * Makes a home in which a program finds our provider. @returns the environment of a worker whose agents run there, and
 * their options.
 */
export function home(
  folder: string,
  name: AgentName,
  file: string,
  url: string,
): { env: NodeJS.ProcessEnv; options: Record<string, unknown> } {
  const { files = {}, env = {}, model } = lead[name](url);
  const user = join(folder, 'user');
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(user, path)), { recursive: true });
    writeFileSync(join(user, path), text);
  }
  const bin = join(folder, 'programs');
  mkdirSync(bin, { recursive: true });
  mkdirSync(user, { recursive: true });
  symlinkSync(file, join(bin, agentPrograms[name].program));
  return {
    env: { HOME: user, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`, TERM: 'dumb', ...env },
    options: model === undefined ? {} : { model },
  };
}
