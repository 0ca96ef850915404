import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cellFailure, sayingFirst } from '../../../src/cell/bubblewrap.js';
import {
  cellOf,
  CellSettingsError,
  gitRooms,
  inBubblewrap,
  decideCell,
  defaultLimits,
  describeCell,
  launch,
  planCell,
  readCellSettings,
  roomsOfFolder,
} from '../../../src/cell/index.js';
import type { Cell, CellPlan, CellProbe, Launcher, LauncherSetting } from '../../../src/cell/index.js';
import { programRooms } from '../../../src/cell/toolchains.js';
import type { AgentCell } from '../../../src/contract/index.js';
import { scratchFolder, script } from '../../support/scratch.js';

const cell: Cell = {
  read: ['/usr', '/home/me/state/bin'],
  write: ['/home/me/state/tree'],
  fresh: ['/home/me'],
  own: [{ path: '/tmp', from: '/home/me/state/cell/tmp' }],
  masked: [{ path: '/etc/shadow', folder: false }],
  links: [{ path: '/bin', target: 'usr/bin' }],
  cwd: '/home/me/state/tree',
  network: 'none',
};
const command = { file: 'agent', args: ['--now'] };
const settings = {
  agents: 'auto',
  checks: 'auto',
  network: 'all',
  read: [],
  write: [],
  limits: defaultLimits(),
  groups: {},
} as const;
const planned = (launcher: Launcher): CellPlan => ({ launcher, network: 'all', read: [], write: [] });

test('a folder is mounted before what is in it, and what is masked after all', () => {
  const { file, args } = inBubblewrap('/usr/bin/bwrap', cell, command);
  expect(file).toBe('/usr/bin/bwrap');
  const at = (path: string): number => args.indexOf(path);
  expect(at('/home/me')).toBeLessThan(at('/home/me/state/bin'));
  expect(at('/home/me/state/tree')).toBeLessThan(at('/etc/shadow'));
  expect(args.slice(args.indexOf('--'))).toEqual(['--', 'agent', '--now']);
  expect(args).toEqual(
    expect.arrayContaining(['--unshare-net', '--unshare-pid', '--unshare-user', '--die-with-parent']),
  );
});

test('with the network of the host everything else stays unshared', () => {
  const { args } = inBubblewrap('bwrap', { ...cell, network: 'all' }, command);
  expect(args).not.toContain('--unshare-net');
  expect(args).toEqual(expect.arrayContaining(['--unshare-pid', '--unshare-ipc', '--unshare-user']));
});

test("what bubblewrap says when it fails is told apart from an agent's own end", () => {
  expect(cellFailure(1, ['bwrap: execvp codex: No such file or directory'])).toBe('ENOENT');
  expect(cellFailure(1, ["bwrap: Can't mkdir /x: Permission denied"])).toBe(
    "its cell: Can't mkdir /x: Permission denied",
  );
  expect(cellFailure(1, ['an error of its own'])).toBeUndefined();
  expect(cellFailure(127, ['sh: codex: not found'])).toBeUndefined();
  expect(cellFailure(0, ['bwrap: odd'])).toBeUndefined();
});

test('in a cell a word is said right before the program runs, and none when there is no program', () => {
  const folder = scratchFolder('word');
  const run = (file: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } => {
    const said = sayingFirst('the word', { file, args });
    return spawnSync(said.file, said.args, { encoding: 'utf8', cwd: folder });
  };
  script(join(folder, 'agent'), 'printf "%s|" "$@"; exit 5\n');
  writeFileSync(join(folder, 'plain'), '');
  expect(run('./agent', 'a b', '', '$x')).toMatchObject({ status: 5, stdout: 'the word\na b||$x|' });
  for (const [file, why] of [
    ['./none', 'No such file or directory'],
    ['no-such-program-anywhere', 'No such file or directory'],
    ['./plain', 'Permission denied'],
  ] as const) {
    const { status, stdout, stderr } = run(file);
    expect([status, stdout, stderr]).toEqual([1, '', `bwrap: execvp ${file}: ${why}\n`]);
    expect(cellFailure(1, stderr.trim().split('\n'))).toBe(
      why.startsWith('No') ? 'ENOENT' : `its cell: execvp ${file}: ${why}`,
    );
  }
});

test("what an adapter has put into the folder is shown, what is the runner's is not", () => {
  const folder = scratchFolder('rooms');
  const files = [
    'prompt.md',
    'claude-mcp.json',
    'connection.json',
    'token',
    'control.sock',
    'runner.json',
    'input.json',
    'setup.log',
  ];
  for (const name of files) writeFileSync(join(folder, name), '');
  const folders = ['bin', 'worktree', 'worktree.keeper.git', 'lamp-1-aaaa.keeper.git', 'cell', 'gemini-home'];
  for (const name of folders) mkdirSync(join(folder, name));
  expect(roomsOfFolder(folder, [...files, ...folders])).toEqual({
    read: ['prompt.md', 'claude-mcp.json', 'bin'].map((name) => join(folder, name)),
    write: [join(folder, 'gemini-home')],
  });
});

test('of what a repository borrows the objects of this host are shown, and nothing else that is borrowed there', () => {
  const root = scratchFolder('git-rooms');
  const home = join(root, 'state');
  const [vault, older] = [join(home, 'vault', 'objects'), join(home, 'older', 'objects')];
  for (const path of [join(vault, 'pack'), join(vault, 'info'), join(older, 'pack'), join(root, 'x', 'pack')])
    mkdirSync(path, { recursive: true });
  writeFileSync(
    join(vault, 'info', 'alternates'),
    `../../older/objects\n/root/.ssh\n/usr\n${home}/../x\n${join(home, 'nowhere')}\n`,
  );
  expect(gitRooms([vault, `${home}/../x`, '/usr/share/git-core'], home)).toEqual([vault, older]);
});

test('a launcher of the operator gets the command after its own words', () => {
  const worktree = '/tree';
  const tenant = { command, env: { PATH: '/bin' }, worktree, home: '/state', read: [], write: [] };
  const { file, args } = launch(planned(['systemd-run', '--scope', '-p', 'WorkingDirectory={worktree}']), tenant);
  expect([file, ...args]).toEqual(['systemd-run', '--scope', '-p', 'WorkingDirectory=/tree', 'agent', '--now']);
});

test('a sandbox that its plan has tried is not tried once more', () => {
  const folder = scratchFolder('bwrap');
  const called = join(folder, 'called');
  script(join(folder, 'bwrap'), `echo called > ${called}`);
  const tenant = {
    command,
    env: { PATH: `${folder}:/usr/bin:/bin` },
    worktree: folder,
    home: '/state',
    read: [],
    write: [],
  };
  expect(launch(planned('sandbox'), tenant).file).toBe(join(folder, 'bwrap'));
  expect(existsSync(called)).toBe(false);
});

test('where there can be no sandbox, what asks for one is not run at all', () => {
  const tenant = { command, env: { PATH: '/nowhere' }, worktree: '/tree', home: '/state', read: [], write: [] };
  expect(launch(planned('sandbox'), tenant).refused).toMatch(/bubblewrap/);
  expect(launch(planned('none'), tenant).refused).toBeUndefined();
});

test('nothing said: in a sandbox where the host can make one, else without; what is said holds', () => {
  const works = (): CellProbe => ({ program: '/usr/bin/bwrap' });
  const fails = (): CellProbe => ({ problem: 'no bubblewrap' });
  const never = (): CellProbe => {
    throw new Error('not to be asked');
  };
  const decide = (
    agents: LauncherSetting,
    asked: AgentCell | undefined,
    probe: () => CellProbe,
  ): Launcher | { refused: string } => {
    const plan = decideCell('agents', { ...settings, agents }, asked, probe);
    return 'refused' in plan ? plan : plan.launcher;
  };
  expect(decide('auto', undefined, works)).toBe('sandbox');
  expect(decide('auto', undefined, fails)).toBe('none');
  expect(decide('auto', 'sandbox', fails)).toEqual({ refused: 'no bubblewrap' });
  expect(decide('sandbox', undefined, fails)).toEqual({ refused: 'no bubblewrap' });
  expect(decide('none', undefined, never)).toBe('none');
  expect(decide('none', 'sandbox', works)).toBe('sandbox');
  expect(decide('auto', 'none', never)).toBe('none');
  // A bead must not take down what the host has put up.
  expect(decide('sandbox', 'none', never)).toEqual({ refused: expect.stringContaining('cell.json') as string });
  expect(decide(['docker', 'run'], undefined, never)).toEqual(['docker', 'run']);
  expect(decide(['docker', 'run'], 'none', never)).toEqual({ refused: expect.stringContaining('cell.json') as string });
});

test('the settings of a host: auto without a file; a mistake is told with its place, and is no permission', () => {
  const home = scratchFolder('cell-settings');
  const env = {};
  expect(readCellSettings(home, undefined, env)).toEqual(settings);
  expect(readCellSettings(home, undefined, { HEARTBEAD_SANDBOX: 'none' })).toMatchObject({
    agents: 'none',
    checks: 'none',
  });
  expect(() => readCellSettings(home, undefined, { HEARTBEAD_SANDBOX: 'no' })).toThrow(/HEARTBEAD_SANDBOX is one of/);
  writeFileSync(
    join(home, 'cell.json'),
    '{"agents":"sandbox","network":"none","write":["~/.npm"],"rigs":{"web":{"agents":"none","network":"all",' +
      '"write":["/cache"]}}}',
  );
  expect(readCellSettings(home, undefined, env)).toMatchObject({ agents: 'sandbox', checks: 'auto', network: 'none' });
  expect(readCellSettings(home, 'web', env)).toMatchObject({
    agents: 'none',
    checks: 'auto',
    network: 'all',
    write: [join(homedir(), '.npm'), '/cache'],
  });
  writeFileSync(
    join(home, 'cell.json'),
    '{"limits":{"memoryMb":500,"diskMb":900},"rigs":{"web":{"limits":{"memoryMb":null,"diskMb":100}}}}',
  );
  expect(readCellSettings(home, undefined, env).limits).toEqual({ memoryMb: 500, processes: 4_096, diskMb: 900 });
  expect(readCellSettings(home, 'web', env).limits).toEqual({ processes: 4_096, diskMb: 100 });
  expect(planCell('agents', { home, rig: 'web', env })).toMatchObject({ limits: { diskMb: 100 } });
  for (const text of [
    '{"limits":{"memoryMb":"8G"}}',
    '{"agents":"sandbix"}',
    '{"agent":"sandbox"}',
    'sandbox',
    '{"read":["relative"]}',
  ]) {
    writeFileSync(join(home, 'cell.json'), text);
    expect(() => readCellSettings(home)).toThrow(CellSettingsError);
    expect(planCell('agents', { home, env })).toEqual({ refused: expect.stringContaining('cell.json') as string });
    expect(describeCell(home, env)).toMatchObject({ agents: 'unusable' });
  }
});

test('the own home is a folder of the attempt; what is copied into it can be changed without a trace', () => {
  const root = scratchFolder('cell-home');
  const folder = join(root, 'home');
  const rooms = join(root, 'state', 'cell');
  mkdirSync(join(folder, '.tool'), { recursive: true });
  writeFileSync(join(folder, '.tool.json'), 'mine');
  const tenant = {
    command,
    env: { PATH: '/usr/bin:/bin', HOME: folder },
    worktree: join(root, 'tree'),
    home: join(root, 'state'),
    read: [],
    write: [],
    keep: [join(folder, '.tool', 'conversations')],
    copy: [join(folder, '.tool.json')],
    own: [join(folder, '.tool'), '/elsewhere/tool'],
    rooms,
  };
  const { own } = cellOf(tenant, tenant.env, planned('sandbox'));
  expect(own).toEqual([
    { path: folder, from: join(rooms, 'home') },
    { path: '/tmp', from: join(rooms, 'tmp') },
    { path: '/var/tmp', from: join(rooms, 'tmp') },
    { path: '/elsewhere/tool', from: join(rooms, 'own-0') },
  ]);
});

test('what a shown folder has in it is not mounted again; what lies in a writable one is', () => {
  const root = scratchFolder('cell-covered');
  const paths = ['bin', 'tree/settings', 'home/tools/bin'].map((path) => join(root, path));
  for (const path of paths) mkdirSync(path, { recursive: true });
  writeFileSync(join(root, 'program'), '', { mode: 0o755 });
  symlinkSync(join(root, 'program'), join(root, 'bin', 'agent'));
  const { read } = cellOf(
    {
      command,
      env: {},
      worktree: join(root, 'tree'),
      home: join(root, 'state'),
      read: [join(root, 'tree', 'settings'), join(root, 'home', 'tools'), join(root, 'home', 'tools', 'bin')],
      write: [],
    },
    { PATH: join(root, 'bin'), HOME: join(root, 'home') },
    planned('sandbox'),
  );
  expect(read).toEqual(
    expect.arrayContaining(['bin', 'program', 'tree/settings', 'home/tools'].map((path) => join(root, path))),
  );
  // The program lies beside the home, which does not come with it.
  expect(read).not.toContain(root);
  expect(read).not.toContain(join(root, 'bin', 'agent'));
  expect(read).not.toContain(join(root, 'home', 'tools', 'bin'));
});

test('of the PATH the programs are shown, never the home or the state directory as a whole', () => {
  const root = scratchFolder('cell-path');
  const home = join(root, 'home');
  for (const path of ['.nvm/versions', 'tools/bin', 'prefix/bin', 'prefix/lib/node_modules', 'venv/bin', '.ssh'])
    mkdirSync(join(home, path), { recursive: true });
  writeFileSync(join(home, 'venv', 'pyvenv.cfg'), '');
  const PATH = [
    home,
    root,
    join(home, 'tools/bin'),
    join(home, 'prefix/bin'),
    join(home, 'venv/bin'),
    '/usr/bin',
    'relative',
  ].join(':');
  expect(programRooms({ PATH, HOME: home }, [home, join(root, 'state')]).sort()).toEqual(
    ['.nvm', 'prefix/bin', 'prefix/lib/node_modules', 'tools/bin', 'venv'].map((path) => join(home, path)).sort(),
  );
});
