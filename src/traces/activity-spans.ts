import { CompleteAsyncError } from '@temporalio/activity';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { beadWorkflowId } from '../contract/index.js';
import { rootOf } from './span.js';
import type { Tracer } from './tracer.js';

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/**
 * Each activity that is about a bead or a convoy as a span of its trace. The refinery works for rigs: a merge is a part
 * of the trace of what is merged.
 */
export const activitySpans =
  (tracer: Tracer): ActivityInterceptorsFactory =>
  ({ info }) => ({
    inbound: {
      execute(input, next) {
        const { workflowExecution, namespace, activityType, attempt: tries } = info;
        const [asked] = input.args as [{ bead?: unknown; attempt?: unknown; request?: { item?: unknown } } | undefined];
        const bead = text(asked?.bead) ?? text(asked?.request?.item);
        const workflowId = bead === undefined ? workflowExecution?.workflowId : beadWorkflowId(bead);
        if (workflowId === undefined) return next(input);
        const { traceId, spanId } = rootOf(namespace, workflowId);
        return tracer.within(
          { traceId, parent: spanId },
          {
            name: activityType,
            kind: 'consumer',
            attributes: {
              temporalWorkflowID: workflowId,
              'heartbead.bead': bead,
              'heartbead.attempt': text(asked?.attempt),
              'heartbead.try': tries,
            },
          },
          () => next(input),
          // It goes on in the runner, which has its own span.
          (error) => !(error instanceof CompleteAsyncError),
        );
      },
    },
  });
