/** What the activities of a bead are given. @module */
import { clocksForAnyBuild } from '../../contract/index.js';
import type {
  BeadState,
  CurrentAttempt,
  HostAttemptInput,
  OfferWorkInput,
  StartAgentInput,
  StartMode,
  VerifyWorkInput,
} from '../../contract/index.js';

export function startInput(s: BeadState, attempt: CurrentAttempt, mode: StartMode, body: string): StartAgentInput {
  return {
    bead: s.bead,
    attempt: attempt.id,
    number: attempt.number,
    mode,
    title: s.title,
    body,
    repo: s.repo,
    base: s.base,
    baseSha: s.landing?.startSha,
    checkpoint: attempt.checkpoint,
    began: s.baseSha,
    agent: s.agentSpec,
    rig: s.rig,
    retriedAt: s.retriedAt,
    // Every host serves the runs of every build.
    clocks: clocksForAnyBuild(s.clocks),
    notes: s.notes,
    workspace: s.workspace,
    messages: s.messages.map(({ deliveredTo: _, ...message }) => message),
    session: s.session?.adapter === s.agentSpec.adapter ? s.session : undefined,
  };
}

/** What is to be verified: the work that the last attempt reported. */
export function verifyInput(s: BeadState): VerifyWorkInput {
  const last = s.attempts.at(-1);
  if (last === undefined || s.branch === undefined) throw new Error('a verification without an attempt and its branch');
  const { bead, repo, branch, base, baseSha, sha } = s;
  return { bead, attempt: last.id, repo, branch, base, baseSha, sha };
}

/** What is to be looked for: work that a lost attempt may have finished and pushed before it could say so. */
export function salvageInput(
  { bead, repo, base, baseSha }: BeadState,
  { attempt, branch, vouchKey }: NonNullable<BeadState['salvage']>,
): VerifyWorkInput {
  return { bead, attempt, repo, branch, base, baseSha, vouchKey };
}

export const offerInput = (
  { bead, repo }: BeadState,
  { attempt, sha }: NonNullable<BeadState['unpushed']>,
): OfferWorkInput => ({ bead, attempt, repo, sha });

/** The input of the short activities on the host of an attempt. */
export const hostInput = ({ bead, repo }: BeadState, attempt: string): HostAttemptInput => ({ bead, attempt, repo });
