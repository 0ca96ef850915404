/** An agent program that Heartbead knows, and the version with which it was tried end to end. */
export interface AgentProgram {
  /** Name of the executable. */
  program: string;
  /** Package in npm's registry. */
  package: string;
  /** The version of the end-to-end tests; others mostly work, but nobody has tried them here. */
  version: string;
  /**
   * Executables within the installed package's `node_modules`, in order of preference: a package whose install script
   * was not run has only the native one.
   */
  files: readonly string[];
  /** What a person does when its provider does not know it. */
  login: string;
}

const platform = `${process.platform}-${process.arch}`;

/** The only place where versions of agent programs stand. */
export const agentPrograms = {
  claude: {
    program: 'claude',
    package: '@anthropic-ai/claude-code',
    version: '2.1.197',
    files: [`@anthropic-ai/claude-code-${platform}/claude`, '.bin/claude'],
    login: 'run `claude` on that host and log in, or let the worker see a valid ANTHROPIC_API_KEY',
  },
  codex: {
    program: 'codex',
    package: '@openai/codex',
    version: '0.169.0',
    files: ['.bin/codex'],
    login: 'run `codex login` on that host, or let the worker see a valid OPENAI_API_KEY',
  },
  opencode: {
    program: 'opencode',
    package: 'opencode-ai',
    version: '1.18.33',
    files: [`opencode-${platform}/bin/opencode`, '.bin/opencode'],
    login: 'run `opencode auth login` on that host, or let the worker see the key of its provider',
  },
  gemini: {
    program: 'gemini',
    package: '@google/gemini-cli',
    version: '0.61.0',
    files: ['.bin/gemini'],
    login: 'run `gemini` on that host and log in, or let the worker see a valid GEMINI_API_KEY',
  },
  pi: {
    program: 'pi',
    package: '@earendil-works/pi-coding-agent',
    version: '0.74.2',
    files: ['.bin/pi'],
    login: 'run `pi` on that host and use /login, or let the worker see the key of its provider',
  },
} as const satisfies Record<string, AgentProgram>;

/**
 * Programs from npm with which entries of a settings file are tried end to end; nothing of them is known here but where
 * they are.
 */
export const settingsFileAgents = {
  qwen: {
    program: 'qwen',
    package: '@qwen-code/qwen-code',
    version: '0.24.4',
    files: ['.bin/qwen'],
  },
  cline: {
    program: 'cline',
    package: 'cline',
    version: '3.0.65',
    files: [`@cline/cli-${platform}/bin/cline`, '.bin/cline'],
  },
} as const satisfies Record<string, Omit<AgentProgram, 'login'>>;

/**
 * Programs from the Python index with which the example of a settings file is tried: nothing of them is known here but
 * where they are.
 */
export const pythonAgents = {
  aider: { package: 'aider-chat', version: '0.86.2' },
} as const satisfies Record<string, Pick<AgentProgram, 'package' | 'version'>>;

/** @returns the command that installs the version that was tried. */
export const installCommand = ({ package: name, version }: AgentProgram): string => `npm install -g ${name}@${version}`;
