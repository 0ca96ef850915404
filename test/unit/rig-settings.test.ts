import { expect, test } from 'vitest';
import type { RigSettings } from '../../src/contract/index.js';
import { changeSettings } from '../../src/domain/rig-settings.js';

const settings: RigSettings = {
  repo: '/r',
  base: 'release',
  agent: { adapter: 'shell', command: 'true' },
  maxAgents: 4,
  checks: [],
  strategy: 'merge',
  approval: false,
};

test('a change of a rig replaces what it names, and leaves the rest', () => {
  expect(changeSettings(settings, { maxAgents: 2, strategy: undefined })).toEqual({ ...settings, maxAgents: 2 });
});

test('null takes an optional setting away, and only that', () => {
  const { base: _, ...withoutBase } = settings;
  expect(changeSettings(settings, { base: null })).toStrictEqual(withoutBase);
  expect(changeSettings(settings, { maxAgents: null } as never)).toHaveProperty('maxAgents', null);
});
