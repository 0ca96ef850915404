import { workflowInfo } from '@temporalio/workflow';
import { limits } from '../contract/index.js';
import { versionHasChanged } from './version.js';

/**
 * How urgent it is to continue as new: `soon` when the run is long, or another build of the code is the town's, and it
 * should happen as soon as nothing is in the way; `now` when waiting for long work would come near to the server's own limits (51,200 events, 10,000 signals).
 */
export type RunLength = 'fine' | 'soon' | 'now';

/** @param signals taken by this run, of which the server gives no count. */
export function runLength(signals: number): RunLength {
  const { historyLength, continueAsNewSuggested } = workflowInfo();
  if (historyLength > limits.historyEvents * 3 || signals > limits.signalsPerRun) return 'now';
  return versionHasChanged() ||
    continueAsNewSuggested ||
    historyLength > limits.historyEvents ||
    signals > limits.signalsPerRun / 2
    ? 'soon'
    : 'fine';
}
