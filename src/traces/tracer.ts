import { AsyncLocalStorage } from 'node:async_hooks';
import { TraceExporter, traceTarget } from './exporter.js';
import { newSpanId } from './span.js';
import type { Attributes, Span, SpanContext } from './span.js';

/** What is known of a span when it begins. */
export type SpanBeginning = Pick<Span, 'name' | 'kind' | 'attributes'> & {
  /** The id that it has to have; by default a new one. */
  spanId?: string;
};

/** Makes spans of one process. */
export class Tracer {
  readonly #exporter: TraceExporter;
  readonly #current = new AsyncLocalStorage<SpanContext>();

  constructor(exporter: TraceExporter) {
    this.#exporter = exporter;
  }

  /** @returns a tracer, or undefined where no variable names an endpoint. */
  static from(env: NodeJS.ProcessEnv, service: string, onTrouble: (what: string) => void): Tracer | undefined {
    const target = traceTarget(env, service);
    return target === undefined ? undefined : new Tracer(new TraceExporter(target, onTrouble));
  }

  /**
   * Traces what `work` does; spans that it records with {@link inside} are below this one.
   * @param parent undefined: the span is its trace's first.
   * @param fails whether an error means that the work has failed.
   */
  async within<T>(
    { traceId, parent }: { traceId: string; parent: string | undefined },
    { name, kind, attributes, spanId = newSpanId() }: SpanBeginning,
    work: () => Promise<T>,
    fails: (error: unknown) => boolean = () => true,
  ): Promise<T> {
    const startedAt = Date.now();
    const end = (failed?: string): void =>
      this.#exporter.take({
        traceId,
        spanId,
        parentSpanId: parent,
        name,
        kind,
        startedAt,
        endedAt: Date.now(),
        attributes,
        failed,
      });
    try {
      const result = await this.#current.run({ traceId, spanId }, work);
      end();
      return result;
    } catch (error) {
      end(fails(error) ? (error instanceof Error ? error.name : 'failed') : undefined);
      throw error;
    }
  }

  /** Records something that has just ended, below what is under way in this chain of calls, if anything is. */
  inside(name: string, ms: number, attributes: Attributes, failed?: string): void {
    const current = this.#current.getStore();
    if (current !== undefined) this.#past(current, name, ms, attributes, failed);
  }

  /** Records something that has just ended below a span of another process. */
  below(parent: SpanContext, name: string, ms: number, attributes: Attributes, failed?: string): void {
    this.#past(parent, name, ms, attributes, failed);
  }

  #past({ traceId, spanId }: SpanContext, name: string, ms: number, attributes: Attributes, failed?: string): void {
    const endedAt = Date.now();
    this.#exporter.take({
      traceId,
      spanId: newSpanId(),
      parentSpanId: spanId,
      name,
      kind: 'internal',
      startedAt: endedAt - ms,
      endedAt,
      attributes,
      failed,
    });
  }

  flush(): Promise<void> {
    return this.#exporter.flush();
  }
}
