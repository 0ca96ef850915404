import { defaultPayloadConverter } from '@temporalio/common';
import { describe, expect, test } from 'vitest';
import { storyEvents } from '../../../src/client/history.js';
import { storyOf } from '../../../src/domain/telling/story.js';
import type { StoryEvent } from '../../../src/domain/telling/story.js';

const second = 1_000;
const texts = (events: StoryEvent[]): string[] => storyOf(events).map(({ text }) => text);
const beat = (at: number, kind: string, activity?: string): StoryEvent => ({
  at,
  kind: 'signal',
  name: 'heartbeat',
  payload: { attempt: '1-a', host: 'alpha', kind, activity },
});

describe('the story of a bead', () => {
  test('a bead that goes well, from the sling to the merge', () => {
    expect(
      texts([
        { at: 0, kind: 'began', input: { title: 'Fix it', repo: '/r.git', rig: 'app' } },
        { at: 0, kind: 'told', name: 'askSlot', whom: 'rig-app' },
        { at: 1, kind: 'signal', name: 'granted', payload: { bead: 'x' } },
        { at: 2, kind: 'asked', activity: 'startAgent', input: { attempt: '1-a', number: 1, mode: 'start' } },
        { at: 3, kind: 'signal', name: 'accepted', payload: { attempt: '1-a', host: 'alpha' } },
        beat(4, 'start'),
        beat(5 * second, 'output', 'reads'),
        beat(65 * second, 'tool', 'edits'),
        beat(125 * second, 'output', 'tests'),
        {
          at: 126 * second,
          kind: 'answered',
          activity: 'startAgent',
          input: { attempt: '1-a' },
          result: { outcome: 'done', reason: 'it reported done', host: 'alpha' },
        },
        {
          at: 127 * second,
          kind: 'answered',
          activity: 'verifyWork',
          input: {},
          result: { verdict: 'verified', branch: 'b', sha: '0123456789abcdef', ahead: 2 },
        },
        {
          at: 128 * second,
          kind: 'signal',
          name: 'mergeEnded',
          payload: { result: { outcome: 'merged', target: 'main', sha: 'fedcba9876543210' } },
        },
        { at: 129 * second, kind: 'ended', how: 'completed', result: { status: 'closed', reason: 'merged into main' } },
      ]),
    ).toEqual([
      'slung: "Fix it" on /r.git, rig app',
      'it asked rig app for an agent',
      'its rig granted an agent',
      'attempt 1 (1-a) was put into the queue of the hosts',
      'host alpha took attempt 1-a and prepares its workspace',
      'the agent of attempt 1-a was started on host alpha',
      'the agent of attempt 1-a got on 3 times in 2 min, at last: tests',
      'attempt 1-a on host alpha ended done: it reported done',
      'the work was found: b at 0123456789ab, 2 ahead',
      'the refinery merged it into main as fedcba987654',
      'closed: merged into main',
    ]);
  });

  test('silence, adoption, a new run, a stall, an operator, a cancel', () => {
    expect(
      texts([
        {
          at: 0,
          kind: 'failed',
          activity: 'startAgent',
          input: { attempt: '1-a', mode: 'start' },
          how: 'timed out',
          reason: 'activity Heartbeat timeout',
        },
        { at: 1, kind: 'shown', status: 'in_progress', agent: 'suspect' },
        { at: 2, kind: 'asked', activity: 'startAgent', input: { attempt: '1-a', mode: 'adopt' } },
        beat(3, 'adopted'),
        { at: 4, kind: 'renewed' },
        { at: 5, kind: 'shown', status: 'in_progress', agent: 'stalled', attention: 'stalled' },
        { at: 6, kind: 'update', name: 'nudge', payload: { text: 'look at the tests' }, by: 'ann@desk' },
        { at: 7, kind: 'cancel', by: '12@heartbead' },
        { at: 7, kind: 'update', name: 'requestChanges', payload: { feedback: 'red', by: 'Ann' }, by: '12@desk' },
        { at: 7, kind: 'update', name: 'requestChanges', payload: { feedback: 'blue' }, by: '12@desk' },
        { at: 8, kind: 'ended', how: 'cancelled', result: undefined },
      ]),
    ).toEqual([
      'attempt 1-a fell silent (activity Heartbeat timeout): nobody gives it up yet',
      'its agent is out of sight',
      'the host of attempt 1-a was asked to adopt it',
      'attempt 1-a was adopted on host alpha: its agent had gone on working',
      'its history was long: it went on in a new run, with all it knew',
      'its agent shows no progress and counts as stalled',
      'an operator nudged the agent (by ann@desk): look at the tests',
      'its cancellation was asked for (by 12@heartbead)',
      'a reviewer asked for changes (by Ann): red',
      'a reviewer asked for changes (by 12@desk): blue',
      'cancelled: no process of its agent is left',
    ]);
  });

  test('payloads that nobody can read end no story', () => {
    expect(
      texts([
        { at: 0, kind: 'began', input: 7 },
        { at: 1, kind: 'signal', name: 'heartbeat', payload: null },
        { at: 2, kind: 'signal', name: 'mergeEnded', payload: 'x' },
        { at: 3, kind: 'signal', name: 'surprise', payload: [] },
      ]),
    ).toEqual([
      'slung: "without a title" on no repository',
      'the agent of attempt ? got on',
      'the refinery could not merge it: no reason',
      'somebody sent the signal surprise',
    ]);
  });

  test('one failure of a worker over and over is told once', () => {
    expect(
      texts([1, 2, 3].map((at) => ({ at: at * second, kind: 'stumbled', reason: 'nondeterminism' }) as const)),
    ).toEqual(['a worker could not carry it on: nondeterminism 3 times in 2 s']);
  });
});

test('events of the server are read: activities by what they were asked, search attributes by their values', () => {
  const payloads = (value: unknown) => ({ payloads: [defaultPayloadConverter.toPayload(value)!] });
  const time = (seconds: number) => ({ eventTime: { seconds, nanos: 5e6 } }) as unknown as { eventTime: never };
  const events = [
    {
      ...time(1),
      eventId: 5,
      activityTaskScheduledEventAttributes: {
        activityType: { name: 'startAgent' },
        input: payloads({ attempt: '1-a' }),
      },
    },
    {
      ...time(2),
      eventId: 6,
      activityTaskTimedOutEventAttributes: { scheduledEventId: 5, failure: { message: 'silent' } },
    },
    {
      ...time(3),
      eventId: 7,
      upsertWorkflowSearchAttributesEventAttributes: {
        searchAttributes: { indexedFields: { BeadStatus: defaultPayloadConverter.toPayload(['blocked'])! } },
      },
    },
    { ...time(4), eventId: 8, workflowTaskFailedEventAttributes: { failure: {} } },
  ] as unknown as Parameters<typeof storyEvents>[0];
  expect(storyEvents(events)).toEqual([
    { at: 1_005, kind: 'asked', activity: 'startAgent', input: { attempt: '1-a' } },
    {
      at: 2_005,
      kind: 'failed',
      activity: 'startAgent',
      input: { attempt: '1-a' },
      how: 'timed out',
      reason: 'silent',
    },
    { at: 3_005, kind: 'shown', status: 'blocked' },
  ]);
});
