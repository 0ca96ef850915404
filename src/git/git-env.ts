/**
 * What git, ssh, curl and the usual credential helpers read of a user's environment, and no more: keys of providers and
 * of the server, and whatever else a worker is started with, are not git's business, nor that of a program that git is
 * made to run. `HEARTBEAD_GIT_ENV` names others.
 */
const passes = new RegExp(
  `^(?:${[
    'PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|TZ|LANG|LD_LIBRARY_PATH',
    'XDG_(?:CONFIG_HOME|CONFIG_DIRS|CACHE_HOME|DATA_HOME|RUNTIME_DIR)',
    // Agents and stores of keys: ssh, Kerberos, the desktop's key ring.
    'SSH_AUTH_SOCK|SSH_AGENT_PID|GNUPGHOME|KRB5CCNAME|KRB5_CONFIG|DBUS_SESSION_BUS_ADDRESS',
    '(?:https?|all|no|ftp)_proxy|(?:HTTPS?|ALL|NO|FTP)_PROXY',
    'SSL_CERT_FILE|SSL_CERT_DIR|CURL_CA_BUNDLE|NIX_SSL_CERT_FILE',
    // What of git's own variables is kept: identity, ways to authenticate, certificates, configuration files. All
    // others go: a `GIT_DIR` or `GIT_INDEX_FILE` inherited from a hook or a shell would turn our commands on another
    // repository, a `GIT_TRACE` would fill the text that failures are read from.
    'GIT_(?:AUTHOR|COMMITTER)_(?:NAME|EMAIL)|GIT_SSH|GIT_SSH_COMMAND|GIT_SSH_VARIANT|GIT_ASKPASS|GIT_PROXY_COMMAND',
    'GIT_EXEC_PATH|GIT_SSL_\\w+|GIT_CONFIG_(?:GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\\d+|VALUE_\\d+)|GIT_LFS_\\w+',
  ].join('|')})$`,
);

/**
 * The environment of every git process that Heartbead starts: nothing can ask a question that nobody answers, only
 * protocols that move data are allowed (also behind `insteadOf` and in submodules), messages are in the language that
 * failures are recognised in, and objects are what their ids say: neither replace refs nor grafts put others in their
 * place.
 * @param host the environment to start from; that of this process when absent.
 * @returns the whole environment, not an addition to one.
 */
export function gitEnv(host: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const named = new Set((host['HEARTBEAD_GIT_ENV'] ?? '').split(/[\s,]+/).filter((name) => !name.startsWith('GIT_')));
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(host))
    if (value !== undefined && (passes.test(name) || named.has(name))) env[name] = value;
  // An operator's own GIT_ASKPASS is kept, since it may answer from a store; that of an editor's terminal cannot.
  if (host['VSCODE_GIT_ASKPASS_MAIN'] !== undefined) delete env['GIT_ASKPASS'];
  return {
    ...env,
    // No password windows of a desktop.
    SSH_ASKPASS_REQUIRE: 'never',
    GCM_INTERACTIVE: 'never',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: 'file:git:http:https:ssh',
    GIT_NO_REPLACE_OBJECTS: '1',
    // Nothing can be there.
    GIT_GRAFT_FILE: '/dev/null/none',
    // Whatever the user prefers: refs are also read as files here.
    GIT_DEFAULT_REF_FORMAT: 'files',
    // `git status` would else take the agent's index.lock to refresh its index, and the agent's next command would
    // fail.
    GIT_OPTIONAL_LOCKS: '0',
    LC_ALL: 'C',
  };
}
