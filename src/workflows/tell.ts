/** What workflows say to each other, all by signals. What a failure means is decided in `failures.ts`. @module */
import { condition, getExternalWorkflowHandle, log, patched } from '@temporalio/workflow';
import { clip } from '../contract/index.js';
import { askAgainIn } from '../domain/index.js';
import { undelivered } from './failures.js';
import type { Undelivered } from './failures.js';

/** What became of a signal. `untold`: the workflow is there, takes no more just now, and nobody waits any longer. */
export type Told = 'told' | 'untold' | Exclude<Undelivered, 'full'>;

/** How long a signal is worth the trouble. */
export interface Patience {
  /** Looked at while the other's run is full: nobody needs the signal any more, or somebody says it later. */
  moot?: () => boolean;
  /** How often it is tried at most; as long as it takes when absent. */
  tries?: number;
}

/** @returns why a rig has not heard something, in a sentence; undefined when it has, or will. */
export function deafRig(rig: string, told: Told): string | undefined {
  if (told === 'refused') return `the server passes nothing on to rig ${rig}`;
  return told === 'gone' ? `rig ${rig} does not exist (any more)` : undefined;
}

/**
 * Says something to another workflow. A run that has had as many signals as the server takes is about to go on in a new
 * one, so it is asked again, at growing distance. Never throws for want of somebody who listens.
 */
export async function tell(
  workflowId: string,
  name: string,
  payload: object,
  { moot = () => false, tries = Infinity }: Patience = {},
): Promise<Told> {
  for (let tried = 1; ; tried += 1) {
    try {
      await getExternalWorkflowHandle(workflowId).signal(name, payload);
      return 'told';
    } catch (error) {
      const why = undelivered(error);
      // The patch: earlier runs took a full run for one that is gone.
      if (why !== 'full' || !patched('a-full-run-is-asked-again')) {
        log.warn('a workflow could not be told something', { workflowId, name, error });
        return why === 'full' ? 'gone' : why;
      }
    }
    if (tried >= tries) return 'untold';
    const summary = clip(`ask again: ${workflowId} takes no more signals in its present run`, 120);
    if (await condition(moot, askAgainIn(tried, Math.random()), { summary })) return 'untold';
  }
}
