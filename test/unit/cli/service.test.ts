import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { checkLogout } from '../../../src/cli/doctor/logout-check.js';
import { planService } from '../../../src/cli/service/install.js';
import { launchdAgent, systemdUnit } from '../../../src/cli/service/unit.js';
import { writeRecord } from '../../../src/client/records.js';
import { scratchFolder, script } from '../../support/scratch.js';

const options = {
  home: '/home/me/state dir',
  env: { HOME: '/home/me', PATH: '/usr/bin:/opt/100% "tools"' },
  taskQueue: 'heartbead',
  flags: {},
  board: true,
};
const plan = {
  command: ['/usr/bin/env', 'a $HOME "b" 100%', '\\'],
  environment: { A: 'x "y" $z 5%' },
  environmentFile: '/home/me/100%/service.env',
  log: '/home/me/service.log',
  description: 'A town',
};

test('the unit of a town of its own runs server and worker, and what it starts outlives a restart', () => {
  const { path, text, next } = planService('systemd', options);
  expect(path).toBe('/home/me/.config/systemd/user/heartbead.service');
  expect(text).toMatch(/^ExecStart="\S+" "\S+bin\/heartbead\.mjs" "up" "--foreground"$/m);
  expect(text).toContain('\nKillMode=process\n');
  expect(text).toContain('\nEnvironment="HEARTBEAD_HOME=/home/me/state dir"\n');
  expect(text).toContain('\nEnvironment="PATH=/usr/bin:/opt/100%% \\"tools\\""\n');
  expect(next.join('\n')).toMatch(/systemctl --user enable --now heartbead[^]*loginctl enable-linger/);
});

test('with a server of somebody else worker and board run, with what they need to reach and to read it; no secret gets into the file', () => {
  const { path, text, next } = planService('systemd', {
    ...options,
    env: {
      ...options.env,
      XDG_CONFIG_HOME: '/conf',
      TEMPORAL_ADDRESS: 'temporal:7233',
      TEMPORAL_API_KEY: 'secret-key',
      TEMPORAL_TLS_CLIENT_KEY_DATA: 'secret-key',
      TEMPORAL_TLS_CLIENT_KEY_PATH: '/keys/client.key',
      HEARTBEAD_KEYS_COMMAND: 'op read secret-key',
      HEARTBEAD_KEYS_FILE: 'keys.json',
      HTTPS_PROXY: 'http://me:secret-key@proxy',
      ANTHROPIC_API_KEY: 'secret-key',
    },
    taskQueue: 'team/a b',
    flags: { maxAgents: 3, metricsPort: 9464 },
  });
  expect(path).toBe('/conf/systemd/user/heartbead-team_a_b.service');
  expect(text).toMatch(/^ExecStart=.* "up" "--foreground" "--max-agents" "3" "--metrics-port" "9464"$/m);
  expect(text).toContain('"TEMPORAL_TLS_CLIENT_KEY_PATH=/keys/client.key"');
  // The service works in another folder.
  expect(text).toContain(`"HEARTBEAD_KEYS_FILE=${resolve('keys.json')}"`);
  expect(text).toContain('"TEMPORAL_ADDRESS=temporal:7233"');
  expect(text).toContain('"HEARTBEAD_TASK_QUEUE=team/a b"');
  expect(text).not.toContain('secret-key');
  expect(next.join('\n')).toContain('/home/me/state dir/service.env');
  expect(next.join('\n')).toContain(
    'Not written, but set here: ANTHROPIC_API_KEY, HEARTBEAD_KEYS_COMMAND, HTTPS_PROXY, TEMPORAL_API_KEY, TEMPORAL_TLS_CLIENT_KEY_DATA.',
  );
  expect(planService('systemd', { ...options, board: false }).text).toMatch(/"--foreground" "--no-board"$/m);
});

test('what agents and git would miss in the service is told by name, and folders of the user go with it', () => {
  const home = scratchFolder('state');
  writeFileSync(
    join(home, 'agents.yaml'),
    'agents: { mine: { command: [mine, "{prompt}"], prompt: arg, output: { format: text }, env: [MINE_TOKEN] } }\n' +
      'accounts: { claude: [{ name: second, env: { ANTHROPIC_API_KEY: SECOND_KEY } }] }\n',
  );
  const env = {
    ...options.env,
    ANTHROPIC_API_KEY: 'secret-key',
    CODEX_HOME: '/home/me/codex',
    MINE_TOKEN: 'secret-key',
    SECOND_KEY: 'secret-key',
    GIT_SSH_COMMAND: 'ssh -i key',
    HEARTBEAD_GIT_ENV: 'GITEA_TOKEN',
    GITEA_TOKEN: 'secret-key',
    OTHER_KEY: 'secret-key',
    XDG_CONFIG_HOME: 'conf',
    XDG_CACHE_HOME: '/home/me/cache',
    GNUPGHOME: '/home/me/keys',
  };
  const { path, text, next } = planService('systemd', { ...options, home, env });
  expect(next.join('\n')).toMatch(
    /set here: ANTHROPIC_API_KEY, CODEX_HOME, GITEA_TOKEN, GIT_SSH_COMMAND, MINE_TOKEN, SECOND_KEY\.$/,
  );
  expect(text).not.toContain('secret-key');
  expect(text).toContain('"XDG_CACHE_HOME=/home/me/cache"');
  expect(text).toContain('"GNUPGHOME=/home/me/keys"');
  // A relative one counts as not set.
  expect(text).not.toContain('XDG_CONFIG_HOME');
  expect(path).toBe('/home/me/.config/systemd/user/heartbead.service');
  // A file that cannot be read is no reason to write no service.
  writeFileSync(join(home, 'agents.yaml'), 'agents: [');
  expect(planService('systemd', { ...options, home, env }).next.join('\n')).toMatch(/set here: ANTHROPIC_API_KEY, /);
});

test('in a unit nothing of a word means anything to systemd', () => {
  const text = systemdUnit(plan);
  expect(text).toContain(String.raw`ExecStart="/usr/bin/env" "a $$HOME \"b\" 100%%" "\\"`);
  expect(text).toContain(String.raw`Environment="A=x \"y\" $z 5%%"`);
  expect(text).toContain('EnvironmentFile=-/home/me/100%%/service.env');
  const named = systemdUnit({ ...plan, description: 'Town (100%x\n[Service]\nExecStartPre=/bin/false\\' });
  expect(named).toContain('\nDescription=Town (100%%x [Service] ExecStartPre=/bin/false/\nAfter=');
});

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

test.skipIf(!hasSystemd)('systemd takes the unit, whatever its town is called', () => {
  const file = join(scratchFolder('unit'), 'heartbead.service');
  writeFileSync(file, planService('systemd', { ...options, taskQueue: 'my "queue"%x\n$HOME \\' }).text);
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', '--generators=no', file]);
  expect({
    status,
    said: stderr
      .toString()
      .split('\n')
      .filter((line) => line.includes('heartbead')),
  }).toEqual({
    status: 0,
    said: [],
  });
});

test('the launchd agent is a property list whose shell hands the words on as they are', () => {
  const folder = scratchFolder('agent');
  const out = join(folder, 'out');
  const program = script(join(folder, 'program'), `printf '%s|' "$SECRET" "$@" > '${out}'`);
  writeFileSync(join(folder, 'service.env'), 'SECRET="of the file"\n');
  const text = launchdAgent('dev.heartbead.a', {
    ...plan,
    command: [program, 'a $HOME', '<b> & "c"'],
    environmentFile: join(folder, 'service.env'),
  });
  expect(text).toContain('<key>AbandonProcessGroup</key>\n  <true/>');
  const words = [...(/<array>([^]*?)<\/array>/.exec(text)?.[1] ?? '').matchAll(/<string>([^]*?)<\/string>/g)].map(
    ([, word]) =>
      (word ?? '').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&'),
  );
  const [shell = '', ...args] = words;
  expect(spawnSync(shell, args).status).toBe(0);
  expect(spawnSync('cat', [out]).stdout.toString()).toBe('of the file|a $HOME|<b> & "c"|');
  expect(planService('launchd', options).path).toBe('/home/me/Library/LaunchAgents/dev.heartbead.heartbead.plist');
});

test.each([
  ['no systemd', undefined, '/user.slice/session-3.scope', 'ok', /no systemd/],
  ['a systemd without a login manager', 'exit 1', '/user.slice/session-3.scope', 'ok', /no login manager/],
  ['processes that may stay', 'echo "b false"', '/user.slice/session-3.scope', 'ok', /ends nothing/],
  ['a service of the user', 'echo "b true"', '/user.slice/user@1.service/heartbead.service', 'ok', /nothing here runs/],
  ['a login session', 'echo "b true"', '0::/user.slice/user-1.slice/session-3.scope', 'warn', /when you log out/],
] as const)('doctor on logging out, with %s', async (_, busctl, group, verdict, said) => {
  const folder = scratchFolder('logout');
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  if (busctl !== undefined) script(join(bin, 'busctl'), busctl);
  const record = { pid: process.pid, startTime: '1', log: 'none', taskQueue: 'a', maxAgents: 1, address: 'none' };
  await writeRecord(folder, 'worker', record);
  const check = await checkLogout(folder, { PATH: bin }, (pid) => Promise.resolve(pid === process.pid ? group : ''));
  expect(check).toMatchObject({ name: 'logout', verdict });
  expect(check.text).toMatch(said);
});
