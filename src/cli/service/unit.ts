/** What a service of this user's runs, and with which settings. */
export interface ServicePlan {
  /** The program and its arguments, absolute. */
  command: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** A file with further variables (secrets), which need not exist. */
  environmentFile: string;
  /** What launchd writes standard error to; systemd keeps it in its journal. */
  log: string;
  description: string;
}

/** More than the worker takes to end (2 s of grace, 20 s for what hangs), and its server after it (10 s). */
const stopWithinSeconds = 45;

/**
 * A unit for `systemctl --user`. Only the main process is ended with it (`KillMode=process`): the agents of a worker
 * that is restarted live on and are adopted by the next one.
 */
export function systemdUnit({ command, environment, environmentFile, description }: ServicePlan): string {
  return `[Unit]
Description=${inOneLine(description)}
After=network-online.target

[Service]
Type=exec
ExecStart=${command.map((word) => quoted(word).replaceAll('$', '$$$$')).join(' ')}
${Object.entries(environment)
  .map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`)
  .join('\n')}
EnvironmentFile=-${environmentFile.replaceAll('%', '%%')}
KillMode=process
Restart=always
RestartSec=5
TimeoutStopSec=${stopWithinSeconds}

[Install]
WantedBy=default.target
`;
}

/** A queue may have any name. What is not quoted ends at a line's end, and knows `%` for specifiers all the same. */
const inOneLine = (text: string): string =>
  text
    .replaceAll(/\p{Cc}/gu, ' ')
    .replaceAll('\\', '/')
    .replaceAll('%', '%%');

/** systemd takes quotes, C-style escapes and `%` for specifiers in every value. */
const quoted = (word: string): string =>
  `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n').replaceAll('%', '%%')}"`;

/**
 * An agent for `launchctl bootstrap gui/UID`. launchd knows no file of variables, so a shell reads it, and becomes the
 * program. `AbandonProcessGroup`: what the worker started lives on when it is restarted.
 */
export function launchdAgent(label: string, { command, environment, environmentFile, log }: ServicePlan): string {
  const start = 'set -a; [ ! -e "$0" ] || . "$0"; set +a; exec "$@"';
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${escaped(label)}</string>
  <key>ProgramArguments</key>
  <array>
${['/bin/sh', '-c', start, environmentFile, ...command]
  .map((word) => `    <string>${escaped(word)}</string>`)
  .join('\n')}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${Object.entries(environment)
  .map(([name, value]) => `    <key>${escaped(name)}</key>\n    <string>${escaped(value)}</string>`)
  .join('\n')}
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <true/>
  <key>AbandonProcessGroup</key>
  <true/>
  <key>ExitTimeOut</key>
  <integer>${stopWithinSeconds}</integer>
  <key>StandardErrorPath</key>
  <string>${escaped(log)}</string>
</dict>
</plist>
`;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
