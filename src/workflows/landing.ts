/**
 * What a bead says to its rig and its convoy, all by signals between workflows. When it says what is decided in
 * `domain/bead/landing.ts`. @module
 */
import { getExternalWorkflowHandle, isCancellation, log, workflowInfo } from '@temporalio/workflow';
import { convoyMessages, convoyWorkflowId, rigMessages, rigWorkflowId } from '../contract/index.js';
import type {
  BeadReport,
  BeadState,
  MergeRequest,
  ProbeProgress,
  ReturnGrant,
  GrantRequest,
} from '../contract/index.js';
import { mergeRequest, grantRequest, grantReturn } from '../domain/index.js';
import type { BeadEvent, RigWord } from '../domain/index.js';

/** Says one word to the rig; a rig that is gone is an event of its own, never an endless wait. */
export async function tellRig(state: BeadState, word: RigWord, apply: (event: BeadEvent) => void): Promise<void> {
  const { rig } = state;
  if (rig === undefined) throw new Error('a word to a rig, without a rig');
  const toRig = (
    name: string,
    payload: GrantRequest | ReturnGrant | MergeRequest | { item: string; sha: string },
  ): Promise<void> => getExternalWorkflowHandle(rigWorkflowId(rig)).signal(name, payload);
  const { workflowId } = workflowInfo();
  try {
    switch (word) {
      case 'askGrant':
        // Applied first: the grant may come back before the signal's own answer does.
        apply({ type: 'askedGrant' });
        return await toRig(rigMessages.askGrant, grantRequest(state, workflowId));
      case 'returnGrant': {
        apply({ type: 'grantReturned' });
        return await toRig(rigMessages.returnGrant, grantReturn(state));
      }
      case 'enqueue': {
        const request = mergeRequest(state, workflowId);
        apply({ type: 'enqueued', sha: request.sha });
        return await toRig(rigMessages.enqueueMerge, request);
      }
      case 'withdraw':
        apply({ type: 'withdrawTold' });
        return await toRig(rigMessages.withdrawMerge, { item: state.bead, sha: state.landing?.queuedSha ?? '' });
      default:
        return word satisfies never;
    }
  } catch (error) {
    if (isCancellation(error)) throw error;
    log.warn('the rig of a bead does not answer', { rig, word, error });
    apply({ type: 'rigGone', text: `rig ${rig} does not exist (any more)` });
  }
}

/** Tells the rig how far the attempt has got for which others are held back. */
export async function tellReached({ rig, bead }: BeadState, reached: 'spawned' | 'progress'): Promise<void> {
  if (rig === undefined) return;
  const progress: ProbeProgress = { bead, spawned: reached === 'spawned' ? true : undefined };
  try {
    await getExternalWorkflowHandle(rigWorkflowId(rig)).signal(rigMessages.probeProgress, progress);
  } catch (error) {
    // The end of the attempt tells the same, later.
    log.warn('the rig of a bead could not be told how far its attempt has got', { rig, error });
  }
}

/** Tells the convoy. A convoy that has ended needs no news. */
export async function tellConvoy(convoy: string, report: BeadReport): Promise<void> {
  try {
    await getExternalWorkflowHandle(convoyWorkflowId(convoy)).signal(convoyMessages.beadReport, report);
  } catch (error) {
    if (isCancellation(error)) throw error;
    log.info('the convoy of a bead is gone', { convoy, error });
  }
}
