import type { WorkflowClientInterceptor } from '@temporalio/client';
import { rootOf } from './span.js';
import type { Tracer } from './tracer.js';

/** The start of a bead is the first span of its trace; what operators ask of it later is below that. */
export const clientSpans = (tracer: Tracer, namespace: string): WorkflowClientInterceptor => ({
  startWithDetails: (input, next) => {
    const { workflowId } = input.options;
    const { traceId, spanId } = rootOf(namespace, workflowId);
    return tracer.within(
      { traceId, parent: undefined },
      {
        name: `sling ${input.workflowType}`,
        kind: 'client',
        spanId,
        attributes: { temporalWorkflowID: workflowId },
      },
      () => next(input),
    );
  },
  startUpdate: (input, next) => {
    const { workflowId } = input.workflowExecution;
    const { traceId, spanId } = rootOf(namespace, workflowId ?? '');
    return tracer.within(
      { traceId, parent: spanId },
      { name: input.updateName, kind: 'client', attributes: { temporalWorkflowID: workflowId ?? '' } },
      () => next(input),
    );
  },
});
