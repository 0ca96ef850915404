import { randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { folder, recorded } from '../replay/histories.js';
import { Cli } from './support/cli.js';
import { Repository } from './support/repository.js';

let cli: Cli;
beforeAll(() => {
  // No server: a replay needs none.
  cli = new Cli();
});
afterAll(() => cli.end());

type Event = Record<string, never> & { eventId: string; eventType: string };
interface Exported {
  events: Event[];
}

const recording = (scenario: string): string =>
  join(folder, recorded().find((name) => name.includes(`/${scenario}.`)) ?? '');
const at = (name: string): string => join(cli.home, name);

/** A recorded history that somebody has changed. @returns its path. */
function tampered(name: string, change: (history: Exported) => void): string {
  const history = JSON.parse(readFileSync(recording('cold-start'), 'utf8')) as Exported;
  change(history);
  writeFileSync(at(name), JSON.stringify(history));
  return at(name);
}
const attributes = (event: Event | undefined, key: string): Record<string, Record<string, unknown>> =>
  (event as unknown as Record<string, Record<string, Record<string, unknown>>>)[key] ?? {};
const scheduled = (event: Event): boolean => event.eventType === 'EVENT_TYPE_ACTIVITY_TASK_SCHEDULED';

describe('histories of this version', () => {
  test('a bead, a rig, a convoy and a run that continued another one replay, without a server', async () => {
    const files = [
      recording('cold-start'),
      ...['rig', 'convoy'].map((kind) =>
        join(folder, recorded().find((name) => name.includes(`/diamond-with-a-conflict.${kind}-`)) ?? ''),
      ),
      join(folder, recorded().find((name) => name.endsWith('bead-town-10-bead-1.2.json')) ?? ''),
    ];
    const { code, stdout, stderr } = await cli.run(['replay', ...files]);
    expect(stderr).toBe('');
    expect(stdout.trimEnd().split('\n')).toEqual(
      files.map((file, index) =>
        expect.stringMatching(
          new RegExp(`^${file}: replays \\(${['bead', 'rig', 'convoy', 'bead'][index]}, \\d+ events\\)$`),
        ),
      ),
    );
    expect(code).toBe(0);
  });

  test('for programs: what was replayed, as JSON', async () => {
    expect(await cli.json(['replay', recording('cancelled')])).toEqual({
      replays: true,
      files: [
        {
          file: recording('cancelled'),
          workflowType: 'bead',
          runId: expect.any(String),
          events: expect.any(Number),
          replays: true,
        },
      ],
    });
  });

  test('from stdin, and as a bare list of events, which old Web UIs wrote', async () => {
    const { events } = JSON.parse(readFileSync(recording('cold-start'), 'utf8')) as Exported;
    expect(await cli.run(['replay', '-'], { stdin: JSON.stringify(events) })).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^stdin: replays/),
    });
  });

  test('as `temporal workflow show` writes it', async () => {
    const { address, namespace } = inject('devServer');
    const repository = new Repository();
    try {
      // A town that nobody works for: the history of a bead that waits.
      const queue = `replay-${randomBytes(4).toString('hex')}`;
      const sling = await cli.run(['sling', 'Waits', '--id', queue, '--repo', repository.path, '--agent', 'demo'], {
        env: { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, HEARTBEAD_TASK_QUEUE: queue },
      });
      expect(sling.code, sling.stderr).toBe(0);
      const { stdout } = await execa(inject('devServerProgram'), [
        'workflow',
        'show',
        '--address',
        address,
        '--namespace',
        namespace,
        '--workflow-id',
        `bead-${queue}`,
        '--output',
        'json',
      ]);
      writeFileSync(at('shown.json'), stdout);
      expect(await cli.json(['replay', at('shown.json')])).toMatchObject({
        replays: true,
        files: [{ workflowType: 'bead', workflowId: `bead-${queue}` }],
      });
    } finally {
      repository.remove();
    }
  });
});

describe('histories of another life do not replay, and it is said where', () => {
  test.each<[string, (history: Exported) => void, { id: number; type: string }, RegExp]>([
    [
      'another activity than the code asks for (the SDK does not say where)',
      ({ events }) =>
        (attributes(events.findLast(scheduled), 'activityTaskScheduledEventAttributes')['activityType']!['name'] =
          'other'),
      { id: 90, type: 'ActivityTaskScheduled' },
      /'other'.*'verifyWork'/,
    ],
    [
      'a command that nobody recorded',
      (history) => {
        history.events.splice(
          history.events.findIndex(({ eventType }) => eventType.includes('UPSERT')),
          1,
        );
        history.events.forEach((event, index) => (event.eventId = String(index + 1)));
      },
      { id: 5, type: 'ActivityTaskScheduled' },
      /does not handle event 5/,
    ],
  ])('%s', async (name, change, event, problem) => {
    const file = tampered(`${name.slice(0, 10).trim()}.json`, change);
    const text = await cli.run(['replay', recording('cancelled'), file]);
    expect(text.code).toBe(1);
    const [fine, wrong, next, ...more] = text.stdout.trimEnd().split('\n');
    expect(fine).toMatch(/: replays/);
    expect(wrong).toMatch(new RegExp(`does not replay: .* at event ${event.id} \\(${event.type}\\): `));
    expect(wrong).toMatch(problem);
    expect(next).toMatch(/^ {2}next: keep a worker of the version that wrote this history/);
    expect(more).toEqual([]);
    const json = await cli.run(['replay', '--json', recording('cancelled'), file]);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      replays: false,
      files: [
        { replays: true },
        { file, replays: false, problem: expect.stringMatching(problem), event, next: expect.any(String) },
      ],
    });
  });
});

describe.concurrent('what is no history is refused before anything is replayed (exit code 2)', () => {
  const nothing = /no history that can be replayed: /;
  test.each<[string, () => string, RegExp]>([
    ['a file that is not there', () => at('nowhere.json'), /a history cannot be read from .*nowhere\.json \(ENOENT\)/],
    ['a folder', () => cli.home, /EISDIR/],
    [
      'rubbish',
      () => (writeFileSync(at('rubbish.json'), 'rubbish\n'), at('rubbish.json')),
      /rubbish\.json is no history that can be replayed: it is not JSON/,
    ],
    ['an empty file', () => (writeFileSync(at('empty.json'), ''), at('empty.json')), nothing],
    [
      'JSON of something else',
      () => (copyFileSync(new URL('../../package.json', import.meta.url), at('package.json')), at('package.json')),
      /has no list of events/,
    ],
    ['no events', () => tampered('none.json', (history) => (history.events = [])), /has no events/],
    [
      'an event that is none',
      () => tampered('null.json', ({ events }) => (events[5] = null as never)),
      /entry 6 of its events is no event/,
    ],
    [
      'events that are missing',
      () => tampered('hole.json', ({ events }) => events.splice(10, 3)),
      /event 10 is followed by event 14/,
    ],
    [
      'a history without its beginning',
      () => tampered('tail.json', ({ events }) => events.shift()),
      /begins with event 2/,
    ],
    [
      'a workflow of another program',
      () =>
        tampered(
          'foreign.json',
          ({ events }) =>
            (attributes(events[0], 'workflowExecutionStartedEventAttributes')['workflowType']!['name'] = 'payroll'),
        ),
      /of type "payroll"; this version has bead, convoy, rig/,
    ],
    [
      'payloads that were decoded for reading',
      () =>
        tampered(
          'decoded.json',
          ({ events }) =>
            (attributes(events[0], 'workflowExecutionStartedEventAttributes')['input']!['payloads'] = [{ bead: 'a' }]),
        ),
      /payloads of event 1 are decoded/,
    ],
  ])('%s', async (_, make, message) => {
    const { code, stdout, stderr } = await cli.run(['replay', recording('cancelled'), make()]);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(2);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });
});
