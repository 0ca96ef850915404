import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deliver } from '../../../src/notify/deliver.js';
import { notificationOf } from '../../../src/notify/event.js';
import type { Notification } from '../../../src/notify/event.js';
import { eventOf } from '../../../src/notify/find-events.js';
import type { NotifyTown } from '../../../src/notify/find-events.js';
import { Outbox } from '../../../src/notify/outbox.js';
import { readHooks, settingsPath } from '../../../src/notify/settings.js';
import type { Hook } from '../../../src/notify/settings.js';
import { Notifier } from '../../../src/notify/watcher.js';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'heartbead-notify-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const minute = 60_000;
const told = (id: string, at: number, more: Partial<Notification> = {}): Notification => ({
  id,
  event: 'closed',
  kind: 'bead',
  about: 'a',
  title: 'A',
  text: 'bead a is closed: done',
  at,
  namespace: 'default',
  taskQueue: 'heartbead',
  ...more,
});

describe('the settings', () => {
  const read = (value: unknown): Promise<Hook[] | undefined> => {
    writeFileSync(join(home, 'notifications.json'), typeof value === 'string' ? value : JSON.stringify(value));
    return readHooks(settingsPath(home, {}));
  };

  test('a webhook and a command, each with what it wants to hear; the defaults are what was promised', async () => {
    expect(
      await read({
        hooks: [
          { name: 'chat', url: 'https://example.org/hook', secretEnv: 'HOOK_SECRET' },
          { name: 'bell', command: 'true', on: ['landed'] },
        ],
      }),
    ).toMatchObject([{ on: ['blocked', 'budget', 'closed', 'landed'] }, { on: ['landed'], env: [] }]);
  });

  test('no file, no hooks; HEARTBEAD_NOTIFICATIONS names another', async () => {
    expect(await readHooks(settingsPath(home, {}))).toBeUndefined();
    expect(settingsPath(home, { HEARTBEAD_NOTIFICATIONS: '/etc/hooks.json' })).toBe('/etc/hooks.json');
  });

  test.each([
    ['{', /it is not JSON/],
    [
      { hooks: [{ name: 'x', command: 'true', on: ['explosions'] }] },
      /hooks\.0\.on\.0: there is no event "explosions"/,
    ],
    [{ hooks: [{ name: 'x', url: 'ftp://example.org' }] }, /hooks\.0\.url/],
    [{ hooks: [{ name: 'x', url: 'https://example.org', secret: 'hunter2' }] }, /hooks\.0: .*secret/],
    [
      {
        hooks: [
          { name: 'x', command: 'true' },
          { name: 'x', command: 'false' },
        ],
      },
      /two hooks are named x/,
    ],
  ])('%j is refused with its place', async (value, problem) => {
    await expect(read(value)).rejects.toThrow(problem);
  });
});

describe('delivery', () => {
  let server: Server;
  let url: string;
  let status = 204;
  let requests: { headers: IncomingHttpHeaders; body: string }[] = [];
  beforeEach(async () => {
    status = 204;
    requests = [];
    server = createServer((request, response) => {
      let body = '';
      request
        .setEncoding('utf8')
        .on('data', (chunk: string) => (body += chunk))
        .on('end', () => {
          requests.push({ headers: request.headers, body });
          response.writeHead(status, status === 302 ? { location: 'http://127.0.0.1:1/' } : {}).end();
        });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  test('a webhook gets the event, signed over timestamp and body with the secret of its file', async () => {
    writeFileSync(join(home, 'secret'), 'hunter2\n');
    await deliver({ name: 'chat', on: ['closed'], url, secretFile: 'secret' }, told('1', 5), { home, env: {} });
    const { headers, body } = requests[0]!;
    expect(JSON.parse(body)).toEqual(told('1', 5));
    expect(headers['heartbead-signature']).toBe(
      `v1=${createHmac('sha256', 'hunter2')
        .update(`${String(headers['heartbead-timestamp'])}.${body}`)
        .digest('hex')}`,
    );
    expect(headers).toMatchObject({
      'heartbead-event': 'closed',
      'heartbead-id': '1',
      'content-type': 'application/json',
    });
    expect(JSON.stringify(requests)).not.toContain('hunter2');
  });

  test('an error status, a redirect, a dead address and a missing secret are failures with their reason', async () => {
    const hook = { name: 'chat', on: ['closed' as const], url };
    status = 500;
    await expect(deliver(hook, told('1', 5), { home, env: {} })).rejects.toThrow('answered with status 500');
    status = 302;
    await expect(deliver(hook, told('1', 5), { home, env: {} })).rejects.toThrow(/no answer/);
    await expect(deliver({ ...hook, url: 'http://127.0.0.1:1/' }, told('1', 5), { home, env: {} })).rejects.toThrow(
      /no answer/,
    );
    await expect(deliver({ ...hook, secretEnv: 'NOT_SET' }, told('1', 5), { home, env: {} })).rejects.toThrow(
      'the variable NOT_SET is not set',
    );
    expect(requests).toHaveLength(2);
  });

  test('a command gets the event on stdin and in variables, and nothing of the credentials of the worker', async () => {
    const out = join(home, 'out');
    await deliver(
      { name: 'bell', on: ['closed'], command: `cat > '${out}'; env >> '${out}'`, env: ['WANTED'] },
      told('1', 5),
      { home, env: { PATH: process.env['PATH'], TEMPORAL_API_KEY: 'hunter2', WANTED: 'yes' } },
    );
    const text = readFileSync(out, 'utf8');
    expect(text).toContain(JSON.stringify(told('1', 5)));
    expect(text).toContain('HEARTBEAD_EVENT=closed');
    expect(text).toContain('WANTED=yes');
    expect(text).not.toContain('hunter2');
    await expect(
      deliver({ name: 'bell', on: ['closed'], command: 'echo no bell >&2; exit 3', env: [] }, told('1', 5), {
        home,
        env: process.env,
      }),
    ).rejects.toThrow('ended with status 3: no bell');
    // What it leaves running holds no news up.
    const bell = { name: 'bell', on: ['closed' as const], command: `sleep 300 & echo $! > '${out}'`, env: [] };
    await deliver(bell, told('1', 5), { home, env: process.env });
    process.kill(Number(readFileSync(out, 'utf8')), 'SIGKILL');
  });
});

describe('a round', () => {
  /** A town in which nothing is new. */
  const town = {
    namespace: 'default',
    taskQueue: 'heartbead',
    client: {
      withDeadline: (_: Date, ask: () => Promise<unknown>) => ask(),
      workflow: { list: async function* () {} },
    },
  } as unknown as NotifyTown;

  test('a hook that hangs or fails holds no other up, and is tried once in a round', async () => {
    const box = await Outbox.open(home, Date.now() - minute);
    const now = Date.now();
    const letters = ['1', '2', '3'].map((id) => told(id, now));
    await box.take(letters, () => ['dead', 'slow', 'fine'], now);
    const file = (name: string): string => join(home, name);
    const hook = (name: string, command: string): object => ({ name, on: ['closed'], command });
    writeFileSync(
      settingsPath(home, {}),
      JSON.stringify({
        hooks: [
          hook('dead', `echo x >> '${file('dead')}'; exit 1`),
          // It goes on once the last hook has heard all.
          hook('slow', `until [ "$(wc -l < '${file('fine')}')" = 3 ]; do sleep 0.1; done; echo x >> '${file('slow')}'`),
          hook('fine', `echo x >> '${file('fine')}'`),
        ],
      }),
    );
    writeFileSync(file('fine'), '');
    await new Notifier({ town, home, logger: pino({ level: 'silent' }), env: process.env }).round();
    const tries = (name: string): string => readFileSync(file(name), 'utf8');
    expect({ dead: tries('dead'), slow: tries('slow'), fine: tries('fine') }).toEqual({
      dead: 'x\n',
      slow: 'x\nx\nx\n',
      fine: 'x\nx\nx\n',
    });
    // What became of each is on disk, though they were told at once.
    const after = await Outbox.open(home, now);
    expect(after.letters.map((letter) => [letter.hook, letter.notification.id, letter.tries])).toEqual([
      ['dead', '1', 1],
      ['dead', '2', 0],
      ['dead', '3', 0],
    ]);
  });
});

describe('the outbox', () => {
  const everyone = () => ['chat'];
  const start = 1_000_000_000_000;

  test('an event is told once, also to a worker that was started again', async () => {
    const box = await Outbox.open(home, start);
    expect(await box.take([told('1', start + 1)], everyone, start + minute)).toBe(1);
    expect(await box.take([told('1', start + 1)], everyone, start + 2 * minute)).toBe(0);
    await box.delivered(box.due(start + 3 * minute)[0]!);
    const again = await Outbox.open(home, start + 4 * minute);
    expect(await again.take([told('1', start + 1)], everyone, start + 4 * minute)).toBe(0);
    expect(again.letters).toEqual([]);
    expect(statSync(join(home, 'notifications-sent.json')).mode & 0o777).toBe(0o600);
  });

  test('a crash between the sending and its record tells it again, and loses nothing', async () => {
    const box = await Outbox.open(home, start);
    await box.take([told('1', start + 1), told('2', start + 2)], everyone, start + minute);
    await box.delivered(box.due(start + minute)[0]!);
    expect(
      (await Outbox.open(home, start + minute)).due(start + minute).map(({ notification }) => notification.id),
    ).toEqual(['2']);
  });

  test('what had ended before notifications were first set up is not told; who needs a person is', async () => {
    const box = await Outbox.open(home, start);
    expect(
      await box.take(
        [told('old', start - minute), told('needs', start - minute, { event: 'blocked', fix: 'heartbead retry a' })],
        everyone,
        start,
      ),
    ).toBe(1);
    expect(box.letters.map(({ notification }) => notification.id)).toEqual(['needs']);
  });

  test('a worker that was away asks for what ended meanwhile, a little before it left', async () => {
    const box = await Outbox.open(home, start);
    await box.take([], everyone, start + minute);
    const later = await Outbox.open(home, start + 3 * 24 * 60 * minute);
    expect(later.since).toBe(start + minute - 10 * minute);
    expect(await later.take([told('meanwhile', start + 60 * minute)], everyone, start + 3 * 24 * 60 * minute)).toBe(1);
  });

  test('a failed letter is tried again, more and more rarely, and given up after a day', async () => {
    const box = await Outbox.open(home, start);
    await box.take([told('1', start + 1)], everyone, start);
    let now = start;
    const pauses: number[] = [];
    for (let letter = box.letters[0]; letter !== undefined; letter = box.letters[0]) {
      const next = await box.failed(letter, now);
      if (next === undefined) break;
      pauses.push((next - now) / 1_000);
      now = next;
    }
    expect(pauses.slice(0, 8)).toEqual([5, 10, 20, 40, 80, 160, 320, 600]);
    expect(now - start).toBeLessThanOrEqual(24 * 60 * minute);
    expect(now - start).toBeGreaterThan(23 * 60 * minute);
    expect(box.letters).toEqual([]);
  });
});

test('which end is which event, and which problem', () => {
  expect([
    eventOf('bead', 'COMPLETED', 'closed'),
    eventOf('bead', 'CANCELLED', 'in_progress'),
    eventOf('convoy', 'COMPLETED', 'landed'),
    eventOf('convoy', 'COMPLETED', 'failed'),
    eventOf('bead', 'FAILED', undefined),
    eventOf('rig', 'COMPLETED', 'removed'),
  ]).toEqual(['closed', 'cancelled', 'landed', 'failed', 'failed', undefined]);
  const problem = {
    severity: 'stuck' as const,
    about: 'a',
    what: 'bead a is blocked',
    why: 'no branch',
    fix: 'heartbead retry a',
    since: 7,
  };
  const town = { namespace: 'default', taskQueue: 'heartbead' };
  expect(notificationOf({ ...problem, kind: 'bead-blocked' }, town, 9)).toMatchObject({
    id: 'blocked:bead-a:7',
    event: 'blocked',
    at: 7,
    fix: 'heartbead retry a',
  });
  expect(notificationOf({ ...problem, kind: 'budget' }, town, 9)?.event).toBe('budget');
  expect(notificationOf({ ...problem, kind: 'paused' }, town, 9)).toBeUndefined();
});
