import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import { rigMessages } from '../contract/index.js';
import type {
  ConfigureRig,
  MergeRequest,
  ProbeProgress,
  RemoveRig,
  ReturnGrant,
  RigView,
  GrantRequest,
  WithdrawMerge,
} from '../contract/index.js';
import type { Nothing, UpdateAnswer } from './messages.js';

export const askGrantSignal = defineSignal<[GrantRequest]>(rigMessages.askGrant);
export const returnGrantSignal = defineSignal<[ReturnGrant]>(rigMessages.returnGrant);
export const probeProgressSignal = defineSignal<[ProbeProgress]>(rigMessages.probeProgress);
export const enqueueMergeSignal = defineSignal<[MergeRequest]>(rigMessages.enqueueMerge);
export const withdrawMergeSignal = defineSignal<[WithdrawMerge]>(rigMessages.withdrawMerge);
export const rigStateQuery = defineQuery<RigView>(rigMessages.state);
export const configureUpdate = defineUpdate<UpdateAnswer, [ConfigureRig]>(rigMessages.configure);
export const pauseRigUpdate = defineUpdate<UpdateAnswer, [Nothing]>(rigMessages.pause);
export const resumeRigUpdate = defineUpdate<UpdateAnswer, [Nothing]>(rigMessages.resume);
export const removeRigUpdate = defineUpdate<UpdateAnswer, [RemoveRig]>(rigMessages.remove);
