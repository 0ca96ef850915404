import { describe, expect, inject, it } from 'vitest';
import { parseHistory } from '../../src/cli/replay/read-history.js';
import { replayHistories } from '../../src/cli/replay/replay-history.js';
import { checksum, checksums, read, recorded } from './histories.js';
import { scenarios } from './scenarios.js';

const workflowBundle = { codePath: inject('workflowBundle') };
interface Scheduled {
  activityType: { name: string };
}

describe('recorded histories', () => {
  it('replay with the workflows of this build', async () => {
    const files = recorded();
    const histories = files.map((name) => ({
      workflowId: name.split('.').at(-3) ?? name,
      ...parseHistory(JSON.stringify(read(name))),
    }));
    const verdicts = await replayHistories(histories, { workflowBundle });
    const problems = verdicts.flatMap((verdict, index) =>
      verdict.replays ? [] : [`${files[index]}: event ${verdict.event?.id}: ${verdict.problem}`],
    );
    expect(problems).toEqual([]);
    expect(verdicts.length).toBeGreaterThan(20);
  });

  it('of another life do not replay: the check can fail', async () => {
    const name = recorded().find((file) => file.includes('/cold-start.')) ?? '';
    const history = parseHistory(JSON.stringify(read(name)));
    const scheduled = history.events.find(
      (event) =>
        (event['activityTaskScheduledEventAttributes'] as Scheduled | undefined)?.activityType.name === 'startAgent',
    );
    if (scheduled === undefined) throw new Error('no startAgent in it');
    (scheduled['activityTaskScheduledEventAttributes'] as Scheduled).activityType.name = 'somethingElse';
    expect(await replayHistories([history], { workflowBundle })).toEqual([
      {
        replays: false,
        problem: expect.stringContaining('somethingElse'),
        event: { id: Number(scheduled.eventId), type: 'ActivityTaskScheduled' },
      },
    ]);
  });

  it('are there for every scenario, and none has been edited since it was recorded', () => {
    const files = recorded();
    for (const { name } of scenarios)
      expect(
        files.some((file) => file.includes(`/${name}.`)),
        `npm run record-histories: nothing is recorded of ${name}`,
      ).toBe(true);
    expect(Object.fromEntries(files.map((file) => [file, checksum(file)]))).toEqual(Object.fromEntries(checksums()));
  });
});
