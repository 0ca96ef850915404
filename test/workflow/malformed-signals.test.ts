import { beforeAll, describe, expect, it } from 'vitest';
import {
  expectNeverOpenAgain,
  expectOneAgent,
  expectStatus,
  expectWorkingThroughout,
} from '../../src/testing/index.js';
import type { Town, TownBead } from '../../src/testing/index.js';
import { useWorld } from './support/use-world.js';

const world = useWorld({ keepTowns: true });
let town: Town;
let bead: TownBead;
beforeAll(async () => {
  town = await world.town({ agent: { works: '2h' } });
  bead = await town.sling();
  await bead.until('works', ({ agent }) => agent === 'working');
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const encoded = (encoding: string, data: string): { metadata: Record<string, Uint8Array>; data: Uint8Array } => ({
  metadata: { encoding: bytes(encoding) },
  data: bytes(data),
});

describe('a heartbeat whose payload nobody can read', () => {
  it.each([
    ['null', null],
    ['a bare text', 'working'],
    ['a number', 42],
    ['a list', [{ attempt: '1-abcdef12' }]],
    ['an object without an attempt', { kind: 'output' }],
    ['an attempt that is no text', { attempt: { id: '1-abcdef12' } }],
    ['an attempt id of another form', { attempt: '../../etc' }],
    ['an unknown kind', { attempt: '1-abcdef12', kind: 'resurrected' }],
    ['an attempt id of 100,000 characters', { attempt: '1-'.padEnd(100_000, 'a') }],
    ['deep nesting', { attempt: JSON.parse(`${'['.repeat(2_000)}${']'.repeat(2_000)}`) as unknown }],
  ])('%s: dropped and counted, the bead is unharmed', async (_, payload) => {
    const before = await bead.state();
    await bead.signal('heartbeat', payload);
    const after = await bead.state();
    expect(after.malformed).toBe(before.malformed + 1);
    expect({ ...after, malformed: 0, now: 0, story: [] }).toEqual({ ...before, malformed: 0, now: 0, story: [] });
    expect(bead.runs.flatMap((run) => run.taskFailures)).toEqual([]);
  });

  it.each([
    ['bytes that are no JSON', encoded('json/plain', '{"attempt": ')],
    [
      'JSON that is no UTF-8',
      { metadata: { encoding: bytes('json/plain') }, data: new Uint8Array([0x22, 0xff, 0xfe, 0x22]) },
    ],
    ['an unknown encoding', encoded('carrier/pigeon', 'coo')],
    ['no encoding at all', { metadata: {}, data: bytes('{}') }],
    ['no metadata, no data', {}],
    ['an empty JSON text', encoded('json/plain', '')],
    ['raw binary', { metadata: { encoding: bytes('binary/plain') }, data: new Uint8Array([0, 1, 2, 3]) }],
    ['a protobuf of nobody', encoded('binary/protobuf', 'x')],
  ])('%s on the wire: no workflow task fails, and the bead goes on', async (_, payload) => {
    await bead.signalRaw('heartbeat', payload);
    expect(bead.runs.flatMap((run) => run.taskFailures)).toEqual([]);
    await town.advance('10s');
    await expectStatus(bead, 'in_progress', 'working');
  });

  it.each(['note', 'accepted', 'no-such-signal'])('%s with rubbish does no harm either', async (name) => {
    for (const payload of [null, 'text', { attempt: 7 }]) await bead.signal(name, payload);
    await expectStatus(bead, 'in_progress', 'working');
  });

  it('many fields of a good heartbeat may be rubbish: what can be read counts', async () => {
    const { current, heartbeats } = await bead.state();
    await bead.signal('heartbeat', {
      attempt: current?.id,
      kind: 'output',
      activity: { a: 1 },
      checkpoint: { sha: 'HEAD', ref: '--upload-pack=x' },
      acknowledged: 'all',
      host: 'a b',
    });
    const after = await bead.state();
    expect(after.heartbeats).toBe(heartbeats + 1);
    expect(after.current?.host).toBe(current?.host);
    expect(after.checkpoint?.ref).not.toBe('--upload-pack=x');
  });

  it('after all that the agent works on as if nothing had been', async () => {
    expect((await bead.untilEnded('3h')).status).toBe('closed');
    expectOneAgent(bead);
    expectNeverOpenAgain(bead);
    expectWorkingThroughout(bead);
  });
});
