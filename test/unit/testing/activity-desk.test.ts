import type { Client } from '@temporalio/client';
import { expect, it } from 'vitest';
import { ActivityDesk } from '../../../src/testing/activity-desk.js';
import type { OpenActivity } from '../../../src/testing/run-history.js';
import type { VirtualClock } from '../../../src/testing/virtual-clock.js';

const waitsFor = 120_000;
/** Of gRPC. */
const deadlineExceeded = 4;

/** One that waits in the queue of a host. */
const waiting = (n: number, scheduledAt: number): OpenActivity => ({
  key: `run-${n}/5`,
  workflowId: `bead-${n}`,
  runId: `run-${n}`,
  activityId: '1',
  type: 'startAgent',
  queue: 'host',
  timeouts: { scheduleToStart: waitsFor, startToClose: 0, heartbeat: 90_000 },
  retry: { maximumAttempts: 1, initial: 1_000, coefficient: 2, maximum: Infinity, nonRetryable: [] },
  scheduledAt,
  attempt: 1,
  cancelRequested: false,
});

const none = (): Promise<undefined> => Promise.resolve(undefined);

/** A desk whose server answers each poll for a task as it is told. */
function deskOf(answers: (() => Promise<unknown>)[]) {
  const polled = { times: 0, now: 0, touched: [] as string[], served: [] as string[] };
  const client = {
    options: { namespace: 'default', loadedDataConverter: { payloadCodecs: [] } },
    withDeadline: (_: number, run: () => Promise<unknown>) => run(),
    workflowService: {
      pollActivityTaskQueue: () => {
        polled.times += 1;
        return answers.shift()?.() ?? Promise.reject(new Error('nobody asks so often'));
      },
    },
  };
  const desk = new ActivityDesk(client as unknown as Client);
  desk.clock = { now: () => polled.now } as VirtualClock;
  desk.onTouch = (workflowId) => void polled.touched.push(workflowId);
  desk.serve('host', () => (task) => {
    polled.served.push((task as unknown as { activity: OpenActivity }).activity.workflowId);
    // What a host does with a task takes time.
    polled.now += 2_000;
    return Promise.resolve();
  });
  return { desk, polled };
}
const task = (n: number) => (): Promise<unknown> =>
  Promise.resolve({
    workflowExecution: { workflowId: `bead-${n}`, runId: `run-${n}` },
    activityId: '1',
    taskToken: new Uint8Array([n]),
  });

it('a task whose time in its queue is over by the time that its turn comes is not asked for: the server has none', async () => {
  const { desk, polled } = deskOf([task(1)]);
  polled.now = waitsFor - 1_000;
  expect(await desk.takeUp([waiting(1, 0), waiting(2, 0), waiting(3, 1_050)], none)).toBe(1);
  expect([polled.times, polled.served]).toEqual([1, ['bead-1']]);
});

it('a task that the server has dropped before the poll gets there is none, and what became of it is read anew', async () => {
  const late = (): Promise<unknown> =>
    Promise.reject(
      Object.assign(new Error('Deadline exceeded'), { code: deadlineExceeded, details: '', metadata: {} }),
    );
  const { desk, polled } = deskOf([task(1), late]);
  expect(await desk.takeUp([waiting(1, 0), waiting(2, 0)], none)).toBe(2);
  expect(polled).toMatchObject({ times: 2, served: ['bead-1'], touched: ['bead-1', 'bead-2'] });

  const nothing = deskOf([() => Promise.resolve({ taskToken: new Uint8Array() })]);
  expect(await nothing.desk.takeUp([waiting(1, 0)], none)).toBe(1);
  expect(nothing.polled).toMatchObject({ served: [], touched: ['bead-1'] });

  const broken = deskOf([() => Promise.reject(new Error('the server is gone'))]);
  await expect(broken.desk.takeUp([waiting(1, 0)], none)).rejects.toThrow('the server is gone');
});

it('a task that was put into the queue while others of it were taken up is not lost: its workflow is looked at again', async () => {
  const { desk, polled } = deskOf([task(1), task(3), task(2)]);
  const late = waiting(3, 1_000);
  const asked: string[] = [];
  const lookAgain = (workflowId: string, isIt: (one: OpenActivity) => boolean) => {
    asked.push(workflowId);
    return Promise.resolve([late].find(isIt));
  };
  const [first, second] = [waiting(1, 0), waiting(2, 0)];
  expect(await desk.takeUp([first, second], lookAgain)).toBe(2);
  expect(await desk.takeUp([first, second, late], none)).toBe(1);
  expect(polled).toMatchObject({ times: 3, served: ['bead-1', 'bead-3', 'bead-2'] });
  expect([asked, late.startedAt]).toEqual([['bead-3'], 2_000]);
});
