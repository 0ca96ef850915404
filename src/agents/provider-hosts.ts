/** By the program, where it has one provider. */
const ofProgram: Partial<Record<string, readonly string[]>> = {
  claude: ['api.anthropic.com:443', 'console.anthropic.com:443', 'platform.claude.com:443'],
  codex: ['api.openai.com:443', 'auth.openai.com:443', 'chatgpt.com:443'],
  gemini: ['generativelanguage.googleapis.com:443', 'cloudcode-pa.googleapis.com:443', 'oauth2.googleapis.com:443'],
};

/** By the variable that holds a key, where the program speaks with many. */
const ofKey: Readonly<Record<string, string>> = {
  ANTHROPIC_API_KEY: 'api.anthropic.com:443',
  OPENAI_API_KEY: 'api.openai.com:443',
  OPENROUTER_API_KEY: 'openrouter.ai:443',
  GEMINI_API_KEY: 'generativelanguage.googleapis.com:443',
  GOOGLE_GENERATIVE_AI_API_KEY: 'generativelanguage.googleapis.com:443',
  GROQ_API_KEY: 'api.groq.com:443',
  MISTRAL_API_KEY: 'api.mistral.ai:443',
  DEEPSEEK_API_KEY: 'api.deepseek.com:443',
  XAI_API_KEY: 'api.x.ai:443',
};

/**
 * @param names of the host's variables that the program sees.
 * @returns where the models of an agent program are, as entries of a sandbox's list of hosts. Pure.
 */
export function providerHosts(
  adapter: string,
  names: readonly string[],
  env: Readonly<Partial<Record<string, string>>>,
): string[] {
  const set = names.filter((name) => (env[name] ?? '') !== '');
  const keys = ofProgram[adapter] ?? set.flatMap((name) => ofKey[name] ?? []);
  // A provider of the user's own: a gateway, a model on this machine.
  const own = set.filter((name) => /_(?:BASE_URL|API_BASE)$/.test(name)).flatMap((name) => hostOf(env[name] ?? ''));
  return [...new Set([...keys, ...own])];
}

function hostOf(url: string): string[] {
  if (!URL.canParse(url)) return [];
  const parsed = new URL(url);
  if (!/^https?:$/.test(parsed.protocol)) return [];
  return [`${parsed.hostname}:${parsed.port || (parsed.protocol === 'https:' ? '443' : '80')}`];
}
