import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import { messages, rigMessages } from '../contract/index.js';
import type {
  AcceptedSignal,
  BeadChange,
  BeadView,
  CauseGone,
  Granted,
  HeartbeatSignal,
  MergeEnded,
  NoteSignal,
  GrantRefused,
} from '../contract/index.js';

/** For updates without a content: the Web UI sends one JSON object all the same. */
export type Nothing = Record<string, unknown>;

/** Every update answers with one sentence for the operator; a refusal says why. */
export interface UpdateAnswer {
  text: string;
  /** What a retry has changed of its bead. Builds that know no change of a bead do not say it. */
  changed?: (keyof BeadChange)[];
}

export const heartbeatSignal = defineSignal<[HeartbeatSignal]>(messages.heartbeat);
export const acceptedSignal = defineSignal<[AcceptedSignal]>(messages.accepted);
export const noteSignal = defineSignal<[NoteSignal]>(messages.note);
export const stateQuery = defineQuery<BeadView>(messages.state);
export const nudgeUpdate = defineUpdate<UpdateAnswer, [{ text: string }]>(messages.nudge);
export const retryUpdate = defineUpdate<UpdateAnswer, [{ now?: boolean } & BeadChange]>(messages.retry);
export const pauseUpdate = defineUpdate<UpdateAnswer, [Nothing]>(messages.pause);
export const resumeUpdate = defineUpdate<UpdateAnswer, [Nothing]>(messages.resume);
export const approveUpdate = defineUpdate<UpdateAnswer, [{ by?: string; signature?: string }]>(messages.approve);
export const requestChangesUpdate = defineUpdate<UpdateAnswer, [{ feedback: string }]>(messages.requestChanges);
export const grantedSignal = defineSignal<[Granted]>(rigMessages.granted);
export const grantRefusedSignal = defineSignal<[GrantRefused]>(rigMessages.grantRefused);
export const causeGoneSignal = defineSignal<[CauseGone]>(rigMessages.causeGone);
export const mergeEndedSignal = defineSignal<[MergeEnded]>(rigMessages.mergeEnded);
