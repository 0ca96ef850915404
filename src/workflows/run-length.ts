import { workflowInfo } from '@temporalio/workflow';
import { runLength } from '../domain/index.js';
import type { RunLength } from '../domain/index.js';
import { versionHasChanged } from './version.js';

/** @returns how urgent it is to continue as new. For `soonAt` see `domain/run-length.ts`. */
export function lengthOfRun({ signals, toldOfVersion }: Heard, soonAt?: number): RunLength {
  const { historyLength: events, continueAsNewSuggested: suggested } = workflowInfo();
  return runLength({ events, suggested, versionChanged: versionHasChanged(toldOfVersion), signals }, soonAt);
}

/** What a run has heard so far. */
export interface Heard {
  signals: number;
  /** A worker has said that the build of this run is no longer the current one. */
  toldOfVersion: boolean;
}
