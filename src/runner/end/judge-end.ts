import { clip, limits, plainLine } from '../../contract/index.js';
import type { AttemptResult, Checkpoint, Outcome, Usage } from '../../contract/index.js';
import type { AgentExit, ExitClass } from '../../agents/types.js';
import { shortSha } from '../../domain/words.js';
import type { AgentReport, KeptWork } from '../types.js';

/** Why the attempt is ended, when it was not the agent's own doing. */
export interface StopCause {
  outcome: Outcome;
  reason: string;
  /** With `rate_limited`. */
  retryAfterMs?: number;
}

/** All that is known when the last process of an attempt is gone. */
export interface EndFacts {
  attempt: string;
  host: string;
  baseSha?: string;
  checkpoint?: Checkpoint;
  report?: AgentReport;
  /** Work that was called done, and that the remote did not take to the very end. */
  kept?: KeptWork;
  /**
   * Set when the attempt was stopped from outside; what a report says is still honoured unless the outcome is
   * `stopped`.
   */
  stop?: StopCause;
  /** How the agent's process ended; absent when nobody saw it (its runner was dead). */
  exit?: AgentExit;
  /** The adapter's verdict on that end. */
  verdict?: ExitClass;
  /** What it said last, where its program tells. */
  said?: string | undefined;
  /** How often it was answered in its conversation, having ended without a report. */
  answers?: number;
  acknowledged?: string[];
  session?: string;
  usage?: Usage;
}

/** A remote that is out of order has just been tried for a minute. */
const pushAgainMs = 30_000;

function exitText({ code, signal, spawnError, lastLines }: AgentExit): string {
  // Structured output is for its parser; what a person wants to read stands between its lines.
  const last = lastLines
    .filter((line) => !line.startsWith('{"'))
    .slice(-3)
    .join(' | ');
  const how =
    spawnError !== undefined
      ? `the agent could not be started (${spawnError})`
      : signal !== undefined
        ? `the agent was ended by ${signal}`
        : `the agent ended with status ${code ?? 'unknown'}`;
  return `${how}${last === '' ? '' : `; last output: ${last}`}`;
}

/**
 * SIGKILL and SIGTERM come from the host: out of memory, shut-down, an operator's hand. A shell reports a child's as
 * 128 and the number.
 */
const killedByOthers = ({ code, signal }: AgentExit): boolean =>
  signal === 'SIGKILL' || signal === 'SIGTERM' || code === 137 || code === 143;

const questionChars = 600;

/** @returns the question that a text ends with: its last paragraph; undefined when it ends with none. */
export function questionIn(said: string | undefined): string | undefined {
  const text = said?.trim().replace(/[*_"'`)\]]+$/, '') ?? '';
  if (!/[?？]$/.test(text)) return undefined;
  return clip(plainLine(text.split(/\n\s*\n/).at(-1) ?? text), questionChars);
}

const afterAnswers = (answers: number): string =>
  answers === 0 ? '' : `, though it was asked for one ${answers === 1 ? 'once' : `${answers} times`}`;

function judge({ report, kept, stop, exit, verdict, said, answers = 0 }: EndFacts): {
  outcome: Outcome;
  reason: string;
  retryAfterMs?: number;
} {
  if (stop?.outcome === 'stopped') return stop;
  switch (report?.kind) {
    case 'done':
      return {
        outcome: 'done',
        reason: `the agent reported done, and ${report.branch} is pushed at ${shortSha(report.sha)}`,
      };
    case 'no_changes':
      // A program that reports by its exit says so, too, when its provider has let it do nothing.
      if (verdict !== undefined && verdict.outcome !== 'agent_failed') return verdict;
      return { outcome: 'no_changes', reason: 'the agent reported done, but there is no commit ahead of the base' };
    case 'escalated':
      return { outcome: 'escalated', reason: `the agent asks for a person: ${report.text}` };
    case undefined:
      break;
  }
  // However it ended then: the work is finished, and it is the remote that has to be spoken to.
  if (kept !== undefined)
    return {
      outcome: 'push_refused',
      reason: `the agent has finished, but its commits could not be pushed: ${kept.reason}`,
      retryAfterMs: kept.mayPass ? pushAgainMs : undefined,
    };
  if (stop !== undefined) return stop;
  if (exit?.spawnError === 'ENOENT' && verdict === undefined)
    return { outcome: 'not_installed', reason: exitText(exit) };
  if (verdict !== undefined) return verdict;
  // Nothing ran, and nothing will by another try: a command that is too long, not executable, no program at all.
  if (exit?.spawnError !== undefined) return { outcome: 'setup_failed', reason: exitText(exit) };
  if (exit === undefined) return { outcome: 'lost', reason: 'nobody saw how the agent ended' };
  if (killedByOthers(exit))
    return {
      outcome: 'lost',
      reason: `${exitText(exit)}; nobody of Heartbead sent that (the host may be out of memory, or shutting down)`,
    };
  if (exit.code === 0) {
    const question = questionIn(said);
    // Nothing has failed: it waits for an answer that only a person can give.
    if (question !== undefined) return { outcome: 'escalated', reason: `the agent asks for a person: ${question}` };
    return {
      outcome: 'unreported',
      reason: `${exitText({ ...exit, lastLines: [] })}, but without a report${afterAnswers(answers)}`,
    };
  }
  return { outcome: 'agent_failed', reason: exitText(exit) };
}

/**
 * @returns the attempt's result: exit status alone never means success, and what was reported and pushed is not lost by
 * how the process ended.
 */
export function judgeEnd(facts: EndFacts): AttemptResult {
  const { outcome, reason, retryAfterMs } = judge(facts);
  const { report, kept, exit } = facts;
  const done = report?.kind === 'done' ? report : undefined;
  const finished = outcome === 'push_refused' ? (kept ?? done) : done;
  const summary = report === undefined ? kept?.summary : report.kind === 'escalated' ? undefined : report.summary;
  return {
    attempt: facts.attempt,
    outcome,
    reason: clip(reason),
    host: facts.host,
    baseSha: facts.baseSha,
    branch: finished?.branch,
    sha: finished?.sha,
    checkpoint: facts.checkpoint,
    exitCode: exit?.code,
    signal: exit?.signal,
    retryAfterMs,
    summary: summary === undefined ? undefined : clip(summary),
    acknowledged:
      facts.acknowledged === undefined || facts.acknowledged.length === 0
        ? undefined
        : facts.acknowledged.slice(-2 * limits.messagesKept),
    session: facts.session,
    usage: facts.usage,
  };
}
