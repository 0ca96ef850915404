import type { AgentAdapter, AgentExit } from '../../agents/types.js';
import type { AttemptResult, Clocks } from '../../contract/index.js';
import type { RunningAgent } from '../agent/running-agent.js';
import type { AgentWatch } from '../agent/agent-watch.js';
import type { AttemptFiles } from '../attempt/attempt-files.js';
import type { AttemptProcesses } from '../processes/end-processes.js';
import type { ProcessControl } from '../processes/process-control.js';
import { judgeEnd } from './judge-end.js';
import type { StopCause } from './judge-end.js';
import type { MessageBox } from '../agent/message-box.js';
import { saveLast } from './save-last.js';
import { sleep } from '../time.js';
import type { Time } from '../time.js';
import type { AttemptSetup } from '../types.js';
import type { AttemptWork } from './attempt-work.js';

/** Why an attempt ends: its agent's process ended, or it is stopped from outside. */
export type EndCause =
  | { by: 'agent'; exit: AgentExit }
  | ({
      by: 'stop';
      /** The bead may have another agent by now: what stands still must not run again, not even to end. */
      atOnce?: boolean;
    } & StopCause);

export interface EndOptions {
  files: AttemptFiles;
  time: Time;
  setup: AttemptSetup;
  clocks: Clocks;
  adapter: AgentAdapter;
  cause: EndCause;
  control: ProcessControl;
  processes: AttemptProcesses;
  agent: RunningAgent;
  watch: AgentWatch;
  keeper: AttemptWork;
  box: MessageBox;
  /** How often its program was answered, having ended without a report. */
  answers: number;
  /** No process of the attempt is left. */
  onProcessesEnded(): void;
  /** @returns what becomes of a result where the host knows more of its agent's login. */
  amend(result: AttemptResult): AttemptResult;
  trouble(what: string, error: unknown): void;
}

/** For what an agent that has ended by itself leaves behind: a helper has nothing left to help with. */
export const litterGraceMs = 2_000;
/** A process that cannot be ended (a dead network disk) may be so later; nothing is reported before. */
const endAgainMs = 5_000;
/** A disk that is full for a moment: half a minute. */
const recordTries = 15;
const recordAgainMs = 2_000;

/**
 * Ends every process of an attempt, saves and pushes its work, and records its result. No process of it is left when
 * this resolves.
 */
export async function endAttempt(options: EndOptions): Promise<AttemptResult> {
  const { files, setup, adapter, cause, agent, watch, keeper, box } = options;
  await endAll(options);
  options.onProcessesEnded();
  const exit = cause.by === 'agent' ? cause.exit : await agent.exit;
  await agent.close();
  await saveLast(keeper, options.time);
  const verdict = cause.by === 'agent' ? adapter.classify?.(exit, watch.events) : undefined;
  const judged = judgeEnd({
    attempt: files.attempt,
    host: setup.host,
    baseSha: setup.baseSha,
    exit,
    checkpoint: keeper.checkpoint,
    report: keeper.report,
    kept: keeper.kept,
    stop:
      cause.by === 'stop'
        ? { outcome: cause.outcome, reason: cause.reason, retryAfterMs: cause.retryAfterMs }
        : undefined,
    verdict,
    said: watch.said,
    answers: options.answers,
    ...watch.facts,
    acknowledged: box.acknowledged(),
  });
  const result = amended(options, judged);
  await record(options, result);
  return result;
}

/** What others are to know of it is not worth the result. */
function amended({ amend, trouble }: EndOptions, result: AttemptResult): AttemptResult {
  try {
    return amend(result);
  } catch (error) {
    trouble('what the host knows', error);
    return result;
  }
}

/** On disk before it is reported; but a full disk must not keep the bead from hearing of the end. */
async function record({ files, time, trouble }: EndOptions, result: AttemptResult): Promise<void> {
  for (let tried = 1; tried <= recordTries; tried++) {
    try {
      await files.writeResult(result);
      return;
    } catch (error) {
      trouble('result.json', error);
      // Deleted: there is nowhere to keep it.
      if (!(await files.exists())) return;
      await sleep(time, recordAgainMs);
    }
  }
}

function graceFor(cause: EndCause, { stopGrace }: Pick<Clocks, 'stopGrace'>): number {
  if (cause.by === 'agent') return Math.min(litterGraceMs, stopGrace);
  return cause.atOnce === true ? 0 : stopGrace;
}

async function endAll({ cause, clocks, control, processes, time, trouble }: EndOptions): Promise<void> {
  const graceMs = graceFor(cause, clocks);
  for (;;) {
    try {
      await control.end({ ...processes, graceMs });
      return;
    } catch (error) {
      trouble('end of the processes', error);
      await sleep(time, endAgainMs);
    }
  }
}
