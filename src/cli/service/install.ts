import { mkdir } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { DEFAULT_TASK_QUEUE } from '../../contract/index.js';
import { packageRoot } from '../../package/compiled.js';
import { launchdAgent, systemdUnit } from './unit.js';
import type { ServiceSystem } from './systems.js';
import type { ServicePlan } from './unit.js';

export interface ServiceOptions {
  home: string;
  env: NodeJS.ProcessEnv;
  taskQueue: string;
  maxAgents: number | undefined;
}

export interface PlannedService {
  /** Where the file goes. */
  path: string;
  text: string;
  /** What the person does next, one line each. */
  next: string[];
}

/**
 * Variables that a service gets as they are now. Nothing that may be a secret: a unit is readable for others, and shown
 * by `systemctl show`.
 */
const carried = [
  'PATH',
  'HEARTBEAD_CACHE',
  'TEMPORAL_ADDRESS',
  'TEMPORAL_NAMESPACE',
  'TEMPORAL_PROFILE',
  'TEMPORAL_CONFIG_FILE',
  'TEMPORAL_CLI_PATH',
] as const;

/** The file of the service, and what to do with it. */
export function planService(
  system: ServiceSystem,
  { home, env, taskQueue, maxAgents }: ServiceOptions,
): PlannedService {
  // A queue may be named in any way; a file and a unit may not.
  const town = taskQueue.replaceAll(/[^\w.-]/g, '_');
  const name = taskQueue === DEFAULT_TASK_QUEUE ? 'heartbead' : `heartbead-${town}`;
  const ofOther = (env['TEMPORAL_ADDRESS'] ?? '') !== '';
  const limit = maxAgents === undefined ? [] : ['--max-agents', String(maxAgents)];
  const plan: ServicePlan = {
    command: [
      process.execPath,
      join(packageRoot, 'bin/heartbead.mjs'),
      ...(ofOther ? ['worker'] : ['up', '--foreground']),
      ...limit,
    ],
    environment: {
      ...Object.fromEntries(
        carried.flatMap((variable) => {
          const value = env[variable];
          return value === undefined || value === '' ? [] : [[variable, value]];
        }),
      ),
      HEARTBEAD_HOME: home,
      HEARTBEAD_TASK_QUEUE: taskQueue,
    },
    environmentFile: join(home, 'service.env'),
    log: join(home, 'logs', 'service.log'),
    description: `Heartbead ${ofOther ? 'worker' : 'server and worker'} (${taskQueue})`,
  };
  const secrets =
    `Secrets, such as TEMPORAL_API_KEY, go into ${plan.environmentFile} (mode 0600, NAME=value lines), which ` +
    'the service reads.';
  if (system === 'launchd') {
    const label = `dev.heartbead.${town}`;
    const path = join(env['HOME'] ?? userInfo().homedir, 'Library/LaunchAgents', `${label}.plist`);
    return {
      path,
      text: launchdAgent(label, plan),
      next: [
        `start it:  launchctl bootstrap gui/$(id -u) ${path}`,
        `end it:    launchctl bootout gui/$(id -u)/${label}`,
        secrets,
      ],
    };
  }
  const configuration = env['XDG_CONFIG_HOME'];
  const folder =
    configuration !== undefined && configuration !== ''
      ? configuration
      : join(env['HOME'] ?? userInfo().homedir, '.config');
  return {
    path: join(folder, 'systemd/user', `${name}.service`),
    text: systemdUnit(plan),
    next: [
      `start it:  heartbead down; systemctl --user daemon-reload && systemctl --user enable --now ${name}`,
      `linger:    loginctl enable-linger   (else it ends when you log out, and starts only when you log in)`,
      `its log:   journalctl --user -u ${name}`,
      secrets,
    ],
  };
}

/** Writes the file, in place of an older one. */
export async function writeService({ path, text }: PlannedService): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, text);
}
