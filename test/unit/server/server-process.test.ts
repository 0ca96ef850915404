import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, test } from 'vitest';
import { executableProblem, onPath } from '../../../src/edge/programs.js';
import { namedUser, readableLine } from '../../../src/server/server-process.js';
import { scratchFolder } from '../../support/scratch.js';

test('a server is told who runs it where the environment does not say; what it says stays', () => {
  expect(namedUser({ PATH: '/bin' }, '/home/of/it')).toEqual({
    PATH: '/bin',
    USER: `uid-${process.getuid?.()}`,
    HOME: '/home/of/it',
  });
  expect(namedUser({ USER: 'somebody', HOME: '/root' }, '/x')).toEqual({ USER: 'somebody', HOME: '/root' });
});

test('what a server printed is a line for people, not a wall of JSON', () => {
  const line = JSON.stringify({
    time: 'now',
    level: 'ERROR',
    msg: 'error returned',
    error: 'user: unknown',
    stack: 'x',
  });
  expect(readableLine(line)).toBe('ERROR: error returned: user: unknown');
  expect(readableLine('plain text')).toBe('plain text');
  expect(readableLine('x'.repeat(10_000)).length).toBeLessThan(400);
});

test('a folder of PATH that cannot be looked into hides none of the others', () => {
  const folder = scratchFolder('path');
  const loop = join(folder, 'loop');
  symlinkSync(loop, loop);
  const good = join(folder, 'good');
  mkdirSync(good);
  writeFileSync(join(good, 'tool'), '#!/bin/sh\n');
  chmodSync(join(good, 'tool'), 0o755);
  expect(executableProblem(join(loop, 'tool'))).toMatch(/cannot be looked at \(ELOOP\)/);
  expect(onPath('tool', { PATH: [loop, good].join(delimiter) })).toBe(join(good, 'tool'));
  if (process.getuid?.() !== 0) {
    const shut = join(folder, 'shut');
    mkdirSync(shut, { mode: 0 });
    expect(onPath('tool', { PATH: [shut, good].join(delimiter) })).toBe(join(good, 'tool'));
    execFileSync('chmod', ['700', shut]);
  }
});
