import { describe, expect, test } from 'vitest';
import { Safety } from '../../../src/board/safety.js';
import type { SafetyOptions } from '../../../src/board/safety.js';

const options: SafetyOptions = {
  token: 'a-token-of-this-start',
  port: 8234,
  host: '127.0.0.1',
  readOnly: false,
  trustProxy: false,
};
const cookie = (safety: Safety): string => `${safety.cookieName}=${safety.session}`;

/** A request of the page itself, unless it says otherwise. */
function status(
  headers: Record<string, string | undefined>,
  {
    method = 'GET',
    path = '/api/v1/about',
    more = {},
  }: { method?: string; path?: string; more?: Partial<SafetyOptions> } = {},
): number | undefined {
  const safety = new Safety({ ...options, ...more });
  const all: Record<string, string | undefined> = {
    host: '127.0.0.1:8234',
    cookie: cookie(safety),
    origin: method === 'GET' ? undefined : 'http://127.0.0.1:8234',
    'content-type': method === 'GET' ? undefined : 'application/json',
    ...headers,
  };
  return safety.refusal({ method, path, header: (name) => all[name] })?.status;
}

describe('who may talk to the board', () => {
  test('the page itself may', () => {
    expect(status({})).toBeUndefined();
    expect(status({ host: 'localhost:8234' })).toBeUndefined();
    expect(status({}, { method: 'POST', path: '/api/v1/beads/x/pause' })).toBeUndefined();
    expect(status({ 'sec-fetch-site': 'same-origin' })).toBeUndefined();
  });

  test('a script with the token may, without cookie or origin', () => {
    const bearer = { cookie: undefined, authorization: 'Bearer a-token-of-this-start' };
    expect(status(bearer)).toBeUndefined();
    expect(status({ ...bearer, origin: undefined }, { method: 'POST' })).toBeUndefined();
  });

  test('nobody without the token, or with that of another start', () => {
    expect(status({ cookie: undefined })).toBe(401);
    expect(status({ cookie: cookie(new Safety({ ...options, token: 'another' })) })).toBe(401);
    expect(status({ cookie: undefined, authorization: 'Bearer another' })).toBe(401);
    expect(status({ authorization: 'Bearer another' })).toBe(401);
  });

  test('no name that was pointed at this machine, for pages and files too', () => {
    for (const path of ['/', '/main.js', '/api/v1/about']) {
      expect(status({ host: 'evil.example:8234' }, { path })).toBe(421);
      expect(status({ host: '127.0.0.1:8235' }, { path })).toBe(421);
      expect(status({ host: '127.0.0.1' }, { path })).toBe(421);
      expect(status({ host: undefined }, { path })).toBe(421);
    }
  });

  test('no other site, even with the cookie', () => {
    expect(status({ origin: 'https://evil.example' })).toBe(403);
    expect(status({ origin: 'null' }, { method: 'POST' })).toBe(403);
    expect(status({ origin: 'http://127.0.0.1:9999' }, { method: 'POST' })).toBe(403);
    expect(status({ origin: undefined }, { method: 'POST' })).toBe(403);
    expect(status({ 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(status({ 'sec-fetch-site': 'same-site' })).toBe(403);
  });

  test('no form of another kind than JSON', () => {
    expect(status({ 'content-type': 'text/plain' }, { method: 'POST' })).toBe(400);
    expect(status({ 'content-type': undefined }, { method: 'POST' })).toBe(400);
  });

  test('a read-only board changes nothing, and still lets people in', () => {
    const more = { readOnly: true };
    expect(status({}, { more })).toBeUndefined();
    expect(status({}, { method: 'POST', path: '/api/v1/beads/x/pause', more })).toBe(403);
    expect(status({}, { method: 'DELETE', path: '/api/v1/beads/x', more })).toBe(403);
    expect(status({ cookie: undefined }, { method: 'POST', path: '/api/v1/session', more })).toBeUndefined();
    expect(status({}, { method: 'POST', path: '/api/v1/looking', more })).toBeUndefined();
  });

  test('what a trusted proxy hands on needs no token; what comes past it does', () => {
    const more = { trustProxy: true };
    const handed = { cookie: undefined, 'x-forwarded-host': 'board.example.org' };
    expect(status(handed, { more })).toBeUndefined();
    expect(status({ ...handed, origin: 'https://board.example.org' }, { method: 'POST', more })).toBeUndefined();
    expect(status({ ...handed, origin: 'https://evil.example' }, { method: 'POST', more })).toBe(403);
    expect(status({ cookie: undefined }, { more })).toBe(401);
    // A page of a name that was pointed at this machine may set that header, but not Host.
    expect(status({ ...handed, host: 'evil.example:8234' }, { more })).toBe(421);
    expect(status(handed)).toBe(401);
  });

  test('the cookie is out of reach of scripts and of other sites', () => {
    const safety = new Safety(options);
    expect(safety.cookie(false)).toContain('HttpOnly; SameSite=Strict');
    expect(safety.cookie(true)).toContain('; Secure');
    expect(safety.session).not.toContain(options.token);
  });
});
