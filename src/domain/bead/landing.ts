/**
 * What a bead with a rig does besides running attempts: it asks leave for each, waits for approval, stands in the merge
 * queue, and goes round again on a conflict or a failed check. Part of `step.ts`, kept apart because a bead
 * without a rig has none of it.
 * @module
 */
import {
  clip,
  clipStart,
  isFinal,
  limits,
  mergedBy,
  readClocks,
  refNames,
  sharedCauses,
} from '../../contract/index.js';
import type {
  AgentSpec,
  BeadState,
  Evidence,
  Granted,
  Landing,
  MergeEnded,
  MergeOutcome,
  MergeRequest,
  ReturnGrant,
  SharedCause,
  GrantRefused,
  GrantRequest,
} from '../../contract/index.js';
import { landsOn } from '../approval/approval.js';
import { needsKey } from '../approval/needs-key.js';
import { nextPaidStart } from './accounts.js';
import { mergeBudgets, mergeClocks } from '../clocks.js';
import type { BeadDraft } from './draft.js';
import { workspaceOf } from '../rig/settings.js';
import { durationText, firstOf, shortSha } from '../words.js';
import { usageProblem } from './usage.js';

export type LandingEvent =
  | { type: 'askedGrant' }
  | { type: 'granted'; grant: Granted }
  | { type: 'grantReturned' }
  /**
   * Its rig has seen that what had blocked it, and others, is mended; `ordered`: an operator says so. `keeps`: what it
   * has used up, and how far apart its paid starts are, stays.
   */
  | { type: 'causeGone'; ordered?: true | undefined; keeps?: true }
  | { type: 'rigGone'; text: string }
  | { type: 'grantRefused'; refused: GrantRefused }
  | { type: 'enqueued'; sha: string }
  | { type: 'withdrawTold' }
  /** `spaced`: what goes round again waits like any other start that has led to nothing. */
  | { type: 'mergeEnded'; ended: MergeEnded; spaced?: true }
  | { type: 'approve'; by: string; signature?: string | undefined }
  | { type: 'requestChanges'; feedback: string }
  /** After a retry by a person: the verified work that could not be merged goes back into the queue. */
  | { type: 'offeredAgain' };

/** What a bead says to its rig; one at a time. */
export type RigWord = 'askGrant' | 'returnGrant' | 'enqueue' | 'withdraw';

/** @returns what the rig has to be told now. */
export function wordToRig(s: BeadState): RigWord | undefined {
  const { landing } = s;
  if (landing === undefined || s.current !== undefined) return undefined;
  const over = s.status === 'closed' || s.status === 'cancelled' || s.status === 'failed';
  const idle = s.paused || s.cancelling || s.wait?.for === 'person' || over;
  if (landing.grant === 'spent' || (idle && landing.grant !== 'none')) return 'returnGrant';
  if (over) return undefined;
  // The refinery is asked once to let go; its answer ends the wait.
  if (landing.withdrawing === true && landing.withdrawTold !== true && landing.queuedSha !== undefined)
    return 'withdraw';
  if (s.wait?.for === 'merge' && landing.queuedSha === undefined && !s.cancelling) return 'enqueue';
  if (s.wait === undefined && s.salvage === undefined && s.unpushed === undefined && landing.grant === 'none' && !idle)
    return 'askGrant';
  return undefined;
}

/**
 * @returns whether a word that has not reached the rig yet need not reach it any more: it would be taken back at once,
 * or has been answered. A grant that goes back, and a wish that is taken back, the rig has to hear of in any case.
 */
export function wordIsMoot(s: BeadState, word: RigWord): boolean {
  const { landing } = s;
  switch (word) {
    case 'askGrant':
      return landing?.grant !== 'asked' || wordToRig(s) !== undefined;
    case 'enqueue':
      return landing?.queuedSha === undefined || wordToRig(s) !== undefined;
    case 'returnGrant':
    case 'withdraw':
      return false;
    default:
      return word satisfies never;
  }
}

/**
 * @returns a name for the agent that a bead's next attempt runs, equal for beads that run the same one in the same way.
 */
function agentName({ agentSpec, landing }: BeadState): string {
  if (landing?.rigsAgent === true || agentSpec.adapter === 'rig') return 'rig';
  return `${agentSpec.adapter}#${digest(agentSpec)}`;
}

/** FNV-1a: there is no crypto in a workflow, and nobody gains by a collision. */
function digest(spec: AgentSpec): string {
  let hash = 0x811c9dc5;
  for (const char of JSON.stringify(spec)) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash.toString(16);
}

/** @returns how the bead asks its rig for leave. */
export function grantRequest(s: BeadState, workflowId: string): GrantRequest {
  const { bead, priority, createdAt: since, landing } = s;
  return { bead, workflowId, priority, since, agent: agentName(s), retried: landing?.retried };
}

/** @returns what the bead asks its rig to merge. */
export const mergeRequest = (s: BeadState, workflowId: string): MergeRequest => ({
  item: s.bead,
  workflowId,
  branch: s.branch ?? '',
  sha: s.sha ?? '',
  target: landsOn(s),
  priority: s.priority,
  since: s.createdAt,
  title: s.title,
  began: landsOn(s) === (s.base ?? '') ? s.baseSha : undefined,
  approval: s.landing?.signed,
});

/** @returns what the bead tells its rig of the attempt that its grant was spent on. Words alone are no progress. */
export function grantReturn(s: BeadState): ReturnGrant {
  const { bead, attempts, landing } = s;
  const last = attempts.at(-1);
  const reached = last?.progress === true ? 'progress' : last?.spawnedAt === undefined ? 'nothing' : 'spawned';
  return {
    bead,
    infraLoss: last?.outcome === 'lost',
    progress: last?.saved === true || last?.outcome === 'done',
    // A grant that goes back unused says nothing of an attempt.
    end:
      last?.outcome === undefined || landing?.grant !== 'spent'
        ? undefined
        : {
            // A remote that is away for a while is nobody's cause.
            outcome: last.outcome === 'push_refused' && s.wait?.for !== 'person' ? 'stopped' : last.outcome,
            reason: last.reason ?? '',
            agent: agentName(s),
            host: last.host,
            reached,
            fruitless: landing.fruitless ?? 0,
            usd: last.usage?.costUsd ?? 0,
          },
  };
}

/** @returns the cause by which a bead is blocked, and others most likely too. */
export function sharedCauseOf({ wait, attempts }: BeadState): SharedCause | undefined {
  const last = attempts.at(-1)?.outcome;
  return wait?.for === 'person' ? sharedCauses.find((cause) => cause === last) : undefined;
}

/** @returns what the attempt that tries a shared cause has newly got to; its rig waits to hear of it. */
export function newlyReached(before: BeadState, after: BeadState): 'spawned' | 'progress' | undefined {
  const { current } = after;
  if (after.landing?.ahead !== true || current === undefined || current.id !== before.current?.id) return undefined;
  if (before.current.firstProgressAt === undefined && current.firstProgressAt !== undefined) return 'progress';
  return before.current.spawnedAt === undefined && current.spawnedAt !== undefined ? 'spawned' : undefined;
}

/** @returns whether a new attempt may be dispatched as far as the rig is concerned. */
export const mayDispatch = (s: BeadState): boolean => s.landing === undefined || s.landing.grant === 'held';

/** The evidence has been seen: a bead with a rig now has to land. */
export function beginLanding(
  draft: BeadDraft,
  landing: Landing,
  evidence: Extract<Evidence, { verdict: 'verified' }>,
): void {
  const { s } = draft;
  s.branch = evidence.branch;
  s.sha = evidence.sha;
  s.baseSha = evidence.baseSha;
  delete landing.toRework;
  draft.tell(`verified on the remote: ${evidence.branch} at ${shortSha(evidence.sha)}, ${evidence.ahead} ahead`);
  if (landing.approval && landing.approvedSha !== evidence.sha) {
    const reason = `${evidence.branch} at ${shortSha(evidence.sha)} waits for approval`;
    return awaitApproval(draft, beforeMerge(s), reason);
  }
  toQueue(draft);
}

function toQueue({ s, now }: BeadDraft): void {
  if (s.attention === 'approval') delete s.attention;
  s.wait = { for: 'merge', since: now, text: 'waits for the refinery' };
  s.reason = `${s.branch ?? 'its branch'} waits for the refinery of rig ${s.rig ?? ''}`;
}

/** What has to be done before work without approval is merged. */
const beforeMerge = (s: BeadState): string =>
  `${needsKey(s) ? 'an approver has to sign the work' : 'a person has to approve the work'} before it is merged`;

/** @param text what has to be done. @param reason why it waits. */
function awaitApproval({ s, now }: BeadDraft, text: string, reason: string): void {
  s.wait = { for: 'approval', since: now, text };
  s.reason = reason;
  s.attention = 'approval';
}

/** What a person may do about a rig that refuses a place. */
const refusalFix = ({ rig = '', bead }: BeadState, { full }: GrantRefused): string =>
  full === true
    ? `wait until some of them have begun, or give rig ${rig} more agents (heartbead rig set ${rig} --max-agents ` +
      `N), then heartbead retry ${bead}`
    : `add the rig ${rig} (heartbead rig add), then retry the bead`;

/** One event of the landing. The caller has made sure that the bead has not ended. */
export function stepLanding(draft: BeadDraft, landing: Landing, event: LandingEvent): void {
  const { s, now } = draft;
  switch (event.type) {
    case 'askedGrant':
      landing.grant = 'asked';
      delete landing.retried;
      s.wait = {
        for: 'grant',
        since: now,
        text:
          `rig ${s.rig ?? ''} has not granted an agent yet (its limit, its pause, its breaker, or a cause that ` +
          'stops it)',
      };
      s.reason = `waits for rig ${s.rig ?? ''} to grant an agent`;
      return;
    case 'granted':
      if (landing.grant !== 'asked') return;
      landing.grant = 'held';
      landing.version = event.grant.version;
      landing.approval = event.grant.settings.approval;
      landing.approvers = event.grant.settings.approvers;
      landing.ahead = event.grant.ahead;
      applySettings(s, event.grant);
      if (s.wait?.for === 'grant') delete s.wait;
      return;
    case 'grantReturned':
      landing.grant = 'none';
      delete landing.fruitless;
      if (s.wait?.for === 'grant') delete s.wait;
      return;
    case 'rigGone':
      landing.grant = 'none';
      delete landing.queuedSha;
      if (s.cancelling)
        return draft.finish('cancelled', 'cancelled by an operator; its rig is gone, nothing was merged');
      return draft.block(event.text, `add the rig ${s.rig ?? ''} (heartbead rig add), then retry the bead`);
    case 'grantRefused':
      // A late answer, about a request that the bead has taken back.
      if (landing.grant !== 'asked' || s.cancelling) return;
      landing.grant = 'none';
      return draft.block(event.refused.reason, refusalFix(s, event.refused));
    case 'enqueued':
      landing.queuedSha = event.sha;
      return;
    case 'withdrawTold':
      landing.withdrawTold = true;
      return;
    case 'approve':
      if (s.wait?.for !== 'approval' || s.sha === undefined) return;
      landing.approvedSha = s.sha;
      landing.signed =
        event.signature === undefined ? undefined : { signature: event.signature, found: landing.foreignSha };
      draft.tell(`approved by ${event.by}`);
      return toQueue(draft);
    case 'requestChanges':
      if (s.wait?.for !== 'approval') return;
      return rework(draft, landing, 'changes were requested', `A reviewer asks for changes: ${event.feedback}`);
    case 'causeGone':
      // Told by the caller's own rule for a retry.
      return;
    case 'offeredAgain':
      return mayOfferAgain(s) ? toQueue(draft) : undefined;
    case 'mergeEnded':
      return mergeEnded(draft, landing, event.ended, event.spaced);
  }
}

/** Settings apply to the next attempt: what the bead's own sling said stays only where the rig says nothing. */
function applySettings(s: BeadState, { settings }: Granted): void {
  s.repo = settings.repo;
  if (settings.base !== undefined) s.base = settings.base;
  // Whatever the rig's agent is now: a wrong one may have been mended since the last attempt.
  if (s.landing && s.agentSpec.adapter === 'rig') s.landing.rigsAgent = true;
  if (s.landing?.rigsAgent === true) s.agentSpec = settings.agent;
  s.workspace = workspaceOf(settings);
  if (settings.clocks !== undefined) s.clocks = mergeClocks({ ...readClocks(settings.clocks), ...s.ownClocks });
  if (settings.budgets !== undefined) s.budgets = { ...mergeBudgets(settings.budgets), ...s.ownBudgets };
}

function mergeEnded(draft: BeadDraft, landing: Landing, ended: MergeEnded, spaced = false): void {
  const { s } = draft;
  // About a commit that the bead no longer offers: a late answer.
  if (ended.sha !== landing.queuedSha) return;
  delete landing.queuedSha;
  delete landing.withdrawing;
  delete landing.withdrawTold;
  const { result } = ended;
  if (result.outcome === 'merged') {
    if (result.foreign === true && landing.approval && landing.foreignSha !== result.sha && !s.cancelling) {
      // What was approved was a merge by the refinery; that it is there already is news to whoever approved.
      landing.foreignSha = result.sha;
      delete landing.approvedSha;
      delete landing.signed;
      const where = `${result.target} has it already as ${shortSha(result.sha)}, and not by the refinery`;
      awaitApproval(
        draft,
        `${where}: a person has to say that it may stay`,
        `${where} (its agent, or somebody else, pushed or merged it): look at it, then approve the bead, or mend ` +
          'the branch and request changes',
      );
      return draft.tell(`not taken as approved: ${where}`);
    }
    landing.mergedSha = result.sha;
    const late = s.cancelling ? ' (before the cancel took effect)' : '';
    return draft.finish(
      'closed',
      mergedBy(result.strategy) === 'nobody'
        ? `pushed as ${s.branch ?? 'its branch'}; this rig merges nothing${late}`
        : result.foreign === true
          ? `${result.target} had it already as ${shortSha(result.sha)}, not by the refinery; the checks pass ` +
            `there${late}`
          : `merged into ${result.target} as ${shortSha(result.sha)}${late}`,
    );
  }
  if (s.cancelling) return draft.finish('cancelled', 'cancelled by an operator before its merge; its branch is kept');
  if (result.outcome === 'error' && result.approvers !== undefined) {
    // The keys may be newer than the bead's grant: from now on it asks for one of these.
    landing.approval = true;
    landing.approvers = result.approvers;
    delete landing.approvedSha;
    delete landing.signed;
    awaitApproval(draft, beforeMerge(s), result.reason);
    return draft.tell(`not merged: ${result.reason}`);
  }
  delete s.wait;
  switch (result.outcome) {
    case 'conflict': {
      const paths = some(result.paths);
      return rework(
        draft,
        landing,
        `conflict with ${result.target} in ${paths}`,
        `Your branch conflicts with ${result.target} (at ${shortSha(result.targetSha)}). Run \`git merge ` +
          `origin/${result.target}\` (it is there as it was when this attempt began), resolve the conflicts, ` +
          `commit, and report done. The conflicts are in: ${paths}.`,
        spaced,
      );
    }
    case 'unrelated':
      if (result.lost !== undefined)
        return rework(
          draft,
          landing,
          `${result.target} was rewritten, and has lost ${shortSha(result.lost)}, on which the work builds`,
          `${result.target} has been rewritten since your work (${s.sha ?? '?'}) began: it has no longer ` +
            `${result.lost}, on which your commits build, and to merge them would bring back what was taken out. ` +
            'The next attempt begins at the base as it is now: bring your own changes there (`git cherry-pick ' +
            `${result.lost}..${s.sha ?? 'COMMIT'}\`, or \`git checkout ${s.sha ?? 'COMMIT'} -- PATH\`), and nothing ` +
            'else of what was before; commit, and report done.',
          spaced,
        );
      return rework(
        draft,
        landing,
        `no commit in common with ${result.target}`,
        `Your work (${s.sha ?? '?'}) has no commit in common with ${result.target} (at ` +
          `${shortSha(result.targetSha)}), so that it cannot be merged. The next attempt begins at the base: ` +
          `bring your changes there (\`git checkout ${s.sha ?? 'COMMIT'} -- PATH\`), commit, and report done.`,
        spaced,
      );
    case 'checks_failed': {
      const how = result.timedOut ? 'did not end in time' : 'failed';
      const said = `The check "${result.check}" ${how} on your work merged with its target. Its last output:\n`;
      return rework(
        draft,
        landing,
        `check ${result.check} ${how} on the merged tree`,
        said + clipStart(result.logTail, limits.textChars - said.length),
        spaced,
      );
    }
    case 'changes_requested': {
      const said =
        `A reviewer has requested changes at ${result.url}. Make them on top of your work, commit, and report ` +
        'done. What reviewers say there:\n';
      return rework(
        draft,
        landing,
        `changes requested at ${result.url}`,
        said + clipStart(result.text, limits.textChars - said.length),
        spaced,
      );
    }
    case 'push_rejected':
      return draft.block(
        `the merge could not be pushed: ${result.reason}`,
        'mend what the remote objects to, then retry the bead: it goes back into the queue',
      );
    case 'error':
      return draft.block(
        `the merge failed: ${result.reason}`,
        'mend what the reason names, then retry the bead: it goes back into the queue',
      );
  }
}

/** Paths for people and prompts: twenty are enough to begin with, and git itself names the others. */
const some = (paths: readonly string[]): string =>
  firstOf(
    paths.map((path) => clipStart(path, 80)),
    20,
  );

/** Round again, on the same line of commits: the next attempt goes on from the branch as it was verified. */
function rework(draft: BeadDraft, landing: Landing, why: string, advice: string, spaced = false): void {
  const { s, now } = draft;
  const { unlanded } = landing;
  delete landing.unlanded;
  if (spaced) {
    s.paid = unlanded;
    draft.fruitless();
  }
  if (s.attention === 'approval') delete s.attention;
  s.used.reworkRounds += 1;
  const last = s.attempts.at(-1);
  if (s.sha !== undefined && last !== undefined)
    s.checkpoint = { sha: s.sha, ref: refNames(s.workspace?.refPrefix).branchRef(s.bead, last.id), wip: false };
  delete landing.approvedSha;
  delete landing.signed;
  landing.toRework = true;
  draft.tell(`rework ${s.used.reworkRounds}: ${why}`);
  s.messages = [
    ...s.messages,
    { id: `rework-${s.used.reworkRounds}-${draft.now}`, from: 'heartbead', at: draft.now, text: clip(advice) },
  ];
  if (s.used.reworkRounds > s.budgets.reworkRounds) {
    return draft.block(
      `${s.budgets.reworkRounds} rounds of rework did not help; the last one: ${why}`,
      'read the attempts and the messages, mend the cause or nudge with advice, then retry the bead',
    );
  }
  const usedUp = usageProblem(s);
  if (usedUp !== undefined)
    return draft.block(
      `${usedUp}; there is rework to do: ${why}`,
      'look at what it was used for (heartbead show), then retry the bead: its budget counts anew from there',
    );
  delete s.wait;
  const round = `rework ${s.used.reworkRounds} of ${s.budgets.reworkRounds}: ${why}`;
  const delay = nextPaidStart(s.paid) - now;
  s.reason = delay > 0 ? `waits ${durationText(delay)} before ${round}` : round;
  if (delay > 0) s.wait = { for: 'backoff', until: now + delay, text: round };
}

/** Ends of a merge after which an agent is paid for once more. */
const goesRound: Partial<Record<MergeOutcome['outcome'], true>> = {
  conflict: true,
  unrelated: true,
  checks_failed: true,
  changes_requested: true,
};

/** @returns whether the answer sends the work that the bead offers round again. */
export const toldToGoRound = ({ landing, cancelling }: BeadState, { sha, result }: MergeEnded): boolean =>
  goesRound[result.outcome] === true && landing?.queuedSha === sha && !cancelling;

/** @returns whether what was verified last may be merged as it is, and nothing else is under way. */
export function mayOfferAgain(s: BeadState): boolean {
  const { landing, branch, sha } = s;
  if (
    landing === undefined ||
    isFinal(s.status) ||
    s.cancelling ||
    s.current !== undefined ||
    s.wait !== undefined ||
    s.salvage !== undefined
  )
    return false;
  const last = s.attempts.at(-1);
  return (
    branch !== undefined &&
    sha !== undefined &&
    last?.outcome === 'done' &&
    last.sha === sha &&
    landing.toRework !== true &&
    landing.mergedSha === undefined
  );
}

/**
 * The rule before the patch `a-retry-offers-verified-work`, kept so that older histories replay: an attempt that ended
 * with a checkpoint at its last commit, as most do, was taken for one to rework.
 */
export function retryLanding(draft: BeadDraft, landing: Landing): void {
  const { s } = draft;
  const last = s.attempts.at(-1);
  if (s.sha === undefined || s.branch === undefined || last?.outcome !== 'done' || s.checkpoint?.sha === s.sha) return;
  if (landing.mergedSha !== undefined) return;
  s.status = 'in_review';
  toQueue(draft);
}
