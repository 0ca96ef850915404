import { randomBytes } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Keys, PayloadSeal, codecOrigins, codecToken } from '../../../src/codec/index.js';
import { serveCodec } from '../../../src/codec/serve.js';
import { scratchFolder } from '../../support/scratch.js';
import { onTestFinished } from 'vitest';

const ui = 'http://127.0.0.1:8233';

async function served(): Promise<(path: string, init?: RequestInit) => Promise<Response>> {
  const file = join(scratchFolder('codec'), 'keys.json');
  writeFileSync(file, JSON.stringify({ current: 'a', keys: { a: randomBytes(32).toString('base64') } }));
  const codec = new PayloadSeal(new Keys({ file }));
  const server = await serveCodec(0, { codec, token: 'the-token', origins: [ui] });
  onTestFinished(() => server.close());
  return (path, init) => fetch(`http://127.0.0.1:${server.port}${path}`, { method: 'POST', ...init });
}

const payloads = [
  {
    metadata: { encoding: Buffer.from('json/plain').toString('base64') },
    data: Buffer.from('"hidden"').toString('base64'),
  },
];
const bearer = { authorization: 'Bearer the-token' };
type Answer = { payloads: typeof payloads };

describe('the codec endpoint', () => {
  it('seals and opens for whoever has the token, in the header or in the path', async () => {
    const ask = await served();
    const sealed = (await (
      await ask('/encode', { headers: bearer, body: JSON.stringify({ payloads }) })
    ).json()) as Answer;
    expect(Buffer.from(sealed.payloads[0]?.metadata.encoding ?? '', 'base64').toString()).toBe('binary/encrypted');
    expect(JSON.stringify(sealed)).not.toContain(payloads[0]?.data);
    const answer = await ask('/the-token/decode', { headers: { origin: ui }, body: JSON.stringify(sealed) });
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, ui]);
    expect(await answer.json()).toEqual({ payloads });
    // What cannot be opened stays as it is, and hides nothing of the rest.
    const foreign = structuredClone(sealed.payloads[0] as Answer['payloads'][number]);
    Object.assign(foreign.metadata, { 'encryption-key-id': Buffer.from('lost').toString('base64') });
    const both = await ask('/decode', {
      headers: bearer,
      body: JSON.stringify({ payloads: [foreign, sealed.payloads[0]] }),
    });
    expect(await both.json()).toEqual({ payloads: [foreign, payloads[0]] });
  });

  it('refuses who has no token, pages of other origins, and what is no request of a codec', async () => {
    const ask = await served();
    const body = JSON.stringify({ payloads });
    const status = async (path: string, init: RequestInit): Promise<number> => (await ask(path, init)).status;
    expect(await status('/decode', { body })).toBe(401);
    expect(await status('/wrong/decode', { body })).toBe(401);
    const page = await ask('/the-token/decode', { body, headers: { origin: 'https://evil.example' } });
    expect([page.status, page.headers.get('access-control-allow-origin')]).toEqual([403, null]);
    expect(await status('/decode', { method: 'GET', headers: bearer })).toBe(405);
    expect(await status('/other', { body, headers: bearer })).toBe(404);
    for (const bad of ['', '{}', '{"payloads": [{"data": 1}]}', 'null'])
      expect(await status('/decode', { body: bad, headers: bearer })).toBe(400);
    const preflight = await ask('/the-token/decode', { method: 'OPTIONS', headers: { origin: ui } });
    expect([preflight.status, preflight.headers.get('access-control-allow-headers')]).toEqual([
      204,
      expect.stringContaining('authorization'),
    ]);
  });

  it('keeps its token over restarts, readable by its owner alone; the Web UI of the town may ask', async () => {
    const home = scratchFolder('home');
    const token = await codecToken(home);
    expect(await codecToken(home)).toBe(token);
    expect(statSync(join(home, 'codec-token')).mode & 0o777).toBe(0o600);
    expect(codecOrigins({ HEARTBEAD_CODEC_ORIGINS: 'https://ui.example.com/, http://a:1' }, `${ui}/`)).toEqual([
      ui,
      'http://localhost:8233',
      'https://ui.example.com',
      'http://a:1',
    ]);
  });
});
