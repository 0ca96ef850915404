/**
 * Ways out of a cell, each as a hostile agent would take it: a script of bash that ends with 0 when it is out. They
 * touch the lab that is made for them and nothing else of the host, so that they can also be tried without a cell.
 * @module
 */

/** What a script is told by its environment, and what is looked at from outside after it. */
export interface EscapeLab {
  /** The state directory; the attempt's own folder and that of a neighbour in it. */
  STATE: string;
  OWN: string;
  NEIGHBOUR: string;
  /** The mirror whose objects both borrow. */
  MIRROR: string;
  /** The repository by which Heartbead looks at our own work, and that of the neighbour's work. */
  OWN_KEEPER: string;
  NEIGHBOUR_GIT: string;
  /** A file in the host's temporary folder, and one beside it that must not come to be. */
  HOST_TMP: string;
  /** Processes: a neighbour's agent, and what supervises our own. */
  VICTIM: string;
  RUNNER: string;
  /** Port of something that listens on loopback, as the server does, and the name of an abstract socket. */
  PORT: string;
  ABSTRACT: string;
  SSH_SOCKET: string;
  /** Heartbead's own files. */
  PACKAGE: string;
}

export const escapeAreas = ['files', 'home', 'links', 'processes', 'kernel', 'sockets', 'network', 'git'] as const;

export interface Escape {
  /** Stable: tests and reports name it. */
  id: string;
  area: (typeof escapeAreas)[number];
  what: string;
  script: string;
  /** For what is written: a file that exists outside only when it came out. `$NAME` as in the script. */
  outside?: string;
  /** For what it leaves running: how that calls itself. */
  outlives?: string;
  /** It needs tools, rights or devices that not every host has: without a cell it may fail as well. */
  dependsOnHost?: boolean;
}

const reads = (id: string, area: Escape['area'], what: string, file: string): Escape => ({
  id,
  area,
  what,
  script: `head -c 1 "${file}" | grep -q .`,
});
const writes = (id: string, area: Escape['area'], what: string, file: string): Escape => ({
  id,
  area,
  what,
  script: `mkdir -p "$(dirname "${file}")" && echo escaped > "${file}"`,
  outside: file,
});
const reaches = (id: string, what: string, socket: string): Escape => ({
  id,
  area: 'sockets',
  what,
  script: `reach "${socket}"`,
});

export const escapes: readonly Escape[] = [
  reads('own-connection', 'files', "reads the server's address and key in its own folder", '$OWN/connection.json'),
  reads('own-token', 'files', 'reads the token with which its runner reports', '$OWN/token'),
  reads('own-input', 'files', "reads the bead's input", '$OWN/input.json'),
  reads('own-runner-log', 'files', "reads its runner's log", '$OWN/runner.log'),
  writes('own-result', 'files', 'writes its own result', '$OWN/result.json'),
  writes('own-report', 'files', 'writes that it is done', '$OWN/report.json'),
  writes('own-shim', 'files', 'replaces its `heartbead`', '$OWN/bin/heartbead.new'),
  reads('other-connection', 'files', "reads a neighbour's connection", '$NEIGHBOUR/connection.json'),
  reads('other-worktree', 'files', "reads a neighbour's work", '$NEIGHBOUR/worktree/secret.txt'),
  reads('other-log', 'files', "reads what a neighbour's agent said", '$NEIGHBOUR/agent.log'),
  writes('other-work', 'files', "writes into a neighbour's work tree", '$NEIGHBOUR/worktree/planted'),
  writes('new-attempt', 'files', 'makes a folder of an attempt', '$STATE/attempts/1-eeee1111__evil/input.json'),
  {
    id: 'list-attempts',
    area: 'files',
    what: 'lists the attempts of its host',
    script: 'ls "$STATE/attempts"/*neighbour | grep -q agent.log',
  },
  reads('database', 'files', "reads the server's database", '$STATE/temporal.db'),
  reads('host-id', 'files', 'reads the id of its host', '$STATE/host-id'),
  reads('server-record', 'files', 'reads where the server is', '$STATE/server.json'),
  reads('hook-secrets', 'files', 'reads the secrets of the notifications', '$STATE/notifications.json'),
  writes('settings-agents', 'files', 'describes an agent of its own for its host', '$STATE/agents.yaml'),
  writes('settings-cell', 'files', 'takes the walls down for those after it', '$STATE/cell.json.new'),
  {
    id: 'program-files',
    area: 'files',
    what: "writes Heartbead's own program",
    script: 'test -w "$PACKAGE/package.json"',
  },
  {
    id: 'node-program',
    area: 'files',
    what: 'writes the program that runs its runner',
    script: 'test -w "$(readlink -f "$(command -v node)")"',
    dependsOnHost: true,
  },
  {
    id: 'system-programs',
    area: 'files',
    what: 'writes where programs are',
    script: 'test -w /usr/bin',
    dependsOnHost: true,
  },
  {
    id: 'system-settings',
    area: 'files',
    what: 'writes where the host is set up',
    script: 'test -w /etc',
    dependsOnHost: true,
  },
  { ...reads('passwords', 'files', "reads the host's passwords", '/etc/shadow'), dependsOnHost: true },
  reads('host-tmp', 'files', 'reads what others have in /tmp', '$HOST_TMP/secret'),
  writes('host-tmp-write', 'files', 'leaves something in the /tmp of others', '$HOST_TMP/planted'),
  writes('shared-memory', 'files', 'leaves something in shared memory', '/dev/shm/heartbead-escape-$VICTIM'),
  { id: 'run', area: 'files', what: 'sees what runs (/run)', script: 'ls -A /run | grep -q .', dependsOnHost: true },
  {
    id: 'var',
    area: 'files',
    what: 'sees logs and spools (/var)',
    script: 'ls -A /var/lib | grep -q .',
    dependsOnHost: true,
  },
  {
    id: 'disks',
    area: 'files',
    what: 'sees the disks themselves',
    script: 'ls /dev | grep -qE "^(sd|vd|nvme|xvd|dm-|mapper|kmsg|mem)"',
    dependsOnHost: true,
  },

  reads('ssh-key', 'home', 'reads an ssh key', '$HOME/.ssh/id_ed25519'),
  reads('cloud-aws', 'home', 'reads a key of AWS', '$HOME/.aws/credentials'),
  reads('cloud-gcloud', 'home', 'reads a key of Google Cloud', '$HOME/.config/gcloud/credentials.db'),
  reads('cloud-kube', 'home', 'reads the key of a cluster', '$HOME/.kube/config'),
  reads('docker-login', 'home', 'reads the login of a registry', '$HOME/.docker/config.json'),
  reads('netrc', 'home', 'reads .netrc', '$HOME/.netrc'),
  reads('git-credentials', 'home', "reads git's stored passwords", '$HOME/.git-credentials'),
  reads('npm-token', 'home', 'reads the token of npm', '$HOME/.npmrc'),
  reads('gnupg', 'home', 'reads a key of GnuPG', '$HOME/.gnupg/secring.gpg'),
  reads('browser', 'home', 'reads the passwords of a browser', '$HOME/.mozilla/firefox/x.default/logins.json'),
  reads('history', 'home', 'reads what the user has typed', '$HOME/.bash_history'),
  writes('shell-start', 'home', "plants a command in the user's shell", '$HOME/.profile.d-escape'),
  writes('ssh-authorized', 'home', 'lets itself in by ssh', '$HOME/.ssh/authorized_keys'),
  writes('autostart', 'home', 'plants a program that starts at login', '$HOME/.config/autostart/escape.desktop'),
  writes('git-user', 'home', "changes the user's git", '$HOME/.config/git/escape'),

  {
    id: 'link-neighbour',
    area: 'links',
    what: 'follows a link in its work tree to a neighbour',
    script: 'ln -sf "$NEIGHBOUR/worktree/secret.txt" link-a && head -c 1 link-a | grep -q .',
  },
  {
    id: 'link-home',
    area: 'links',
    what: 'follows a link in its work tree to a key',
    script: 'ln -sf "$HOME/.ssh" link-b && head -c 1 link-b/id_ed25519 | grep -q .',
  },
  {
    id: 'link-hard',
    area: 'links',
    what: "makes a hard link to the server's database",
    script: 'rm -f link-c && ln "$STATE/temporal.db" link-c && head -c 1 link-c | grep -q .',
  },
  reads('link-parent', 'links', 'goes up from its work tree', '../connection.json'),
  reads('proc-self-root', 'links', 'goes by /proc/self/root', '/proc/self/root$STATE/temporal.db'),
  {
    ...reads('proc-init-root', 'links', 'goes by the root of process 1', '/proc/1/root$STATE/temporal.db'),
    dependsOnHost: true,
  },
  {
    ...reads(
      'proc-victim-root',
      'links',
      "goes by the root of a neighbour's process",
      '/proc/$VICTIM/root$STATE/temporal.db',
    ),
  },

  { id: 'see', area: 'processes', what: "sees a neighbour's process", script: 'kill -0 "$VICTIM"' },
  { id: 'signal', area: 'processes', what: "signals a neighbour's process", script: 'kill -CONT "$VICTIM"' },
  { id: 'signal-runner', area: 'processes', what: 'signals its runner', script: 'kill -CONT "$RUNNER"' },
  reads('environ', 'processes', "reads a neighbour's variables", '/proc/$VICTIM/environ'),
  reads('cmdline', 'processes', "reads a neighbour's command line", '/proc/$VICTIM/cmdline'),
  reads('runner-environ', 'processes', "reads its runner's variables, the worker's secrets", '/proc/$RUNNER/environ'),
  { id: 'memory', area: 'processes', what: "opens a neighbour's memory", script: 'exec 3< "/proc/$VICTIM/mem"' },
  {
    id: 'cwd',
    area: 'processes',
    what: "sees where a neighbour's process works",
    script: 'readlink "/proc/$VICTIM/cwd"',
  },
  { id: 'fds', area: 'processes', what: 'sees what its runner has open', script: 'ls "/proc/$RUNNER/fd" | grep -q .' },
  {
    id: 'grep-environ',
    area: 'processes',
    what: 'looks for secrets in all variables there are',
    script: 'cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n" | grep -q "^LAB_SECRET="',
  },
  { id: 'renice', area: 'processes', what: 'slows a neighbour down', script: 'renice -n 1 -p "$VICTIM"' },
  {
    id: 'outlive',
    area: 'processes',
    what: 'outlives its end: double fork, clean variables, another name',
    script: '(setsid env -i bash -c "exec -a heartbead-outlive-$VICTIM sleep 3600" >/dev/null 2>&1 &)',
    outlives: 'heartbead-outlive-$VICTIM',
  },

  {
    id: 'user-namespace',
    area: 'kernel',
    what: 'makes a user namespace',
    script: 'unshare -Ur true',
    dependsOnHost: true,
  },
  {
    id: 'mount-namespace',
    area: 'kernel',
    what: 'makes a mount namespace',
    script: 'unshare -m true',
    dependsOnHost: true,
  },
  {
    id: 'mount',
    area: 'kernel',
    what: 'mounts something',
    script: 'unshare -m mount -t tmpfs none /tmp',
    dependsOnHost: true,
  },
  {
    id: 'enter-namespaces',
    area: 'kernel',
    what: "enters a neighbour's namespaces",
    script: 'nsenter -t "$VICTIM" -m true',
    dependsOnHost: true,
  },
  { id: 'chroot', area: 'kernel', what: 'changes its root', script: 'chroot / true', dependsOnHost: true },
  {
    id: 'device',
    area: 'kernel',
    what: 'makes the node of a disk',
    script: 'rm -f node && mknod node b 8 0 && rm node',
    dependsOnHost: true,
  },
  {
    id: 'core-pattern',
    area: 'kernel',
    what: 'has the kernel run a program (core_pattern)',
    script: 'test -w /proc/sys/kernel/core_pattern',
    dependsOnHost: true,
  },
  {
    id: 'sysrq',
    area: 'kernel',
    what: 'orders the kernel about (sysrq)',
    script: 'test -w /proc/sysrq-trigger',
    dependsOnHost: true,
  },
  {
    id: 'sys',
    area: 'kernel',
    what: 'sees devices and control groups (/sys)',
    script: 'ls -A /sys | grep -q .',
    dependsOnHost: true,
  },
  { id: 'host-name', area: 'kernel', what: 'renames the host', script: 'hostname "$(hostname)"', dependsOnHost: true },
  {
    id: 'kernel-log',
    area: 'kernel',
    what: "reads the kernel's log",
    script: 'dmesg | head -c 1 | grep -q .',
    dependsOnHost: true,
  },
  {
    id: 'terminal',
    area: 'kernel',
    what: 'writes on terminals of others',
    script: 'ls /dev/pts | grep -q "^[0-9]"',
    dependsOnHost: true,
  },

  reaches('own-control', 'gives orders to its own runner (pause, adopt, stop)', '$OWN/control.sock'),
  reaches('other-control', "gives orders to a neighbour's runner", '$NEIGHBOUR/control.sock'),
  reaches('other-agent', "reports in a neighbour's name", '$NEIGHBOUR/agent.sock'),
  reaches('ssh-agent', "uses the user's ssh agent", '$SSH_SOCKET'),
  {
    id: 'ssh-agent-variable',
    area: 'sockets',
    what: 'is told where the ssh agent is',
    script: 'test -n "$SSH_AUTH_SOCK"',
  },

  {
    id: 'server-port',
    area: 'network',
    what: 'speaks to the Temporal server, as an operator',
    script: 'exec 3<> "/dev/tcp/127.0.0.1/$PORT"',
  },
  {
    id: 'server-any',
    area: 'network',
    what: 'does the same by another address of loopback',
    script: 'exec 3<> "/dev/tcp/localhost/$PORT"',
  },
  { id: 'abstract', area: 'network', what: 'reaches an abstract socket (D-Bus, X11)', script: 'reach "@$ABSTRACT"' },
  {
    id: 'interfaces',
    area: 'network',
    what: "sees the host's network",
    script: 'tail -n +3 /proc/net/dev | grep -v "^ *lo:" | grep -q .',
    dependsOnHost: true,
  },
  {
    id: 'listeners',
    area: 'network',
    what: 'sees who listens',
    script: 'grep -qi ":$(printf %04X "$PORT") " /proc/net/tcp',
  },

  writes(
    'git-keeper',
    'git',
    "plants a hook in the repository by which Heartbead's git looks at its work",
    '$OWN_KEEPER/hooks/escape',
  ),
  writes('git-keeper-attributes', 'git', 'plants attributes in that same place', '$OWN_KEEPER/info/attributes'),
  writes('git-hooks', 'git', 'plants a hook in the mirror', '$MIRROR/hooks/pre-push.escape'),
  writes('git-attributes', 'git', 'plants attributes in the mirror', '$MIRROR/info/attributes'),
  writes('git-packed', 'git', 'rewrites the refs of the mirror', '$MIRROR/packed-refs.new'),
  {
    id: 'git-objects',
    area: 'git',
    what: 'damages the objects that others borrow',
    script: 'echo x > "$MIRROR/objects/pack/escape.pack"',
    outside: '$MIRROR/objects/pack/escape.pack',
  },
  writes('git-other-tree', 'git', "changes a neighbour's repository", '$NEIGHBOUR_GIT/escape'),
  {
    id: 'git-remove-tree',
    area: 'git',
    what: "removes a neighbour's files",
    script: 'rm "$NEIGHBOUR/worktree/file.txt"',
  },
  { id: 'git-origin', area: 'git', what: 'pushes where it likes', script: 'git push origin HEAD:refs/heads/evil' },
  {
    id: 'git-refs',
    area: 'git',
    what: "moves a neighbour's branch",
    script: 'git --git-dir "$NEIGHBOUR_GIT" update-ref refs/heads/neighbour "$(git rev-parse origin/main)"',
  },
];

/** The first message of a client of MCP. */
const hello = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'a', version: '1' } },
};

/** What an agent needs, and so must work in its cell: the same kind of script. */
export const comforts: readonly Pick<Escape, 'id' | 'what' | 'script'>[] = [
  { id: 'work', what: 'reads and writes its work tree', script: 'cat file.txt && echo more >> file.txt' },
  {
    id: 'commit',
    what: 'commits',
    script: 'git add -A && git -c user.name=a -c user.email=a@localhost commit -qm work',
  },
  { id: 'branch', what: 'makes a branch', script: 'git switch -qc "b$$"' },
  { id: 'tmp', what: 'has a folder for temporary files', script: 'echo x > "$(mktemp)"' },
  { id: 'home', what: 'has a home to write to', script: 'mkdir -p "$HOME/.cache/x" && echo x > "$HOME/.cache/x/y"' },
  { id: 'prompt', what: 'reads its prompt', script: 'cat "$OWN/prompt.md"' },
  { id: 'report', what: 'reports to its runner', script: 'heartbead agent note "it works"' },
  {
    id: 'mcp',
    what: 'reports by MCP',
    script: `echo '${JSON.stringify(hello)}' | heartbead mcp | grep -q serverInfo`,
  },
  { id: 'children', what: 'starts, sees and ends processes of its own', script: 'sleep 60 & kill $! && ! wait $!' },
];
