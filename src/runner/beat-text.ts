import type { BeatPhase } from '../contract/index.js';
import { durationText } from '../domain/words.js';

/** What the text of a beat tells; durations in milliseconds. */
export interface BeatFacts {
  phase: BeatPhase;
  runningMs: number;
  silentMs?: number;
  activity?: string;
  orphan: boolean;
  pushProblem?: string;
}

/** @returns a beat's text for the Web UI: `running for 12 min, last output 8 s ago (Edit src/a.ts)`. */
export function beatText({ phase, runningMs, silentMs, activity, orphan, pushProblem }: BeatFacts): string {
  const head = ((): string => {
    switch (phase) {
      case 'running':
        return `running for ${durationText(runningMs)}`;
      case 'frozen':
        return 'frozen: the lease ran out; goes on when the bead answers';
      case 'paused':
        return 'paused: the agent stands still';
      case 'stopping':
        return 'stopping: ends the agent and saves its work';
      case 'spawning':
        return 'spawning the agent';
      case 'accepted':
      case 'cloning':
      case 'worktree':
      case 'fencing':
        return phase;
    }
  })();
  const silence =
    phase !== 'running'
      ? ''
      : silentMs === undefined
        ? ', no output yet'
        : `, last output ${silentMs < 1_000 ? 'just now' : `${durationText(silentMs)} ago`}`;
  return [
    `${head}${silence}${activity === undefined || phase !== 'running' ? '' : ` (${activity})`}`,
    ...(orphan ? ['waits for adoption'] : []),
    ...(pushProblem === undefined ? [] : [`last push failed: ${pushProblem}`]),
  ].join('; ');
}
