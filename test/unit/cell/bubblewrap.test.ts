import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cellFailure } from '../../../src/cell/bubblewrap.js';
import {
  CellSettingsError,
  gitRooms,
  inBubblewrap,
  launch,
  launchHere,
  readCellSettings,
  roomsOfFolder,
} from '../../../src/cell/index.js';
import type { Cell } from '../../../src/cell/index.js';
import { scratchFolder } from '../../support/scratch.js';

const cell: Cell = {
  read: ['/usr', '/home/me/state/bin'],
  write: ['/home/me/state/tree'],
  fresh: ['/home/me'],
  masked: [{ path: '/etc/shadow', folder: false }],
  links: [{ path: '/bin', target: 'usr/bin' }],
  cwd: '/home/me/state/tree',
  network: 'none',
};
const command = { file: 'agent', args: ['--now'] };
const settings = { agents: 'none', checks: 'none', network: 'all', read: [], write: [] } as const;

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
  expect(cellFailure(0, ['bwrap: odd'])).toBeUndefined();
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
  ];
  for (const name of files) writeFileSync(join(folder, name), '');
  for (const name of ['bin', 'worktree', 'gemini-home']) mkdirSync(join(folder, name));
  expect(roomsOfFolder(folder, [...files, 'bin', 'worktree', 'gemini-home'])).toEqual({
    read: ['prompt.md', 'claude-mcp.json', 'bin'].map((name) => join(folder, name)),
    write: [join(folder, 'gemini-home')],
  });
});

test('of a shared repository only objects and refs are writable, and objects borrowed from elsewhere are not shown', () => {
  const home = scratchFolder('git-rooms');
  const mirror = join(home, 'mirror');
  const gitDir = join(mirror, 'worktrees', 'one');
  const vault = join(home, 'vault', 'objects');
  for (const path of ['objects/info', 'refs', 'hooks', 'worktrees/one'])
    mkdirSync(join(mirror, path), { recursive: true });
  for (const path of [join(vault, 'pack'), join(home, 'tree')]) mkdirSync(path, { recursive: true });
  writeFileSync(join(mirror, 'objects', 'info', 'alternates'), `${vault}\n/root/.ssh\n/usr\n`);
  writeFileSync(join(gitDir, 'commondir'), '../..\n');
  writeFileSync(join(home, 'tree', '.git'), `gitdir: ${gitDir}\n`);
  expect(gitRooms(join(home, 'tree'), home)).toEqual({
    read: [mirror, vault],
    write: [join(mirror, 'objects'), join(mirror, 'refs'), join(mirror, 'logs'), gitDir],
  });
});

test('a launcher of the operator gets the command after its own words', () => {
  const worktree = '/tree';
  const tenant = { command, env: { PATH: '/bin' }, worktree, home: '/state', read: [], write: [] };
  const { file, args } = launch(['systemd-run', '--scope', '-p', 'WorkingDirectory={worktree}'], tenant, settings);
  expect([file, ...args]).toEqual(['systemd-run', '--scope', '-p', 'WorkingDirectory=/tree', 'agent', '--now']);
});

test('where there can be no sandbox, what asks for one is not run at all', () => {
  const tenant = { command, env: { PATH: '/nowhere' }, worktree: '/tree', home: '/state', read: [], write: [] };
  expect(launch('sandbox', tenant, settings).refused).toMatch(/bubblewrap/);
  expect(launch('none', tenant, settings).refused).toBeUndefined();
});

test('the settings of a host: none without a file; a mistake is told with its place, and is no permission', () => {
  const home = scratchFolder('cell-settings');
  expect(readCellSettings(home)).toEqual(settings);
  writeFileSync(join(home, 'cell.json'), '{"agents":"sandbox","network":"none","write":["~/.npm"]}');
  expect(readCellSettings(home)).toMatchObject({ agents: 'sandbox', checks: 'none', network: 'none' });
  for (const text of ['{"agents":"sandbix"}', '{"agent":"sandbox"}', 'sandbox', '{"read":["relative"]}']) {
    writeFileSync(join(home, 'cell.json'), text);
    expect(() => readCellSettings(home)).toThrow(CellSettingsError);
    const tenant = { command, env: {}, worktree: '/tree', home, read: [], write: [] };
    expect(launchHere('agents', tenant).refused).toContain('cell.json');
  }
});
