import { ActivityCancelledError, WorkflowNotFoundError } from '@temporalio/client';
import type { BeatDetails, HeartbeatSignal } from '../contract/index.js';
import { messages } from '../contract/index.js';
import type { LineClient, RunnerLine } from '../runner/lease/connection.js';
import type { FakeHost } from './fake-host.js';
import type { FakeProcess } from './fake-process.js';

/** A runner or a worker does not reach Temporal. One error for all: where it was made says nothing. */
class OutOfReach extends Error {}
export const outOfReach = new OutOfReach('Temporal cannot be reached from this host');

/** Nobody hears the answer: the process that has asked is dead. */
const forNobody = <T>(): Promise<T> => new Promise<never>(() => undefined);

/**
 * A runner's way to the server from a fake host: what the SDK's client would be asked is asked of the town, unless the
 * host is cut off from it.
 */
export function fakeLine(host: FakeHost, bead: string, process: FakeProcess): RunnerLine {
  const call = <T>(run: () => Promise<T>): Promise<T> => {
    if (!process.alive) return forNobody();
    if (!host.runnersConnected) return Promise.reject(outOfReach);
    const heard = <R>(answer: () => R): R | Promise<R> => (process.alive ? answer() : forNobody());
    return host.track(run()).then(
      (answer) => heard(() => answer),
      (error: unknown) =>
        heard(() => {
          throw error;
        }),
    );
  };
  const report = (token: Uint8Array, result: unknown, how: 'complete' | 'reportCancellation'): Promise<void> => {
    const task = host.taskOf(token);
    if (!host.runnersConnected) return call(() => Promise.resolve());
    if (host.losesReport()) {
      process.kill();
      return forNobody();
    }
    return call(async () => {
      await task[how](result);
      if (host.repeatsReport())
        host.note(
          bead,
          'reported-again',
          await task[how](result).then(
            () => 'accepted',
            () => 'refused',
          ),
        );
    });
  };
  const client: LineClient = {
    activity: {
      heartbeat: (token, details) =>
        call(async () => {
          const { text } = details as BeatDetails;
          try {
            await host.taskOf(token).beat(details);
          } catch (error) {
            if (error instanceof ActivityCancelledError) host.note(bead, 'beat', text);
            throw error;
          }
          host.note(bead, 'beat', text);
        }),
      complete: (token, result) => report(token, result, 'complete'),
      reportCancellation: (token, result) => report(token, result, 'reportCancellation'),
    },
    workflow: {
      getHandle: () => ({
        signal: (name, payload) =>
          call(async () => {
            await host.signal(bead, name, payload);
            if (name === messages.heartbeat) host.note(bead, 'signal', (payload as HeartbeatSignal).kind ?? 'output');
          }),
        query: <T>() => call(async () => (await host.ask(bead)) as T),
      }),
    },
    withDeadline: (_deadline, run) => run(),
  };
  return { record: { address: 'town', namespace: 'town' }, client, close: () => Promise.resolve() };
}

/** @returns whether a runner may meet with that: everything else is a fault of the kit or of the server. */
export const isExpected = (error: unknown): boolean => error === outOfReach || error instanceof WorkflowNotFoundError;
