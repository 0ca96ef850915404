/**
 * What a bead says to its rig and its convoy, all by signals between workflows. When it says what is decided in
 * `domain/bead/landing.ts`. @module
 */
import { workflowInfo } from '@temporalio/workflow';
import { convoyMessages, convoyWorkflowId, isFinal, rigMessages, rigWorkflowId } from '../contract/index.js';
import type {
  BeadReport,
  BeadState,
  MergeRequest,
  ProbeProgress,
  ReturnGrant,
  GrantRequest,
} from '../contract/index.js';
import { mergeRequest, grantRequest, grantReturn, wordIsMoot } from '../domain/index.js';
import type { BeadEvent, RigWord } from '../domain/index.js';
import { deafRig, tell } from './tell.js';

/** The bead that says something. */
interface Teller {
  readonly state: BeadState;
  apply(event: BeadEvent): void;
}

/** Says one word to the rig; a rig that is gone is an event of its own, never an endless wait. */
export async function tellRig(bead: Teller, word: RigWord): Promise<void> {
  const { state } = bead;
  const { rig } = state;
  if (rig === undefined) throw new Error('a word to a rig, without a rig');
  const toRig = async (
    name: string,
    payload: GrantRequest | ReturnGrant | MergeRequest | { item: string; sha: string },
  ): Promise<void> => {
    const moot = (): boolean => wordIsMoot(bead.state, word);
    const text = deafRig(rig, await tell(rigWorkflowId(rig), name, payload, { moot }));
    if (text !== undefined) bead.apply({ type: 'rigGone', text });
  };
  const { workflowId } = workflowInfo();
  switch (word) {
    case 'askGrant':
      // Applied first: the grant may come back before the signal's own answer does.
      bead.apply({ type: 'askedGrant' });
      return toRig(rigMessages.askGrant, grantRequest(state, workflowId));
    case 'returnGrant':
      bead.apply({ type: 'grantReturned' });
      return toRig(rigMessages.returnGrant, grantReturn(state));
    case 'enqueue': {
      const request = mergeRequest(state, workflowId);
      bead.apply({ type: 'enqueued', sha: request.sha });
      return toRig(rigMessages.enqueueMerge, request);
    }
    case 'withdraw':
      bead.apply({ type: 'withdrawTold' });
      return toRig(rigMessages.withdrawMerge, { item: state.bead, sha: state.landing?.queuedSha ?? '' });
    default:
      return word satisfies never;
  }
}

/** Tells the rig how far the attempt has got for which others are held back; its end tells the same, later. */
export async function tellReached(bead: Pick<Teller, 'state'>, reached: 'spawned' | 'progress'): Promise<void> {
  const { rig, bead: id, current } = bead.state;
  if (rig === undefined) return;
  const progress: ProbeProgress = { bead: id, spawned: reached === 'spawned' ? true : undefined };
  const moot = (): boolean => bead.state.current?.id !== current?.id;
  await tell(rigWorkflowId(rig), rigMessages.probeProgress, progress, { moot });
}

/** So often a convoy hears of a bead's end; then it finds that by itself. Half an hour. */
const triesOfEnd = 12;

/**
 * Tells the convoy. A convoy that has ended needs no news.
 * @param moot the report is no longer the newest.
 */
export async function tellConvoy(convoy: string, report: BeadReport, moot: () => boolean): Promise<void> {
  const tries = isFinal(report.status) ? triesOfEnd : Infinity;
  await tell(convoyWorkflowId(convoy), convoyMessages.beadReport, report, { moot, tries });
}
