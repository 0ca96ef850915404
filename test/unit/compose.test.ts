import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { healthOfComposeFile, serverOfComposeFile } from '../../scripts/compose-server.mjs';
import { isOlder, oldestWithVersions } from '../../src/client/server-version.js';
import { serverSettings } from '../../src/server/dev-server.js';
import { allocatorEnvironment, keepAllocatorToOurselves, workerNodeFlags } from '../../src/worker/memory.js';

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const read = (path: string): string => readFileSync(at(path), 'utf8');

interface Service {
  image: string;
  build?: { context: string; target: string };
  restart?: string;
  ports?: string[];
  volumes?: string[];
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test?: string[]; disable?: boolean };
  entrypoint?: string[];
  command?: string[];
  stop_grace_period?: string;
  networks?: string[];
  cap_drop?: string[];
  cap_add?: string[];
  security_opt?: string[];
  mem_limit?: string;
  pids_limit?: string | number;
}
interface Compose {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
  networks: Record<string, { internal?: boolean } | null>;
}
const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const services = Object.entries(compose.services);
const service = (name: string, of = compose): Service => of.services[name]!;
const dockerfile = read('Dockerfile');

/** Compose replaces `${NAME:-default}`. */
const withDefaults = (text: string): string => text.replace(/\$\{\w+:-([^}]*)\}/g, '$1');

/**
 * Variables that Temporal's server, database tool and Web UI read (their configuration templates of 1.32 and 2.49). A
 * misspelt one would just be ignored.
 */
const known: Record<string, readonly string[]> = {
  database: ['POSTGRES_USER', 'POSTGRES_PASSWORD'],
  schema: ['SQL_PLUGIN', 'SQL_HOST', 'SQL_PORT', 'SQL_USER', 'SQL_PASSWORD'],
  temporal: [
    'DB',
    'POSTGRES_SEEDS',
    'DB_PORT',
    'POSTGRES_USER',
    'POSTGRES_PWD',
    'BIND_ON_IP',
    'NUM_HISTORY_SHARDS',
    'DYNAMIC_CONFIG_FILE_PATH',
    'LOG_LEVEL',
  ],
  namespace: ['TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE'],
  ui: ['TEMPORAL_ADDRESS', 'TEMPORAL_DEFAULT_NAMESPACE', 'TEMPORAL_CORS_ORIGINS'],
  worker: ['TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE'],
};

describe.each(services)(
  'service %s',
  (name, { image, ports = [], healthcheck, environment = {}, volumes = [], restart }) => {
    test('has a pinned image', () => {
      expect(withDefaults(image)).toMatch(/^[\w/-]+:\d+\.\d+(\.\d+)?(-[\w-]+)?$/);
    });

    test('is published on loopback only, if at all', () => {
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    });

    test('is watched and started again if it is to stay up', () => {
      const oneShot = services.some(
        ([, other]) => other.depends_on?.[name]?.condition === 'service_completed_successfully',
      );
      expect(restart).toBe(oneShot ? undefined : 'unless-stopped');
      if (!oneShot) expect(healthcheck?.test?.[0]).toBe('CMD');
    });

    test('is told only what it reads', () => {
      expect(Object.keys(environment).filter((variable) => !known[name]?.includes(variable))).toEqual([]);
    });

    test('finds the files and volumes that it mounts', () => {
      for (const [source] of volumes.map((volume) => volume.split(':'))) {
        if (source!.startsWith('./')) expect(existsSync(at(source!)), source).toBe(true);
        else expect(Object.keys(compose.volumes)).toContain(source);
      }
    });
  },
);

/** @returns what the schema of the compose specification has against a file: place, complaint, and the key in question. */
function complaints(file: unknown): string[] {
  const linter = dirname(createRequire(import.meta.url).resolve('dclint/package.json'));
  const schema = JSON.parse(readFileSync(join(linter, 'schemas/compose.schema.json'), 'utf8')) as object;
  // The schema names its dialect by an address that Ajv does not know it by; it is Ajv's own.
  const validate = new Ajv({ allErrors: true, allowUnionTypes: true, strictTypes: false }).compile({
    ...schema,
    $schema: undefined,
  });
  validate(file);
  return (validate.errors ?? []).map(({ instancePath, message = '', params }) =>
    [instancePath, message, params['additionalProperty']].filter((part) => part !== undefined).join(' '),
  );
}

test('the file is one by the schema of the compose specification, which knows no key by a wrong name and no value of a wrong kind', () => {
  expect(complaints(compose)).toEqual([]);
  const broken = structuredClone(compose) as Compose & Record<string, unknown>;
  Object.assign(broken, { volume: {} });
  Object.assign(service('worker', broken), { mem_limits: '8g' });
  Object.assign(service('ui', broken), { restart: 3 });
  Object.assign(service('database', broken).healthcheck!, { intervall: '2s' });
  expect(complaints(broken)).toEqual(
    expect.arrayContaining([
      ' must NOT have additional properties volume',
      '/services/worker must NOT have additional properties mem_limits',
      '/services/ui/restart must be string',
      '/services/database/healthcheck must NOT have additional properties intervall',
    ]),
  );
});

test('each part waits until what it needs is ready: database, schema, server, namespace, worker', () => {
  const waitsFor = (name: string) =>
    Object.entries(service(name).depends_on ?? {}).map(([other, { condition }]) => `${other} ${condition}`);
  expect(waitsFor('database')).toEqual([]);
  expect(waitsFor('schema')).toEqual(['database service_healthy']);
  expect(waitsFor('temporal')).toEqual(['schema service_completed_successfully']);
  expect(waitsFor('namespace')).toEqual(['temporal service_healthy']);
  expect(waitsFor('worker')).toEqual(['namespace service_completed_successfully']);
  expect(waitsFor('ui')).toEqual(['temporal service_healthy']);
});

test('who connects to whom: the same user and password everywhere, and the password is never a part of a command', () => {
  const database = service('database').environment!;
  for (const [user, password] of [
    [service('schema').environment!['SQL_USER'], service('schema').environment!['SQL_PASSWORD']],
    [service('temporal').environment!['POSTGRES_USER'], service('temporal').environment!['POSTGRES_PWD']],
  ]) {
    expect([user, password]).toEqual([database['POSTGRES_USER'], database['POSTGRES_PASSWORD']]);
  }
  // Without one nothing is started: a default would be known to everybody.
  expect(database['POSTGRES_PASSWORD']).toMatch(/^\$\{HEARTBEAD_DB_PASSWORD:\?[\w ]+\}$/);
  expect(service('schema').environment!['SQL_HOST']).toBe('database');
  expect(service('temporal').environment!['POSTGRES_SEEDS']).toBe('database');
  for (const name of ['namespace', 'ui', 'worker'])
    expect(service(name).environment!['TEMPORAL_ADDRESS']).toBe('temporal:7233');
  for (const [, { command = [], entrypoint = [], healthcheck }] of services)
    expect([...command, ...entrypoint, ...(healthcheck?.test ?? [])].join(' ')).not.toMatch(/PASSWORD|PWD/);
});

test('agents reach the server, and neither the database nor the Web UI; nothing leads out of the network of the database', () => {
  const names = Object.keys(compose.services);
  const reach = (from: string): string[] =>
    names.filter(
      (to) => to !== from && service(to).networks?.some((network) => service(from).networks?.includes(network)),
    );
  expect(reach('worker')).toEqual(['temporal', 'namespace']);
  expect(reach('database')).toEqual(['schema', 'temporal']);
  expect(reach('ui')).toEqual(['temporal']);
  expect(compose.networks['data']).toEqual({ internal: true });
  for (const name of names)
    for (const network of service(name).networks ?? ['none']) expect(Object.keys(compose.networks)).toContain(network);
  // A published port needs a network that leads out.
  for (const name of names.filter((one) => (service(one).ports ?? []).length > 0))
    expect(service(name).networks?.some((network) => compose.networks[network]?.internal !== true)).toBe(true);
});

test('every part has only the rights of its user, can gain none, and what stays up has limits', () => {
  for (const [name, { cap_drop, cap_add = [], security_opt, restart, mem_limit, pids_limit }] of services) {
    expect([name, cap_drop, security_opt]).toEqual([name, ['ALL'], ['no-new-privileges:true']]);
    // Postgres begins as root and takes its volume over.
    expect([name, cap_add]).toEqual([
      name,
      name === 'database' ? ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETGID', 'SETUID'] : [],
    ]);
    if (restart === undefined) continue;
    expect(withDefaults(mem_limit ?? ''), name).toMatch(/^\d+[mg]$/);
    expect(Number(withDefaults(String(pids_limit))), name).toBeGreaterThanOrEqual(256);
  }
});

test('server and database tool are of one version, so that the schema fits: that which test:production plays, and which knows versions', () => {
  const [server, tool] = ['temporal', 'schema'].map((name) => withDefaults(service(name).image).split(':')[1]);
  expect(server).toBe(tool);
  expect(isOlder(server, oldestWithVersions)).toBe(false);
  expect(serverOfComposeFile()).toBe(server);
  expect(service('temporal').healthcheck?.test?.at(-1)).toBe(healthOfComposeFile());
});

test('the server gets the same settings for priorities and fairness as the embedded one', () => {
  const settings = parse(read('docker/dynamic-config.yaml')) as Record<string, { value: unknown }[]>;
  expect(service('temporal').volumes).toContain(
    `./docker/dynamic-config.yaml:${service('temporal').environment!['DYNAMIC_CONFIG_FILE_PATH']}:ro`,
  );
  expect(Object.fromEntries(Object.keys(serverSettings).map((key) => [key, settings[key]?.[0]?.value]))).toEqual(
    serverSettings,
  );
});

test('the worker runs node itself under an init, not as root, is probed where it answers, and has time to end', () => {
  expect(/^ENTRYPOINT (.+)$/m.exec(dockerfile)?.[1]).toBe(
    '[' +
      ['tini', '--', 'node', ...workerNodeFlags, '/opt/heartbead/dist/worker.js', '--health-port', '8087']
        .map((word) => `"${word}"`)
        .join(', ') +
      ']',
  );
  expect(service('worker').healthcheck?.test?.at(-1)).toContain('http://127.0.0.1:8087/');
  expect(dockerfile).toContain(`"${service('worker').healthcheck?.test?.at(-1)}"`);
  expect(dockerfile).toMatch(/^USER 1000$/m);
  expect(dockerfile).toMatch(/^FROM node:\$\{NODE_VERSION\}-bookworm-slim AS worker$/m);
  expect(service('worker').volumes).toContain(`worker:${/HEARTBEAD_HOME=(\S+)/.exec(dockerfile)?.[1]}`);
  expect(Number.parseInt(service('worker').stop_grace_period ?? '', 10)).toBeGreaterThan(22);
});

test('the worker has the same allocator settings as that of `heartbead up`, and keeps them from what it starts unless somebody chose others', () => {
  for (const [name, value] of Object.entries(allocatorEnvironment))
    expect(dockerfile).toMatch(new RegExp(`^ENV ${name}=${value.replaceAll('.', '\\.')}$`, 'm'));
  const [ours, theirs] = [{ ...allocatorEnvironment, PATH: '/bin' }, { GLIBC_TUNABLES: 'glibc.malloc.arena_max=1' }];
  for (const env of [ours, theirs]) keepAllocatorToOurselves(env);
  expect([ours, theirs]).toEqual([{ PATH: '/bin' }, { GLIBC_TUNABLES: 'glibc.malloc.arena_max=1' }]);
});

test('everything that the Dockerfile copies from the checkout is there and gets to the builder', () => {
  const ignored = read('.dockerignore').split('\n');
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths]) => paths!.split(' '));
  expect(copied.length).toBeGreaterThan(5);
  for (const path of copied) {
    expect(existsSync(at(path)), path).toBe(true);
    expect(ignored).toContain(`!${path}`);
  }
});

test('the scripts of the containers are readable by their shell', () => {
  for (const [, { volumes = [] }] of services) {
    for (const file of volumes.map((volume) => volume.split(':')[0]!).filter((path) => path.endsWith('.sh')))
      execFileSync('sh', ['-n', at(file)]);
  }
});
