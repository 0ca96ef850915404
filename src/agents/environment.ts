import { agentEnvironment } from '../contract/index.js';

/**
 * What an agent may see of its host without being asked for: enough to find programs, speak the language, and commit.
 */
const allowed = new Set([
  'PATH',
  'HOME',
  'LANG',
  'TERM',
  'TZ',
  'USER',
  'LOGNAME',
  'SHELL',
  'TMPDIR',
  'SSH_AUTH_SOCK',
  'GIT_AUTHOR_NAME',
  'GIT_AUTHOR_EMAIL',
  'GIT_COMMITTER_NAME',
  'GIT_COMMITTER_EMAIL',
  // The way to the network, where a host has one of its own: a build without it fails, or hangs.
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'].flatMap((name) => [name, name.toLowerCase()]),
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_EXTRA_CA_CERTS',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
]);

/** How an agent, a set-up step or a check finds its ports. */
export const portVariables = (block: { from: number; count: number } | undefined): Record<string, string> =>
  block === undefined
    ? {}
    : { [agentEnvironment.port]: String(block.from), [agentEnvironment.portCount]: String(block.count) };

const isOurs = (name: string): boolean => (Object.values(agentEnvironment) as string[]).includes(name);

/** @returns what is wrong with the names of variables that an agent is to see, or undefined. */
export function environmentProblem(names: readonly string[]): string | undefined {
  for (const name of names) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      return `not a name of a variable: ${JSON.stringify(name)} (name it, do not give its value)`;
    if (name.startsWith('TEMPORAL_')) return `an agent never sees ${name}: only its runner speaks to Temporal`;
    if (isOurs(name)) return `${name} is set by Heartbead itself`;
  }
  return undefined;
}

/**
 * @param host the runner's environment.
 * @param names further variables that the bead's agent may see; those that {@link environmentProblem} refuses are
 * left out.
 * @param own what the runner and the adapter set; it wins.
 */
export function agentEnvironmentFrom(
  host: NodeJS.ProcessEnv,
  names: readonly string[],
  own: Record<string, string>,
): Record<string, string> {
  const wanted = new Set(names.filter((name) => environmentProblem([name]) === undefined));
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(host)) {
    if (value !== undefined && (allowed.has(name) || name.startsWith('LC_') || wanted.has(name))) env[name] = value;
  }
  return { ...env, ...own };
}
