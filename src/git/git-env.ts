/**
 * What passes of the host's own git variables: identity, ways to authenticate, certificates, configuration files. All
 * others go: a `GIT_DIR` or `GIT_INDEX_FILE` inherited from a hook or a shell would turn our commands on another
 * repository, a `GIT_TRACE` would fill the text that failures are read from.
 */
const passes =
  /^GIT_(?:(?:AUTHOR|COMMITTER)_(?:NAME|EMAIL)|SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|PROXY_COMMAND|EXEC_PATH|TEMPLATE_DIR|SSL_\w+|CONFIG_(?:GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+))$/;

/**
 * The environment of every git process that Heartbead starts: nothing can ask a question that nobody answers, only
 * protocols that move data are allowed (also behind `insteadOf` and in submodules), and messages are in the language
 * that failures are recognised in.
 * @param host - the environment to start from; that of this process when absent.
 * @returns the whole environment, not an addition to one.
 */
export function gitEnv(host: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(host)) {
    if (value === undefined || (name.startsWith('GIT_') && !passes.test(name))) continue;
    env[name] = value;
  }
  // Desktop password windows. An operator's own GIT_ASKPASS is kept, since it may answer from a store; that of an
  // editor's terminal cannot.
  delete env['SSH_ASKPASS'];
  if (env['VSCODE_GIT_ASKPASS_MAIN'] !== undefined) delete env['GIT_ASKPASS'];
  return {
    ...env,
    SSH_ASKPASS_REQUIRE: 'never',
    GCM_INTERACTIVE: 'never',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: 'file:git:http:https:ssh',
    // `git status` would else take the agent's index.lock to refresh its index, and the agent's next command would
    // fail.
    GIT_OPTIONAL_LOCKS: '0',
    LC_ALL: 'C',
  };
}
