import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { allowedBy, isInner, launch, probeCell } from '../../../src/cell/index.js';
import { scratchFolder } from '../../support/scratch.js';

test.each([
  ['api.example.org', 443, 'api.example.org'],
  ['API.Example.org.', 443, 'api.example.org'],
  ['www.example.net', 443, '*.example.net'],
  ['a.b.example.net', 80, '*.example.net'],
  ['example.net', 443, undefined],
  ['evilexample.net', 443, undefined],
  ['api.example.org.evil.com', 443, undefined],
  ['registry.example', 443, 'registry.example:443'],
  ['registry.example', 80, undefined],
])('%s at port %d is let out by %s', (host, port, entry) => {
  expect(allowedBy(['api.example.org', '*.example.net', 'registry.example:443'], host, port)).toBe(entry);
  expect(allowedBy(['*'], host, port)).toBe('*');
});

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['169.254.169.254', true],
  ['192.168.1.1', true],
  ['fd00::1', true],
  ['93.184.216.34', false],
  ['2606:2800:220:1::1', false],
])('%s is of this machine or its net: %s', (address, inner) => {
  expect(isInner(address)).toBe(inner);
});

test.skipIf('problem' in probeCell(process.env))(
  'a link that a set-up step has left in the home does not lead a copy out of it',
  () => {
    const root = scratchFolder('cell-links');
    const home = join(root, 'home');
    const rooms = join(root, 'state', 'cell');
    for (const path of [home, join(root, 'tree'), join(rooms, 'home'), join(root, 'target')])
      mkdirSync(path, { recursive: true });
    mkdirSync(join(home, '.tool'));
    writeFileSync(join(home, '.tool', 'settings'), 'of the user');
    writeFileSync(join(root, 'target', 'settings'), 'of somebody else');
    symlinkSync(join(root, 'target'), join(rooms, 'home', '.tool'));
    launch(
      { launcher: 'sandbox', network: 'none', read: [], write: [] },
      {
        command: { file: 'true', args: [] },
        env: { PATH: process.env['PATH'] ?? '', HOME: home },
        worktree: join(root, 'tree'),
        home: join(root, 'state'),
        read: [],
        write: [],
        copy: [join(home, '.tool', 'settings')],
        rooms,
      },
    );
    expect(readFileSync(join(root, 'target', 'settings'), 'utf8')).toBe('of somebody else');
    expect(readFileSync(join(rooms, 'home', '.tool', 'settings'), 'utf8')).toBe('of the user');
  },
);
