import type { Attributes, Span } from './span.js';

/** Where spans go, by the variables of OpenTelemetry. */
export interface TraceTarget {
  url: string;
  headers: Record<string, string>;
  /** What this process is, in every span of it. */
  resource: Attributes;
}

/** A list of `name=value`, each value as in a URL. */
function listOf(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').flatMap((pair): [string, string][] => {
    const at = pair.indexOf('=');
    if (at <= 0) return [];
    const value = pair.slice(at + 1).trim();
    try {
      return [[pair.slice(0, at).trim(), decodeURIComponent(value)]];
    } catch {
      return [[pair.slice(0, at).trim(), value]];
    }
  });
  return Object.fromEntries(pairs);
}

/**
 * @returns where spans are to go: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` as it stands, or `OTEL_EXPORTER_OTLP_ENDPOINT`
 * with `/v1/traces`. Undefined: there are no traces.
 */
export function traceTarget(env: NodeJS.ProcessEnv, service: string): TraceTarget | undefined {
  if (/^true$/i.test(env['OTEL_SDK_DISABLED'] ?? '') || env['OTEL_TRACES_EXPORTER'] === 'none') return undefined;
  const own = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'];
  const all = env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  const url = own || (all ? `${all.replace(/\/+$/, '')}/v1/traces` : undefined);
  if (url === undefined) return undefined;
  return {
    url,
    headers: { ...listOf(env['OTEL_EXPORTER_OTLP_HEADERS']), ...listOf(env['OTEL_EXPORTER_OTLP_TRACES_HEADERS']) },
    resource: {
      ...listOf(env['OTEL_RESOURCE_ATTRIBUTES']),
      'service.name': env['OTEL_SERVICE_NAME'] || service,
      'process.pid': process.pid,
    },
  };
}

/** Spans wait so long for others, to go with them. */
const gatherMs = 1_000;
/** More than so many at once are a fault of somebody's: the oldest are dropped. */
const waiting = 2_048;
const sendWithinMs = 5_000;

function valueOf(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

const attributesOf = (attributes: Attributes): object[] =>
  Object.entries(attributes).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value: valueOf(value) }]));

const kinds = { internal: 1, client: 3, consumer: 5 } as const;
const failedCode = 2;
const nanoseconds = (ms: number): string => `${Math.round(ms)}000000`;

/** @returns a request of OTLP over HTTP, as JSON. */
export const exportRequest = (resource: Attributes, spans: readonly Span[]): object => ({
  resourceSpans: [
    {
      resource: { attributes: attributesOf(resource) },
      scopeSpans: [
        {
          scope: { name: 'heartbead' },
          spans: spans.map((span) => ({
            traceId: span.traceId,
            spanId: span.spanId,
            parentSpanId: span.parentSpanId,
            name: span.name,
            kind: kinds[span.kind],
            startTimeUnixNano: nanoseconds(span.startedAt),
            endTimeUnixNano: nanoseconds(span.endedAt),
            attributes: attributesOf(span.attributes),
            status: span.failed === undefined ? {} : { code: failedCode, message: span.failed },
          })),
        },
      ],
    },
  ],
});

/** Takes spans and sends them when some have gathered. Nothing waits for it, and what cannot be sent is dropped. */
export class TraceExporter {
  readonly #target: TraceTarget;
  readonly #onTrouble: (what: string) => void;
  #spans: Span[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> = Promise.resolve();

  /** @param onTrouble hears why spans are lost. */
  constructor(target: TraceTarget, onTrouble: (what: string) => void) {
    this.#target = target;
    this.#onTrouble = onTrouble;
  }

  take(span: Span): void {
    if (this.#spans.push(span) > waiting) this.#spans.shift();
    this.#timer ??= setTimeout(() => void this.flush(), gatherMs).unref();
  }

  /** Sends what has gathered. Resolves when it has arrived or is lost. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const spans = this.#spans.splice(0);
    if (spans.length > 0) this.#sending = this.#sending.then(() => this.#send(spans));
    await this.#sending;
  }

  async #send(spans: readonly Span[]): Promise<void> {
    const { url, headers, resource } = this.#target;
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(exportRequest(resource, spans)),
        signal: AbortSignal.timeout(sendWithinMs),
      });
      await answer.arrayBuffer();
      if (!answer.ok) this.#onTrouble(`${spans.length} spans were refused with status ${answer.status}`);
    } catch (error) {
      this.#onTrouble(`${spans.length} spans could not be sent: ${(error as Error).message}`);
    }
  }
}
