import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import { convoyMessages } from '../contract/index.js';
import type { AddBead, BeadReport, ConvoyView, RemoveBead, RetryBead } from '../contract/index.js';
import type { Nothing, UpdateAnswer } from './messages.js';

export const beadReportSignal = defineSignal<[BeadReport]>(convoyMessages.beadReport);
export const convoyStateQuery = defineQuery<ConvoyView>(convoyMessages.state);
export const startConvoyUpdate = defineUpdate<UpdateAnswer, [Nothing]>(convoyMessages.start);
export const addBeadUpdate = defineUpdate<UpdateAnswer, [AddBead]>(convoyMessages.addBead);
export const removeBeadUpdate = defineUpdate<UpdateAnswer, [RemoveBead]>(convoyMessages.removeBead);
export const retryBeadUpdate = defineUpdate<UpdateAnswer, [RetryBead]>(convoyMessages.retryBead);
export const pauseConvoyUpdate = defineUpdate<UpdateAnswer, [Nothing]>(convoyMessages.pause);
export const resumeConvoyUpdate = defineUpdate<UpdateAnswer, [Nothing]>(convoyMessages.resume);
