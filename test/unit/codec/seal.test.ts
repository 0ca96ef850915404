import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultPayloadConverter, DefaultFailureConverter, ApplicationFailure } from '@temporalio/common';
import type { Payload } from '@temporalio/common';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  Keys,
  KeysError,
  PayloadSeal,
  keySource,
  markedAs,
  markingSealed,
  opened,
  readRing,
  sealedWith,
} from '../../../src/codec/index.js';
import { scratchFolder } from '../../support/scratch.js';
import { until } from '../../support/until.js';

const key = (): string => randomBytes(32).toString('base64');
const plain = (value: unknown): Payload => defaultPayloadConverter.toPayload(value);
const read = (payload: Payload | undefined): unknown => defaultPayloadConverter.fromPayload(payload as Payload);

/** A file of keys whose clock the test moves. */
class Ring {
  readonly file = join(scratchFolder('keys'), 'keys.json');
  readonly keys: Keys;
  readonly troubles: string[] = [];
  now = 1_000_000;

  constructor(ring: object) {
    this.write(ring);
    this.keys = new Keys({ file: this.file }, { now: () => this.now, onTrouble: (e) => this.troubles.push(e.message) });
  }

  write(ring: object): void {
    writeFileSync(this.file, JSON.stringify(ring));
    this.now += 60_000;
  }
}

describe('a seal', () => {
  it('hides a payload from whoever has no key, and gives it back whole', async () => {
    const ring = new Ring({ current: 'a', keys: { a: key() } });
    const seal = new PayloadSeal(ring.keys);
    const payload = {
      ...plain({ title: 'Mend the parser' }),
      metadata: { ...plain(1).metadata, extra: Buffer.from('x') },
    };
    const [sealed, other] = await seal.encode([payload, payload]);
    expect(sealedWith(sealed as Payload)).toBe('a');
    expect(Buffer.from(sealed?.data ?? []).toString('latin1')).not.toMatch(/Mend|title/);
    expect(Buffer.from(sealed?.data ?? [])).not.toEqual(Buffer.from(other?.data ?? []));
    const [back] = await seal.decode([sealed as Payload]);
    expect(read(back)).toEqual({ title: 'Mend the parser' });
    expect(Buffer.from(back?.metadata?.['extra'] ?? []).toString()).toBe('x');
    // A list is read with what there is, and whoever reads one thing is told what is missing.
    const without = new PayloadSeal(undefined);
    const listed = await markingSealed(() => without.decode([plain('open'), sealed as Payload]));
    expect(listed.map(read).map(markedAs)).toEqual([undefined, 'a']);
    await expect(without.decode([sealed as Payload])).rejects.toThrow(KeysError);
    // What was there before anything was encrypted stays readable.
    expect(read((await seal.decode([plain('of before')]))[0])).toBe('of before');
  });

  it('by rotation seals with the new key and opens with the old one, in the process that lives', async () => {
    const [a, b] = [key(), key()];
    const ring = new Ring({ keys: { a } });
    const seal = new PayloadSeal(ring.keys);
    expect(sealedWith((await seal.encode([plain(1)]))[0] as Payload)).toBeUndefined();
    ring.write({ current: 'a', keys: { a } });
    const [old] = await seal.encode([plain('old')]);
    expect(sealedWith(old as Payload)).toBe('a');
    ring.write({ current: 'b', keys: { a, b } });
    const [fresh] = await seal.encode([plain('new')]);
    expect(sealedWith(fresh as Payload)).toBe('b');
    expect((await seal.decode([old as Payload, fresh as Payload])).map(read)).toEqual(['old', 'new']);
    // One that comes before the next regular look, too.
    const c = key();
    const [ahead] = await new PayloadSeal(new Ring({ current: 'c', keys: { c } }).keys).encode([plain('ahead')]);
    writeFileSync(ring.file, JSON.stringify({ current: 'b', keys: { a, b, c } }));
    ring.now += 600;
    expect(read((await seal.decode([ahead as Payload]))[0])).toBe('ahead');
  });

  it('without the key says one sentence with the key’s id and what to do; without any keys as well', async () => {
    const ring = new Ring({ current: 'old', keys: { old: key() } });
    const [sealed] = await new PayloadSeal(ring.keys).encode([plain('x')]);
    ring.write({ current: 'new', keys: { new: key() } });
    await expect(new PayloadSeal(ring.keys).decode([sealed as Payload])).rejects.toMatchObject({
      message: `a payload is encrypted with key old, which is not among the keys from ${ring.file} (new)`,
      next: expect.stringContaining('put key old back'),
    });
    await expect(new PayloadSeal(undefined).decode([sealed as Payload])).rejects.toMatchObject({
      message: 'the payloads of this town are encrypted (key old), and there are no keys here',
    });
  });

  it('of a changed payload is refused; a worker keeps it as it is, for the workflow to drop', async () => {
    const { keys } = new Ring({ current: 'a', keys: { a: key() } });
    const [sealed] = await new PayloadSeal(keys).encode([plain('x')]);
    const data = Uint8Array.from(sealed?.data ?? []);
    data[data.length - 1] = (data.at(-1) ?? 0) ^ 1;
    const changed = { ...sealed, data };
    await expect(new PayloadSeal(keys).decode([changed])).rejects.toThrow(KeysError);
    expect(await new PayloadSeal(keys, { unreadable: 'keep' }).decode([changed])).toEqual([changed]);
    expect(
      await new PayloadSeal(keys, { unreadable: 'keep' }).decode([{ ...sealed, data: new Uint8Array(3) }]),
    ).toHaveLength(1);
  });

  it('goes on with the last good keys when their file is gone or broken, and tells so', async () => {
    const ring = new Ring({ current: 'a', keys: { a: key() } });
    await ring.keys.ring();
    writeFileSync(ring.file, 'half a fi');
    ring.now += 60_000;
    expect((await ring.keys.ring()).current).toBe('a');
    rmSync(ring.file);
    ring.now += 60_000;
    expect((await ring.keys.ring()).current).toBe('a');
    expect(ring.troubles).toEqual([
      expect.stringContaining('they are no JSON'),
      expect.stringContaining('cannot be read from'),
    ]);
    expect(ring.troubles.join()).not.toContain('half a fi');
  });

  it('has its keys from a command as well, whose output is in no message', async () => {
    const a = key();
    const ring = JSON.stringify({ current: 'a', keys: { a } });
    const keys = new Keys({ command: `printf '%s' '${ring}'` });
    expect((await keys.ring()).current).toBe('a');
    const broken = new Keys({ command: `printf '%s' '${a}'; exit 3` });
    const error: unknown = await broken.ring().catch((failed: unknown) => failed);
    expect(error).toMatchObject({ message: expect.stringContaining('HEARTBEAD_KEYS_COMMAND ended with 3') });
    expect(JSON.stringify([error, (error as Error).stack, (error as Error).cause])).not.toContain(a);
  });

  it('goes on with the keys that it has while the command hangs, and takes what it says in the end', async () => {
    const folder = scratchFolder('keys');
    const wait = join(folder, 'wait');
    const [a, b] = [key(), key()];
    const ring = (current: string): string => JSON.stringify({ current, keys: { a, b } });
    writeFileSync(join(folder, 'ring'), ring('a'));
    let now = 0;
    const keys = new Keys(
      { command: `while [ -e ${wait} ]; do sleep 0.1; done; cat ${join(folder, 'ring')}` },
      { now: () => now },
    );
    expect((await keys.ring()).current).toBe('a');
    writeFileSync(wait, '');
    onTestFinished(() => rmSync(wait, { force: true }));
    now += 6 * 60_000;
    expect((await keys.ring()).current).toBe('a');
    // Nobody waits for the same look twice.
    const from = performance.now();
    for (let n = 0; n < 50; n += 1) expect((await keys.ring()).current).toBe('a');
    expect(performance.now() - from).toBeLessThan(10_000);
    writeFileSync(join(folder, 'ring'), ring('b'));
    rmSync(wait);
    await until('the keys that the command says', async () => (await keys.ring()).current === 'b');
  });
});

it.each([
  ['', 'no JSON'],
  ['[]', '`keys` is missing'],
  ['{"keys": {}}', 'there is none'],
  ['{"keys": {"a": "c2hvcnQ="}}', 'key a has not 32 bytes'],
  ['{"keys": {"a b": ""}}', 'other characters'],
  [`{"current": "b", "keys": {"a": "${key()}"}}`, '`current` names none'],
])('a ring %s is refused: %s', (text, why) => {
  expect(() => readRing(text, 'there')).toThrow(why);
});

it('keys come from the command, else the named file, else the state directory’s own', () => {
  const home = scratchFolder('home');
  expect(keySource({}, home)).toBeUndefined();
  writeFileSync(join(home, 'payload-keys.json'), '{}');
  expect(keySource({}, home)).toEqual({ file: join(home, 'payload-keys.json') });
  expect(keySource({ HEARTBEAD_KEYS_FILE: '/k' }, home)).toEqual({ file: '/k' });
  expect(keySource({ HEARTBEAD_KEYS_FILE: '/k', HEARTBEAD_KEYS_COMMAND: 'c' }, home)).toEqual({ command: 'c' });
});

it('an answer of the server is opened where it is sealed, and its failures say what they said', async () => {
  const { keys } = new Ring({ current: 'a', keys: { a: key() } });
  const seal = new PayloadSeal(keys);
  const failure = new DefaultFailureConverter({ encodeCommonAttributes: true }).errorToFailure(
    ApplicationFailure.nonRetryable('no such branch', 'BadBranch'),
    defaultPayloadConverter,
  );
  expect(failure.message).toBe('Encoded failure');
  [failure.encodedAttributes] = await seal.encode([failure.encodedAttributes as Payload]);
  const [input] = await seal.encode([plain({ bead: 'x' })]);
  const answer = await opened({ events: [{ input: { payloads: [input] }, other: plain(2), failure }] }, [seal]);
  expect(read(answer.events[0]?.input.payloads[0])).toEqual({ bead: 'x' });
  expect(read(answer.events[0]?.other)).toBe(2);
  expect(failure.message).toBe('no such branch');
});
