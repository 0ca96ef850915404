/**
 * A workflow that behaves towards its rig and its convoy as a bead does, with a script instead of an agent. Of the type
 * `bead`, on a queue of its own.
 * @module
 */
import {
  CancellationScope,
  CancelledFailure,
  condition,
  defineQuery,
  defineSignal,
  getExternalWorkflowHandle,
  isCancellation,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { convoyMessages, convoyWorkflowId, messages, rigMessages, rigWorkflowId } from '../../../src/contract/index.js';
import type {
  BeadInput,
  BeadReport,
  BeadStatus,
  Granted,
  MergeEnded,
  MergeRequest,
  ReturnGrant,
  GrantRequest,
} from '../../../src/contract/index.js';

export interface Script {
  /** Milliseconds from the grant to the end of an attempt. */
  works?: number;
  /**
   * How its attempts end; the last one counts for all that follow. `hangs` runs until it is told by `go`, or cancelled.
   */
  attempts?: ('done' | 'lost' | 'failed' | 'hangs')[];
  /**
   * What follows the work. `landed`: through the merge queue. `merged`: as if it had been. `closed`: it ends without
   * either. Default `landed`.
   */
  then?: 'landed' | 'merged' | 'failed' | 'blocked' | 'closed';
  /** Waits so long for a person's approval before its merge. */
  approval?: number;
  /** Asks no rig for leave. */
  free?: boolean;
}

export interface StandInState {
  bead: string;
  convoy?: string;
  status: BeadStatus;
  reason: string;
  baseSha?: string;
  target?: string;
  landing: { mergedSha?: string };
  /** One per attempt, in virtual milliseconds. */
  ran: { from: number; to?: number; version?: number; probe: boolean }[];
  merges: string[];
  cancelled: boolean;
}

export const goSignal = defineSignal<[{ then?: Script['then'] }]>('go');
export const standInQuery = defineQuery<StandInState>(messages.state);
const grantedSignal = defineSignal<[Granted]>(rigMessages.granted);
const mergeEndedSignal = defineSignal<[MergeEnded]>(rigMessages.mergeEnded);
const grantRefusedSignal = defineSignal<[{ reason: string }]>(rigMessages.grantRefused);

export async function bead(input: BeadInput): Promise<void> {
  const script = JSON.parse(input.body ?? '{}') as Script;
  const s: StandInState = {
    bead: input.bead,
    status: 'open',
    reason: '',
    landing: {},
    ran: [],
    merges: [],
    cancelled: false,
    convoy: input.convoy,
    baseSha: input.baseSha,
    target: input.target,
  };
  let grant: Granted | undefined;
  let refused: string | undefined;
  let going = false;
  /** In an object, since handlers set them behind the compiler's back. */
  const heard: { answer?: MergeEnded } = {};
  setHandler(standInQuery, () => s);
  setHandler(grantedSignal, (given) => {
    grant = given;
  });
  setHandler(grantRefusedSignal, ({ reason }) => {
    refused = reason;
  });
  setHandler(mergeEndedSignal, (given) => {
    heard.answer = given;
  });
  setHandler(goSignal, ({ then }) => {
    going = true;
    if (then !== undefined) script.then = then;
  });

  const { workflowId } = workflowInfo();
  const rig = input.rig === undefined ? undefined : getExternalWorkflowHandle(rigWorkflowId(input.rig));
  const tell = async (
    name: string,
    payload: GrantRequest | ReturnGrant | MergeRequest | { item: string; sha: string },
  ): Promise<void> => rig?.signal(name, payload);
  const move = async (status: BeadStatus, reason = ''): Promise<void> => {
    Object.assign(s, { status, reason });
    if (input.convoy === undefined) return;
    const { mergedSha } = s.landing;
    const report: BeadReport = {
      bead: input.bead,
      status,
      reason,
      merged: mergedSha !== undefined,
      sha: mergedSha,
    };
    await getExternalWorkflowHandle(convoyWorkflowId(input.convoy))
      .signal(convoyMessages.beadReport, report)
      .catch(() => undefined);
  };
  const request: GrantRequest = { bead: input.bead, workflowId, priority: input.priority ?? 3, since: Date.now() };
  let holding = false;

  const attempt = async (ends: 'done' | 'lost' | 'failed' | 'hangs'): Promise<void> => {
    if (script.free !== true) {
      await tell(rigMessages.askGrant, request);
      await condition(() => grant !== undefined || refused !== undefined);
      if (refused !== undefined) return move('blocked', refused);
    }
    holding = script.free !== true;
    s.ran.push({
      from: Date.now(),
      probe: grant?.probe === true,
      version: grant?.version,
    });
    await move('in_progress');
    if (ends === 'hangs') await condition(() => going);
    else await sleep(script.works ?? 60_000);
    await back(ends === 'lost', ends !== 'lost');
  };
  const back = async (infraLoss: boolean, progress: boolean): Promise<void> => {
    const last = s.ran.at(-1);
    if (last) last.to = Date.now();
    grant = undefined;
    if (holding) await tell(rigMessages.returnGrant, { bead: input.bead, infraLoss, progress });
    holding = false;
  };
  const land = async (): Promise<void> => {
    await move('in_review');
    if (script.approval !== undefined) await sleep(script.approval);
    const sha =
      s.ran.length.toString(16).padStart(8, '0') +
      workflowId
        .split('')
        .map((letter) => letter.charCodeAt(0).toString(16))
        .join('')
        .padEnd(32, 'f')
        .slice(0, 32);
    delete heard.answer;
    const outcome = (): MergeEnded | undefined => heard.answer;
    await tell(rigMessages.enqueueMerge, {
      item: input.bead,
      workflowId,
      branch: `heartbead/${input.bead}/1-aaaa`,
      sha,
      target: input.target ?? '',
      priority: input.priority ?? 3,
      since: request.since,
      title: input.title,
    });
    await condition(() => heard.answer !== undefined).catch(async (error: unknown) => {
      if (!isCancellation(error)) throw error;
      // As a bead does: the refinery's answer decides.
      await CancellationScope.nonCancellable(async () => {
        await tell(rigMessages.withdrawMerge, { item: input.bead, sha });
        await condition(() => heard.answer !== undefined);
      });
      if (outcome()?.result.outcome !== 'merged') throw error;
    });
    s.merges.push(outcome()?.result.outcome ?? '');
    const answer = outcome();
    if (answer?.result.outcome === 'merged') s.landing.mergedSha = answer.result.sha;
  };

  try {
    const attempts = [...(script.attempts ?? ['done'])];
    let n = 0;
    for (;;) {
      const ends = attempts[Math.min(n, attempts.length - 1)] ?? 'done';
      n += 1;
      await attempt(ends);
      if (refused !== undefined) await condition(() => false);
      if (ends === 'lost' || ends === 'failed') continue;
      if (script.then === 'closed') return await move('closed', 'by a hand that knew no rig');
      if (script.then === 'failed') return await move('failed', 'its input was no good');
      if (script.then === 'blocked') {
        await move('blocked', 'asks for help');
        going = false;
        await condition(() => going);
      }
      if (script.then === 'merged') s.landing.mergedSha = (Date.now() % 1e9).toString(16).padStart(40, '0');
      else await land();
      if (s.landing.mergedSha !== undefined) return await move('closed');
    }
  } catch (error) {
    if (!isCancellation(error)) throw error;
    return await CancellationScope.nonCancellable(async () => {
      s.cancelled = true;
      await back(false, false);
      await move('cancelled', 'cancelled by an operator');
      throw new CancelledFailure('cancelled');
    });
  }
}
