import { mkdir } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { accountsOf, adapters, allAdapters, CustomAgentsError } from '../../agents/index.js';
import { DEFAULT_TASK_QUEUE } from '../../contract/index.js';
import { gitEnv } from '../../git/git-env.js';
import { packageRoot } from '../../package/compiled.js';
import { flagsOf } from '../local/worker.js';
import type { WorkerFlags } from '../local/worker.js';
import { launchdAgent, systemdUnit } from './unit.js';
import type { ServiceSystem } from './systems.js';
import type { ServicePlan } from './unit.js';

export interface ServiceOptions {
  home: string;
  env: NodeJS.ProcessEnv;
  taskQueue: string;
  /** Of its worker, as `up` takes them. */
  flags: WorkerFlags;
  /** Whether it has a board. */
  board: boolean;
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
  'HEARTBEAD_CODEC_ORIGINS',
  'HEARTBEAD_GIT_ENV',
  'HEARTBEAD_PRIVATE_NAMES',
  'HEARTBEAD_SANDBOX',
  'HEARTBEAD_SPARE_RUNNER',
  'HEARTBEAD_SPARE_TREE',
  'TEMPORAL_ADDRESS',
  'TEMPORAL_NAMESPACE',
  'TEMPORAL_PROFILE',
  'TEMPORAL_TLS',
  'TEMPORAL_TLS_SERVER_NAME',
  'TEMPORAL_TLS_DISABLE_HOST_VERIFICATION',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_RESOURCE_ATTRIBUTES',
  'OTEL_SDK_DISABLED',
  'OTEL_SERVICE_NAME',
  'OTEL_TRACES_EXPORTER',
  'GIT_AUTHOR_NAME',
  'GIT_AUTHOR_EMAIL',
  'GIT_COMMITTER_NAME',
  'GIT_COMMITTER_EMAIL',
  'NO_PROXY',
  'no_proxy',
] as const;

/** The same for names of files, which a service finds from another folder. */
const carriedFiles = [
  'HEARTBEAD_CACHE',
  'HEARTBEAD_KEYS_FILE',
  'HEARTBEAD_NOTIFICATIONS',
  'TEMPORAL_CLI_PATH',
  'TEMPORAL_CONFIG_FILE',
  'TEMPORAL_TLS_CLIENT_CERT_PATH',
  'TEMPORAL_TLS_CLIENT_KEY_PATH',
  'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_EXTRA_CA_CERTS',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'GIT_CONFIG_GLOBAL',
  'GNUPGHOME',
] as const;

/**
 * Where the user's programs (git, agents, Temporal's tools, our cache) have their files. By its specification such a
 * path is absolute or counts as not set.
 */
const carriedFolders = ['XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_CACHE_HOME', 'XDG_STATE_HOME'] as const;

/** What may hold a secret: who has it set is told that the service will not have it. */
const kept = new RegExp(
  '^(?:TEMPORAL_(?:API_KEY|TLS_\\w+_DATA|GRPC_META_\\w+)|HEARTBEAD_KEYS_COMMAND|' +
    'OTEL_EXPORTER_OTLP_(?:TRACES_)?HEADERS|(?:HTTPS?|ALL)_PROXY)$',
  'i',
);

/**
 * What git, agents and their accounts would see of this environment and will not have in the service. A value may be a
 * key, and a bead would wait for a person with a refused login, so that each name is told.
 */
function missed(env: NodeJS.ProcessEnv, home: string): string[] {
  let known = adapters;
  try {
    known = allAdapters(home);
  } catch (error) {
    // `doctor` says what is wrong with that file.
    if (!(error instanceof CustomAgentsError)) throw error;
  }
  const ofAgents = Object.entries(known).flatMap(([name, adapter]) => [
    ...(adapter.environment ?? []),
    ...(known === adapters ? [] : accountsOf(name, home).flatMap(({ env: names }) => Object.values(names))),
  ]);
  const named = (env['HEARTBEAD_GIT_ENV'] ?? '').split(/[\s,]+/);
  const ofGit = gitEnv(env);
  return Object.keys(env).filter(
    (name) =>
      ofAgents.includes(name) || ((name.startsWith('GIT_') || named.includes(name)) && ofGit[name] === env[name]),
  );
}

/** The file of the service, and what to do with it. */
export function planService(
  system: ServiceSystem,
  { home, env, taskQueue, flags, board }: ServiceOptions,
): PlannedService {
  // A queue may be named in any way; a file and a unit may not.
  const town = taskQueue.replaceAll(/[^\w.-]/g, '_');
  const name = taskQueue === DEFAULT_TASK_QUEUE ? 'heartbead' : `heartbead-${town}`;
  const ofOther = (env['TEMPORAL_ADDRESS'] ?? '') !== '';
  const given = (name: string): [string, string][] => {
    const value = env[name];
    return value === undefined || value === '' ? [] : [[name, value]];
  };
  const parts = [...(ofOther ? [] : ['server']), 'worker', ...(board ? ['board'] : [])];
  const plan: ServicePlan = {
    command: [
      process.execPath,
      join(packageRoot, 'bin/heartbead.mjs'),
      'up',
      '--foreground',
      ...(board ? [] : ['--no-board']),
      ...flagsOf(flags),
    ],
    environment: {
      ...Object.fromEntries([
        ...carried.flatMap(given),
        ...carriedFiles.flatMap(given).map(([variable, file]) => [variable, resolve(file)]),
        ...carriedFolders.flatMap(given).filter(([, folder]) => isAbsolute(folder)),
      ]),
      HEARTBEAD_HOME: home,
      HEARTBEAD_TASK_QUEUE: taskQueue,
    },
    environmentFile: join(home, 'service.env'),
    log: join(home, 'logs', 'service.log'),
    description: `Heartbead ${parts.join(', ')} (${taskQueue})`,
  };
  const written = new Set<string>([...carried, ...carriedFiles, ...carriedFolders]);
  const held = [
    ...new Set([...Object.keys(env).filter((variable) => kept.test(variable)), ...missed(env, home)]),
  ].filter((variable) => env[variable] !== '' && !written.has(variable));
  const secrets =
    `Secrets, such as TEMPORAL_API_KEY, go into ${plan.environmentFile} (mode 0600, NAME=value lines), which ` +
    `the service reads.${held.length === 0 ? '' : ` Not written, but set here: ${held.sort().join(', ')}.`}`;
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
    configuration !== undefined && isAbsolute(configuration)
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
