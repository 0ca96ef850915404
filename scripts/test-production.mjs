/**
 * `npm run test:production`: the topology of the compose file without containers. PostgreSQL of the system, Temporal's
 * server and SQL tool as Go builds them (kept in the cache), our set-up of the database, dynamic configuration and
 * namespace, and two workers; each part in a network namespace of its own. A convoy of four beads goes through each
 * trouble: nothing, a restart of the database, SIGKILL of the server and of a worker, a broken network, an upgrade of
 * both workers; before that, the town is brought from earlier servers to the compose file's. It needs Linux and root.
 * Nothing of it is left on the machine. Words after `--` choose the troubles whose descriptions have one of them
 * (`npm run test:production -- network`); `--keep` leaves the logs.
 * @module
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { chmodSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { anotherBuild } from './another-build.mjs';
import { healthOfComposeFile, serverOfComposeFile } from './compose-server.mjs';
import { formerServers, playServerUpgrade } from './production-server-upgrade.mjs';
import { playUpgrade } from './production-upgrade.mjs';
import { setupOrExit } from './setup.mjs';

/** The first trouble; its description. */
const serverUpgrade = 'the server is upgraded, and the schema of its database, while beads are at work';
/** The last trouble; its description. */
const largeUpgrade = '20 living agents, three convoys and a merge under way: upgraded, rolled back, upgraded, killed';
const words = process.argv.slice(2);
const keep = words.includes('--keep');
const chosen = words.filter((word) => word !== '--keep');
const version = process.env.TEMPORAL_SERVER_VERSION ?? serverOfComposeFile();
const isChosen = (what) => chosen.length === 0 || chosen.some((word) => what.includes(word));
/** The servers that the database is brought through. One that somebody has chosen is played alone. */
const versions =
  isChosen(serverUpgrade) && process.env.TEMPORAL_SERVER_VERSION === undefined
    ? [...formerServers, version]
    : [version];
/** A trouble that takes longer than this has failed. */
const within = 300_000;
const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...names) => join(root, ...names);

const fail = (text) => {
  throw new Error(text);
};
const run = (program, args, options = {}) => {
  const done = spawnSync(program, args, { encoding: 'utf8', timeout: 1_800_000, ...options });
  if (done.error) throw done.error;
  if (done.status !== 0) fail(`${program} ${args.join(' ')} ended with ${done.status}: ${done.stdout}${done.stderr}`);
  return done.stdout;
};

const folder = mkdtempSync(join(tmpdir(), 'heartbead-production-'));
chmodSync(folder, 0o755);
const space = (name) => `hb${process.pid}${name}`;
/** The database and the server, and one for each worker. */
const spaces = { s: space('s'), a: space('a'), b: space('b') };
const serverAt = '10.99.0.1';
const inside = (name, program, args) => ['ip', 'netns', 'exec', spaces[name], program, ...args];

/** Processes of ours that live. */
const living = new Set();
function start(name, program, args, { env, log, user } = {}) {
  const as = user === undefined ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups'];
  const [first, ...rest] = inside(name, ...(([one, ...more]) => [one, more])([...as, program, ...args]));
  const out = openSync(join(folder, log), 'a');
  const child = spawn(first, rest, { cwd: folder, env, stdio: ['ignore', out, out] });
  living.add(child);
  child.once('exit', () => living.delete(child));
  return child;
}
const ended = (child) =>
  child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : new Promise((r) => child.once('exit', r));
async function end(child, signal) {
  child.kill(signal);
  await ended(child);
}

async function until(what, look, limit = within) {
  const from = Date.now();
  let last;
  while (Date.now() - from < limit) {
    try {
      const found = await look();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    await sleep(500);
  }
  return fail(`waited ${limit / 1_000} s in vain for: ${what}; ${last?.message ?? ''}`);
}

/** @returns the folder with both programs of a server; Go builds them once. */
function temporal(version) {
  const kept = join(homedir(), '.cache', 'heartbead', 'production', version);
  const wanted = { 'temporal-server': 'server', 'temporal-sql-tool': 'tools/sql' };
  mkdirSync(kept, { recursive: true });
  for (const [name, path] of Object.entries(wanted)) {
    if (existsSync(join(kept, name))) continue;
    console.log(`building ${name} ${version} (this takes minutes, once)`);
    const built = mkdtempSync(join(kept, 'build-'));
    run('go', ['install', `go.temporal.io/server/cmd/${path}@v${version}`], { env: { ...process.env, GOBIN: built } });
    cpSync(join(built, path.split('/').at(-1)), join(kept, name));
    rmSync(built, { recursive: true });
  }
  return kept;
}

function postgres() {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql').sort() : [];
  const places = [
    ...versions.map((one) => `/usr/lib/postgresql/${one}/bin`).reverse(),
    ...process.env.PATH.split(delimiter),
  ];
  return places.find((place) => existsSync(join(place, 'initdb'))) ?? fail('there is no PostgreSQL (initdb) here');
}

function network() {
  for (const name of Object.values(spaces)) {
    run('ip', ['netns', 'add', name]);
    run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  }
  run('ip', ['-n', spaces.s, 'link', 'add', 'town', 'type', 'bridge']);
  run('ip', ['-n', spaces.s, 'addr', 'add', `${serverAt}/24`, 'dev', 'town']);
  run('ip', ['-n', spaces.s, 'link', 'set', 'town', 'up']);
  for (const [place, name] of ['a', 'b'].entries()) {
    run('ip', [
      '-n',
      spaces.s,
      'link',
      'add',
      `to-${name}`,
      'type',
      'veth',
      'peer',
      'name',
      'town',
      'netns',
      spaces[name],
    ]);
    run('ip', ['-n', spaces.s, 'link', 'set', `to-${name}`, 'master', 'town', 'up']);
    run('ip', ['-n', spaces[name], 'addr', 'add', `10.99.0.${place + 2}/24`, 'dev', 'town']);
    run('ip', ['-n', spaces[name], 'link', 'set', 'town', 'up']);
  }
}

async function main() {
  if (process.platform !== 'linux' || process.getuid() !== 0)
    fail('test:production makes network namespaces: it needs Linux and root');
  await setupOrExit();
  const tools = new Map(versions.map((one) => [one, temporal(one)]));
  const bin = postgres();
  network();

  const password = 'of-this-run-only';
  const data = join(folder, 'postgres');
  mkdirSync(data);
  writeFileSync(join(folder, 'password'), password, { mode: 0o644 });
  run('chown', ['postgres:', data]);
  const asPostgres = ['--reuid=postgres', '--regid=postgres', '--init-groups'];
  run(
    'setpriv',
    [
      ...asPostgres,
      join(bin, 'initdb'),
      '-D',
      data,
      '-U',
      'temporal',
      '-A',
      'scram-sha-256',
      `--pwfile=${join(folder, 'password')}`,
    ],
    { cwd: folder },
  );
  const database = () =>
    start('s', join(bin, 'postgres'), ['-D', data, '-k', data, '-c', 'listen_addresses=127.0.0.1'], {
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
      log: 'postgres.log',
      user: 'postgres',
    });
  const answers = () =>
    run(
      ...(([one, ...more]) => [one, more])(inside('s', join(bin, 'pg_isready'), ['-h', '127.0.0.1', '-U', 'temporal'])),
    );
  let db = database();
  await until('the database answers', () => answers(), 60_000);
  const pathOf = (one) => `${tools.get(one)}${delimiter}${process.env.PATH}`;
  const sql = {
    SQL_PLUGIN: 'postgres12',
    SQL_HOST: '127.0.0.1',
    SQL_PORT: '5432',
    SQL_USER: 'temporal',
    SQL_PASSWORD: password,
  };
  const bringSchemaTo = (one) => {
    const [first, ...rest] = inside('s', 'sh', [at('docker/set-up-database.sh')]);
    return run(first, rest, { env: { PATH: pathOf(one), ...sql } });
  };
  /** @returns the versions of the schema of both databases: `1.19/1.14`. */
  const schemaOf = () =>
    ['temporal', 'temporal_visibility']
      .map((name) => {
        const words = [
          '-h',
          '127.0.0.1',
          '-U',
          'temporal',
          '-d',
          name,
          '-tAc',
          'select curr_version from schema_version',
        ];
        const [first, ...rest] = inside('s', join(bin, 'psql'), words);
        return run(first, rest, { env: { PATH: process.env.PATH, PGPASSWORD: password } }).trim();
      })
      .join('/');
  let running = versions[0];
  // Twice, as each start of the compose file does it.
  for (let time = 0; time < 2; time += 1) bringSchemaTo(running);
  const server = () =>
    start('s', join(tools.get(running), 'temporal-server'), ['start'], {
      env: {
        PATH: pathOf(running),
        ...{
          DB: 'postgres12',
          POSTGRES_SEEDS: '127.0.0.1',
          DB_PORT: '5432',
          POSTGRES_USER: 'temporal',
          POSTGRES_PWD: password,
        },
        ...{ BIND_ON_IP: '0.0.0.0', TEMPORAL_BROADCAST_ADDRESS: serverAt, NUM_HISTORY_SHARDS: '64', LOG_LEVEL: 'warn' },
        DYNAMIC_CONFIG_FILE_PATH: at('docker/dynamic-config.yaml'),
      },
      log: 'server.log',
    });
  let temporalServer = server();

  const town = { TEMPORAL_ADDRESS: `${serverAt}:7233`, TEMPORAL_NAMESPACE: 'default', HEARTBEAD_SANDBOX: 'none' };
  const environment = (name) => ({ PATH: process.env.PATH, HOME: folder, HEARTBEAD_HOME: join(folder, name), ...town });
  const node = (name, args) => {
    const [first, ...rest] = inside(name, process.execPath, args);
    return run(first, rest, { env: environment('cli'), timeout: 180_000 });
  };
  const health = `fetch('${healthOfComposeFile()}').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))`;
  /** As the compose file waits for it, and what it does then at each start. */
  const serverIsUp = async () => {
    await until('the server answers as the health check of the compose file asks', () => {
      node('s', ['-e', health]);
      return true;
    });
    node('s', [at('dist/server/prepare-namespace.js')]);
  };
  await serverIsUp();
  const cli = (...args) => node('s', [at('dist/programs/heartbead.js'), ...args]);
  const json = (...args) => JSON.parse(cli(...args, '--json'));
  const programs = { a: at('dist/worker.js'), b: at('dist/worker.js') };
  const worker = async (name) => {
    const child = start(
      name,
      process.execPath,
      [programs[name], '--home', join(folder, name), '--versioning', 'auto', '--max-agents', '16'],
      {
        env: environment(name),
        log: `worker-${name}.log`,
      },
    );
    const state = join(folder, name, 'worker-state.json');
    await until(`worker ${name} polls`, () => {
      const { pid, state: now } = JSON.parse(readFileSync(state, 'utf8'));
      return pid === child.pid && now === 'running';
    });
    return child;
  };
  const workers = { a: await worker('a'), b: await worker('b') };

  const origin = join(folder, 'origin.git');
  const git = (...args) =>
    run('git', ['-c', 'user.name=Test', '-c', 'user.email=test@localhost', '-c', 'init.defaultBranch=main', ...args]);
  git('init', '-q', '--bare', origin);
  git('clone', '-q', origin, join(folder, 'work'));
  git('-C', join(folder, 'work'), 'commit', '-q', '--allow-empty', '-m', 'begin');
  git('-C', join(folder, 'work'), 'push', '-q', 'origin', 'HEAD:main');
  cli(
    'rig',
    'add',
    'prod',
    '--repo',
    origin,
    '--agent',
    'demo',
    '--option',
    'stepMs=1000',
    '--check',
    'tree=git rev-parse HEAD',
  );

  /** Of the worker that has started an agent for a bead. */
  const hostOf = (bead) =>
    ['a', 'b'].find((name) => {
      const attempts = join(folder, name, 'attempts');
      return existsSync(attempts) && readdirSync(attempts).some((attempt) => attempt.split('__')[1] === bead);
    }) ?? fail(`no worker has an attempt of ${bead}`);
  const otherThan = (name) => (name === 'a' ? 'b' : 'a');
  const withoutNetwork = async (name, time) => {
    run('ip', ['-n', spaces.s, 'link', 'set', `to-${name}`, 'down']);
    await sleep(time);
    run('ip', ['-n', spaces.s, 'link', 'set', `to-${name}`, 'up']);
  };
  const troubles = [
    ['nothing', async () => undefined],
    [
      'the database is stopped at once and started again after 5 s',
      async () => {
        await end(db, 'SIGQUIT');
        await sleep(5_000);
        db = database();
        await until('the database answers', () => answers(), 60_000);
      },
    ],
    [
      'the server gets SIGKILL, and is started again after 5 s',
      async () => {
        await end(temporalServer, 'SIGKILL');
        await sleep(5_000);
        temporalServer = server();
      },
    ],
    [
      'worker a gets SIGKILL, and is started again after 5 s',
      async () => {
        await end(workers.a, 'SIGKILL');
        await sleep(5_000);
        workers.a = await worker('a');
      },
    ],
    [
      'the network between the worker whose agent works and the server is away for 15 s',
      (bead) => withoutNetwork(hostOf(bead), 15_000),
    ],
    [
      'the network between the other worker and the server is away for 15 s',
      (bead) => withoutNetwork(otherThan(hostOf(bead)), 15_000),
    ],
    // Longer than a connection lives without an answer: what the server had handed to it by then is lost.
    [
      'the network between the other worker and the server is away for 60 s',
      (bead) => withoutNetwork(otherThan(hostOf(bead)), 60_000),
    ],
    [
      'both workers are upgraded, one after the other',
      async () => {
        const second = await anotherBuild(join(folder, 'build-second'), 'second');
        for (const name of ['a', 'b']) {
          programs[name] = second;
          await end(workers[name], 'SIGTERM');
          workers[name] = await worker(name);
        }
      },
    ],
  ];
  const played = troubles.filter(([what]) => isChosen(what));
  if (played.length === 0 && !isChosen(largeUpgrade) && versions.length === 1)
    fail(`there is no trouble with ${chosen.join(' or ')} in its description`);
  const mergesSoFar = () => Number(git('--git-dir', origin, 'rev-list', '--count', '--merges', 'main'));
  const report = [];
  if (versions.length > 1) {
    const from = Date.now();
    const servers = {
      versions,
      schemaOf,
      bringSchemaTo,
      stopServer: () => end(temporalServer, 'SIGTERM'),
      refusesToStart: async (next) => {
        running = next;
        const tooEarly = server();
        await until(`server ${next} refuses the older schema`, () => tooEarly.exitCode !== null, 60_000);
        if (tooEarly.exitCode === 0) fail(`server ${next} ended well on the schema ${schemaOf()}`);
      },
      startOn: (next) => {
        running = next;
        temporalServer = server();
        return serverIsUp();
      },
    };
    const played = await playServerUpgrade({
      ...{ folder, origin, cli, json, until, fail, servers },
      homes: ['a', 'b'].map((name) => join(folder, name)),
      restartWorkers: async () => {
        for (const name of ['a', 'b']) {
          await end(workers[name], 'SIGTERM');
          workers[name] = await worker(name);
        }
      },
    });
    const trouble = `${serverUpgrade}: ${versions.join(', ')}`;
    report.push({ trouble, seconds: Math.round((Date.now() - from) / 1_000), ...played });
    console.log(JSON.stringify(report.at(-1)));
  }
  for (const [place, [what, trouble]] of played.entries()) {
    // A convoy puts its own name before those of its beads.
    const id = (name) => `convoy-${place}-${name}`;
    const file = join(folder, `convoy-${place}.yaml`);
    const bead = (name, needs) => ({ id: name, title: `Work ${name}`, needs });
    const beads = [bead('top', []), bead('left', ['top']), bead('right', ['top']), bead('last', ['left', 'right'])];
    writeFileSync(file, JSON.stringify({ convoy: `convoy-${place}`, title: what.slice(0, 60), rig: 'prod', beads }));
    const before = mergesSoFar();
    const from = Date.now();
    cli('convoy', 'create', file);
    await until('the first agent works', () => json('show', id('top')).state?.agent === 'working');
    await trouble(id('top'));
    const over = Date.now();
    const closed = await until('the convoy has landed', () => {
      const views = beads.map((one) => json('show', id(one.id)).state);
      return views.every((view) => view?.status === 'closed') ? views : undefined;
    });
    const sum = (name) => closed.reduce((all, view) => all + view.used[name], 0);
    const merges = mergesSoFar() - before;
    report.push({
      trouble: what,
      seconds: Math.round((Date.now() - from) / 1_000),
      'after it': Math.round((Date.now() - over) / 1_000),
      attempts: closed.reduce((all, view) => all + view.attempts.length, 0),
      losses: sum('infraLosses'),
      merges,
    });
    console.log(JSON.stringify(report.at(-1)));
    if (merges !== beads.length) fail(`${beads.length} beads have landed by ${merges} merges`);
    if (sum('agentFailures') > 0) fail('an agent failed for the trouble of others');
    if (closed.some((view) => view.malformed > 0)) fail('a bead heard what it does not understand');
  }
  if (isChosen(largeUpgrade)) {
    const from = Date.now();
    const played = await playUpgrade({
      folder,
      origin,
      cli,
      json,
      until,
      fail,
      homes: ['a', 'b'].map((name) => join(folder, name)),
      replaceWorkers: async () => {
        const next = await anotherBuild(join(folder, 'build-third'), 'third');
        for (const name of ['a', 'b']) {
          programs[name] = next;
          await end(workers[name], 'SIGTERM');
          workers[name] = await worker(name);
        }
      },
      killWorkers: async () => {
        for (const name of ['a', 'b']) await end(workers[name], 'SIGKILL');
        for (const name of ['a', 'b']) workers[name] = await worker(name);
      },
    });
    report.push({ trouble: largeUpgrade, seconds: Math.round((Date.now() - from) / 1_000), ...played });
    console.log(JSON.stringify(report.at(-1)));
  }
  const { builds } = json('upgrade', 'status');
  console.log(JSON.stringify(builds.map(({ build, workflows, done }) => ({ build, workflows, done }))));
  console.table(report);
}

let problem;
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
/** Whatever has our folder in its environment or arguments is of this run: agents outlive their worker by design. */
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL');
  for (const name of Object.values(spaces)) {
    const pids = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout ?? '';
    for (const pid of pids.split('\n').filter(Boolean)) spawnSync('kill', ['-9', pid]);
    spawnSync('ip', ['netns', 'del', name]);
  }
  if (problem === undefined && !keep) rmSync(folder, { recursive: true, force: true });
  else console.error(`its logs are left in ${folder}`);
});
try {
  await main();
} catch (error) {
  problem = error;
  console.error(`test:production: ${error.message}`);
  process.exitCode = 1;
}
process.exit();
