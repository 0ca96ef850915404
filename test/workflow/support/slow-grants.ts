/**
 * A rig that hears three minutes late that a bead has its grant, as one whose worker was killed in between: an
 * interceptor for a bundle of the workflows (`workflowInterceptorModules`).
 * @module
 */
import { sleep } from '@temporalio/workflow';
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { rigMessages } from '../../../src/contract/index.js';

export const interceptors = (): WorkflowInterceptors => ({
  outbound: [
    {
      async signalWorkflow(input, next) {
        await next(input);
        if (input.signalName === rigMessages.granted) await sleep('3 minutes');
      },
    },
  ],
});
