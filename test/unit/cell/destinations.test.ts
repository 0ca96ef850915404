import { expect, test } from 'vitest';
import { agentProvider } from '../../../src/agents/index.js';
import { covers, networkOf } from '../../../src/cell/destinations.js';
import { decideCell, defaultLimits } from '../../../src/cell/index.js';
import type { CellNetwork, CellProbe, CellSettings } from '../../../src/cell/index.js';

const groups = { registries: ['*.npmjs.example', 'pypi.example:443'] };
const of = (network: CellNetwork, asked?: string[], provider: string[] = ['models.example:443']) =>
  networkOf({ network, groups }, { network: asked, provider });
const refused = (words: string): unknown => ({ refused: expect.stringContaining(words) as string });

test('nothing is asked: what the host says holds, and a list has the provider in it', () => {
  expect(of('all')).toBe('all');
  expect(of('none')).toBe('none');
  expect(of({ allow: ['@registries', 'forge.example'] })).toEqual({
    allow: ['*.npmjs.example', 'pypi.example:443', 'forge.example', 'models.example:443'],
  });
});

test('a rig gets less than its host lets it, and never more', () => {
  expect(of('all', ['@registries'])).toEqual({ allow: ['*.npmjs.example', 'pypi.example:443', 'models.example:443'] });
  expect(of('all', [])).toEqual({ allow: ['models.example:443'] });
  expect(of('none', [])).toBe('none');
  expect(of('none', ['forge.example'])).toEqual(refused('lets agents reach none'));
  const host: CellNetwork = { allow: ['*.example.org', 'forge.example:443', '@registries'] };
  expect(of(host, ['www.example.org', '*.a.example.org:443', 'forge.example:443', 'r.npmjs.example'])).toMatchObject({
    allow: ['www.example.org', '*.a.example.org:443', 'forge.example:443', 'r.npmjs.example', 'models.example:443'],
  });
  for (const entry of ['example.org', 'forge.example', '*', 'evil.example'])
    expect(of(host, [entry])).toEqual(refused(`the way out to ${entry}`));
  expect(of('all', ['@models'])).toEqual(refused('named models'));
});

test.each([
  ['*', '*.example.org', true],
  ['*:443', 'example.org:443', true],
  ['*:443', 'example.org', false],
  ['*.example.org', 'evilexample.org', false],
  ['*.example.org', '*.a.example.org', true],
  ['a.example.org', '*.example.org', false],
])('%s is as wide as %s: %s', (wide, narrow, is) => {
  expect(covers(wide, narrow)).toBe(is);
});

test('with a list of hosts an agent runs in a sandbox or not at all', () => {
  const settings: CellSettings = {
    agents: 'auto',
    checks: 'auto',
    network: 'all',
    read: [],
    write: [],
    groups: {},
    limits: defaultLimits(),
  };
  const out = { network: ['forge.example'] };
  const works = (): CellProbe => ({ program: 'bwrap' });
  expect(decideCell('agents', settings, undefined, works, out)).toMatchObject({
    launcher: 'sandbox',
    network: { allow: ['forge.example'] },
  });
  expect(decideCell('agents', settings, undefined, () => ({ problem: 'no bubblewrap' }), out)).toEqual(
    refused('no bubblewrap'),
  );
  expect(decideCell('agents', settings, 'none', works, out)).toEqual(refused('no sandbox'));
});

test('the provider of a program is known by the program, by its keys, or by the address that it is given', () => {
  expect(agentProvider({ adapter: 'claude' }, {})).toContain('api.anthropic.com:443');
  expect(agentProvider({ adapter: 'pi' }, {})).toEqual([]);
  expect(agentProvider({ adapter: 'pi' }, { OPENROUTER_API_KEY: 'x', GROQ_API_KEY: '' })).toEqual([
    'openrouter.ai:443',
  ]);
  expect(agentProvider({ adapter: 'claude' }, { ANTHROPIC_BASE_URL: 'http://gateway.example:8080/v1' })).toContain(
    'gateway.example:8080',
  );
  expect(agentProvider({ adapter: 'shell' }, { OPENAI_API_KEY: 'x' })).toEqual([]);
});
