import { Worker } from '@temporalio/worker';
import { describe, expect, inject, it } from 'vitest';
import { checksum, checksums, read, recorded } from './histories.js';
import { scenarios } from './scenarios.js';

const workflowBundle = { codePath: inject('workflowBundle') };
interface Exported {
  events: Record<string, { activityType?: { name: string }; attempt?: number }>[];
}

describe('recorded histories', () => {
  it('replay with the workflows of this build', async () => {
    const files = recorded();
    const histories = (function* () {
      for (const name of files) yield { workflowId: name.split('.').at(-3) ?? name, history: read(name) };
    })();
    const problems: string[] = [];
    let replayed = 0;
    for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle }, histories)) {
      replayed += 1;
      if (error) problems.push(`${workflowId}: ${error.message}`);
    }
    expect(problems).toEqual([]);
    expect(replayed).toBe(files.length);
  });

  it('of another life do not replay: the check can fail', async () => {
    const name = recorded().find((file) => file.includes('/cold-start.')) ?? '';
    const history = structuredClone(read(name)) as Exported;
    const scheduled = history.events.find((event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'startAgent');
    if (scheduled?.activityTaskScheduledEventAttributes) scheduled.activityTaskScheduledEventAttributes.activityType = { name: 'somethingElse' };
    await expect(Worker.runReplayHistory({ workflowBundle }, history, 'bead-of-another-life')).rejects.toThrow(/[Nn]ondeterminism|TMPRL1100/);
  });

  it('are there for every scenario, and none has been edited since it was recorded', () => {
    const files = recorded();
    for (const { name } of scenarios) expect(files.some((file) => file.includes(`/${name}.`)), `npm run record-histories: nothing is recorded of ${name}`).toBe(true);
    expect(Object.fromEntries(files.map((file) => [file, checksum(file)]))).toEqual(Object.fromEntries(checksums()));
  });
});
