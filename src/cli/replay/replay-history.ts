import { Worker } from '@temporalio/worker';
import type { ReplayWorkerOptions } from '@temporalio/worker';
import { eventName } from './read-history.js';
import type { HistoryEvent, RecordedHistory } from './read-history.js';

/** The workflows, and the codec of the histories' payloads where they are encrypted. */
export type ReplayOptions = Pick<ReplayWorkerOptions, 'workflowBundle' | 'dataConverter'>;

/** Whether a history replays with the workflows of a bundle. */
export type ReplayVerdict =
  { replays: true } | { replays: false; problem: string; event?: { id: number; type: string } };

/**
 * Replays histories without a server. Where the workflow code does something else than what is recorded, the event at
 * which they part is looked for.
 * @returns a verdict for each, in their order.
 * @throws what the SDK throws when it cannot replay at all (no bundle, say).
 */
export async function replayHistories(
  histories: readonly RecordedHistory[],
  options: ReplayOptions,
): Promise<ReplayVerdict[]> {
  const errors = new Map<string, Error>();
  for await (const { runId, error } of Worker.runReplayHistories(
    options,
    histories.map((history) => replayable(history)),
  )) {
    if (error !== undefined) errors.set(runId, error);
  }
  const verdicts: ReplayVerdict[] = [];
  for (const history of histories) {
    const error = errors.get(history.runId);
    verdicts.push(error === undefined ? { replays: true } : await verdictOn(history, error, options));
  }
  return verdicts;
}

async function verdictOn(history: RecordedHistory, error: Error, options: ReplayOptions): Promise<ReplayVerdict> {
  const problem = reasonOf(error);
  const event = namedEvent(problem, history) ?? (await partingEvent(history, problem, options));
  return {
    replays: false,
    problem: readable(problem),
    event: event === undefined ? undefined : { id: Number(event.eventId), type: eventName(event) },
  };
}

// The SDK writes into what it is given.
const replayable = ({ events, workflowId = 'replayed' }: RecordedHistory, upTo = events.length) => ({
  workflowId,
  history: { events: structuredClone(events.slice(0, upTo)) },
});

async function replaysUpTo(history: RecordedHistory, upTo: number, options: ReplayOptions): Promise<boolean> {
  for await (const { error } of Worker.runReplayHistories(options, [replayable(history, upTo)]))
    return error === undefined;
  throw new Error('the replay came to no end');
}

/** Core wraps its sentence into a printed structure. */
function reasonOf({ message }: Error): string {
  const inner = /message: "((?:[^"\\]|\\.)*)"/.exec(message)?.[1];
  return (inner ?? message).replaceAll('\\"', '"').split('\\n')[0]?.trim() ?? message;
}

const readable = (problem: string): string =>
  problem
    .replace(/^\[TMPRL1100\] /, '')
    .replace(/^Nondeterminism error: /, '')
    .replace(/HistoryEvent\(id: (\d+), (\w+)\)/, 'event $1 ($2)');

function namedEvent(problem: string, { events }: RecordedHistory): HistoryEvent | undefined {
  const id =
    /HistoryEvent\(id: (\d+)/.exec(problem)?.[1] ?? /Last processed event: \d+, event id: (\d+)/.exec(problem)?.[1];
  return events.find(({ eventId }) => eventId === id);
}

/**
 * Where the SDK names no event: replays beginnings of the history, each up to the start of a workflow task, until it is
 * known in which task the two part; in it, the first event that says what the SDK says was scheduled, else the first
 * thing that was recorded.
 */
async function partingEvent(
  history: RecordedHistory,
  problem: string,
  options: ReplayOptions,
): Promise<HistoryEvent | undefined> {
  const { events } = history;
  const tasks = events.flatMap((event, index) => (eventName(event) === 'WorkflowTaskStarted' ? [index] : []));
  // tasks[good] replays, tasks[bad] does not; the end of the history stands behind the last one.
  let good = 0;
  let bad = tasks.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (await replaysUpTo(history, (tasks[middle] ?? 0) + 1, options)) good = middle;
    else bad = middle;
  }
  const recorded = events
    .slice((tasks[good] ?? 0) + 1, (tasks[bad] ?? events.length) + 1)
    .filter((event) => 'workflowTaskCompletedEventId' in (attributesOf(event) ?? {}));
  const words = [...problem.matchAll(/'([^']+)'/g)].map(([, word]) => JSON.stringify(word));
  return recorded.find((event) => words.some((word) => JSON.stringify(event).includes(word))) ?? recorded[0];
}

const attributesOf = (event: HistoryEvent): Record<string, unknown> | undefined =>
  Object.entries(event).find(([key]) => key.endsWith('EventAttributes'))?.[1] as Record<string, unknown> | undefined;
