import { workflowInfo } from '@temporalio/workflow';
import { runLength } from '../domain/index.js';
import type { RunLength } from '../domain/index.js';
import { versionHasChanged } from './version.js';

/** @returns how urgent it is to continue as new. For the arguments see `domain/run-length.ts`. */
export function lengthOfRun(signals: number, soonAt?: number): RunLength {
  const { historyLength: events, continueAsNewSuggested: suggested } = workflowInfo();
  return runLength({ events, suggested, versionChanged: versionHasChanged(), signals }, soonAt);
}
