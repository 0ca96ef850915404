import { createHash, randomBytes } from 'node:crypto';

/** Where a span belongs: as hexadecimal text, 16 and 8 bytes. */
export interface SpanContext {
  traceId: string;
  spanId: string;
}

export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Something that took time, as it is exported. */
export interface Span extends SpanContext {
  parentSpanId?: string | undefined;
  name: string;
  /** `client`: it waited for somebody else's answer. `consumer`: a task that was given to it. */
  kind: 'internal' | 'client' | 'consumer';
  /** Milliseconds since 1970. */
  startedAt: number;
  endedAt: number;
  attributes: Attributes;
  /** Why it failed; absent when it did not. */
  failed?: string | undefined;
}

const hexOf = (text: string, bytes: number): string =>
  createHash('sha256')
    .update(text)
    .digest('hex')
    .slice(0, 2 * bytes);

/**
 * The beginning of a workflow's trace. Whoever knows the workflow's id knows it: nothing about traces has to be handed
 * from the command line to a worker, its runner and the refinery, nor through a workflow, whose history is the same
 * with and without.
 */
export const rootOf = (namespace: string, workflowId: string): SpanContext => ({
  traceId: hexOf(`heartbead trace\0${namespace}\0${workflowId}`, 16),
  spanId: hexOf(`heartbead root\0${namespace}\0${workflowId}`, 8),
});

export const newSpanId = (): string => randomBytes(8).toString('hex');
