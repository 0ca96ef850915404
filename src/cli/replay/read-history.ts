import { workflowTypes } from '../../contract/index.js';

/** A history as `temporal workflow show --output json`, the Web UI's download and the SDK write it. */
export interface RecordedHistory {
  workflowType: string;
  /** The server's own; histories of older servers do not have it. */
  workflowId?: string;
  runId: string;
  /** In order, numbered from 1 without a gap. */
  events: HistoryEvent[];
}

/** As far as it is looked at here; the SDK reads the rest. */
export interface HistoryEvent extends Record<string, unknown> {
  eventId: string;
  /** `EVENT_TYPE_TIMER_STARTED`, or `TimerStarted` in older files. */
  eventType: string;
}

/** The text is no history that could be replayed. The message is one sentence, `next` what to do. */
export class NoHistoryError extends Error {
  override readonly name = 'NoHistoryError';

  constructor(
    message: string,
    readonly next = howToRecord,
  ) {
    super(message);
  }
}

const howToRecord =
  'record it with `temporal workflow show --workflow-id ID --output json`, or download it from the Web UI';

/**
 * Reads a history from JSON. Everything that the replaying SDK would stumble over without a clear word (events that are
 * missing or doubled, a decoded payload, a workflow type that is not ours) is found here.
 * @throws NoHistoryError
 */
export function parseHistory(text: string): RecordedHistory {
  const events = eventsOf(parsed(text)).map(readEvent);
  const [first] = events;
  if (first === undefined) throw new NoHistoryError('it has no events');
  const gap = events.findIndex(({ eventId }, index) => eventId !== String(index + 1));
  if (gap === 0) throw new NoHistoryError(`it begins with event ${first.eventId}: its first events are missing`);
  if (gap > 0)
    throw new NoHistoryError(
      `event ${gap} is followed by event ${events[gap]?.eventId ?? '?'}: events are missing, doubled, or in ` +
        'another order',
    );
  const started = object(first['workflowExecutionStartedEventAttributes']);
  if (started === undefined)
    throw new NoHistoryError(`its first event is ${eventName(first)}, not the start of a workflow`);
  const workflowType = object(started['workflowType'])?.['name'];
  const runId = started['originalExecutionRunId'];
  if (typeof workflowType !== 'string' || typeof runId !== 'string')
    throw new NoHistoryError('its first event names no workflow type or no run');
  const known: string[] = Object.values(workflowTypes);
  if (!known.includes(workflowType))
    throw new NoHistoryError(
      `it is of a workflow of type ${JSON.stringify(workflowType)}; this version has ${known.join(', ')}`,
      'replay it with the program it belongs to',
    );
  const decoded = events.find((event) => hasDecodedPayload(event));
  if (decoded !== undefined)
    throw new NoHistoryError(
      `the payloads of event ${decoded.eventId} are decoded, and cannot be replayed`,
      'download it again with "Decode Event History" off, or use `temporal workflow show --output json`',
    );
  const { workflowId } = started;
  return {
    workflowType,
    runId,
    events,
    workflowId: typeof workflowId === 'string' && workflowId !== '' ? workflowId : undefined,
  };
}

/** @returns an event's type as the Web UI writes it: `TimerStarted`. */
export function eventName({ eventType }: HistoryEvent): string {
  if (!eventType.startsWith('EVENT_TYPE_')) return eventType;
  return eventType
    .slice('EVENT_TYPE_'.length)
    .toLowerCase()
    .replaceAll(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase());
}

const object = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new NoHistoryError('it is not JSON');
  }
}

/** Old Web UIs wrote the bare list. */
function eventsOf(value: unknown): unknown[] {
  const events = Array.isArray(value) ? (value as unknown[]) : object(value)?.['events'];
  if (!Array.isArray(events)) throw new NoHistoryError('it is JSON, but has no list of events');
  return events;
}

function readEvent(value: unknown, index: number): HistoryEvent {
  const event = object(value);
  const eventId = event?.['eventId'];
  const attributes = Object.keys(event ?? {}).find((key) => key.endsWith('EventAttributes'));
  if (
    event === undefined ||
    (typeof eventId !== 'string' && typeof eventId !== 'number') ||
    typeof event['eventType'] !== 'string' ||
    attributes === undefined ||
    object(event[attributes]) === undefined
  ) {
    throw new NoHistoryError(`entry ${index + 1} of its events is no event`);
  }
  return { ...event, eventId: String(eventId), eventType: event['eventType'] };
}

/**
 * A payload as it was recorded has encoded data, or metadata; one that was decoded for reading is whatever it stood
 * for.
 */
function hasDecodedPayload(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasDecodedPayload);
  const fields = object(value);
  if (fields === undefined) return false;
  return Object.entries(fields).some(([key, inner]) =>
    key === 'payloads' && Array.isArray(inner)
      ? inner.some((payload) => !isPayload(payload))
      : hasDecodedPayload(inner),
  );
}

function isPayload(value: unknown): boolean {
  const payload = object(value);
  return (
    payload !== undefined &&
    object(payload['metadata']) !== undefined &&
    (payload['data'] === undefined || typeof payload['data'] === 'string')
  );
}
