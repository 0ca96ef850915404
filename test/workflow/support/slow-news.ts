/**
 * A bead's way to its convoy that takes three minutes for all but its end, as a convoy of many beads may take seconds:
 * an interceptor for a bundle of the workflows (`workflowInterceptorModules`).
 * @module
 */
import { sleep } from '@temporalio/workflow';
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { convoyMessages, isFinal } from '../../../src/contract/index.js';
import type { BeadReport } from '../../../src/contract/index.js';

export const interceptors = (): WorkflowInterceptors => ({
  outbound: [
    {
      async signalWorkflow(input, next) {
        const [report] = input.args as [BeadReport];
        if (input.signalName === convoyMessages.beadReport && !isFinal(report.status)) await sleep('3 minutes');
        return next(input);
      },
    },
  ],
});
