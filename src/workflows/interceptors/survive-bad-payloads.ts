/**
 * A signal whose payload does not decode fails the workflow task before any handler sees it, and is tried again for
 * ever: anybody who can signal could wedge a bead with one broken byte. So each payload is tried out first, and what
 * cannot be read reaches the handler as null, which it counts as malformed. Part of the workflow bundle
 * (`workflowInterceptorModules`).
 * @module
 */
import { defaultPayloadConverter } from '@temporalio/common';
import type { Payload } from '@temporalio/common';
import type { WorkflowInterceptors } from '@temporalio/workflow';

/** @returns the payload, or an encoded null when nobody can read it. */
function readable(payload: Payload): Payload {
  try {
    defaultPayloadConverter.fromPayload(payload);
    return payload;
  } catch {
    return defaultPayloadConverter.toPayload(null);
  }
}

export const interceptors = (): WorkflowInterceptors => ({
  internals: [
    {
      activate(input, next) {
        for (const { signalWorkflow: signal } of input.activation.jobs ?? []) {
          if (signal?.input) signal.input = signal.input.map(readable);
        }
        next(input);
      },
    },
  ],
});
