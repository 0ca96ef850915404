/** Why an order of an operator makes no sense to a bead now. @module */
import { branchProblem, isFinal, limits, nulProblem } from '../../contract/index.js';
import type { AgentSpec, BeadState } from '../../contract/index.js';
import { signedApprovalProblem } from '../approval/approval.js';
import { agentOfBeadProblem } from './input.js';

/** @returns why a bead takes no orders any more, or undefined. */
export function orderProblem(s: BeadState): string | undefined {
  if (isFinal(s.status)) return `the bead has ended: ${s.reason}`;
  return s.cancelling ? 'the bead is being cancelled' : undefined;
}

export const pauseProblem = (s: BeadState): string | undefined =>
  orderProblem(s) ?? (s.paused ? 'the bead is already paused' : undefined);

export const resumeProblem = (s: BeadState): string | undefined =>
  orderProblem(s) ?? (s.paused ? undefined : 'the bead is not paused');

/** @param text unchecked: it may come from anybody. */
export function nudgeProblem(s: BeadState, text: unknown): string | undefined {
  return (
    orderProblem(s) ??
    textProblem(text, 'a nudge', 'a text: {"text": "…"}') ??
    (s.messages.length >= limits.messagesKept ? `${s.messages.length} messages already wait for the agent` : undefined)
  );
}

/** @param now also give up an attempt that is suspect. */
export function retryBeadProblem(s: BeadState, now: boolean): string | undefined {
  const { current, wait } = s;
  const refused = orderProblem(s);
  if (refused !== undefined) return refused;
  if (current?.suspectSince !== undefined)
    return now
      ? undefined
      : 'the attempt is suspect and its adoption is being tried; retry with now overrides the wait, at the risk ' +
          'that its agent still runs on the host out of reach';
  if (current !== undefined)
    return `attempt ${current.number} is under way (agent ${s.agent}); there is nothing to retry`;
  return ['person', 'backoff', 'grant'].includes(wait?.for ?? '')
    ? undefined
    : `the bead is ${s.status}; there is nothing to retry`;
}

/**
 * @param change unchecked: what is to be otherwise from the next attempt on.
 * @returns why it cannot be.
 */
export function changeProblem(s: BeadState, { agent, base }: { agent?: unknown; base?: unknown }): string | undefined {
  if (base !== undefined) {
    if (s.rig !== undefined)
      return `the base of this bead is that of its rig: change it there (heartbead rig set ${s.rig} --base BRANCH)`;
    const problem = branchProblem(base);
    if (problem !== undefined) return problem;
  }
  if (agent === undefined) return undefined;
  const problem = agentOfBeadProblem(agent);
  if (problem !== undefined) return problem;
  return s.rig === undefined && (agent as AgentSpec).adapter === 'rig'
    ? 'this bead has no rig whose agent it could have'
    : undefined;
}

export const reviewProblem = (s: BeadState): string | undefined =>
  orderProblem(s) ?? (s.wait?.for === 'approval' ? undefined : `the bead does not wait for approval: ${s.reason}`);

/**
 * @param signature unchecked: it may come from anybody.
 * @param namespace the server's, which a signature names.
 */
export const approveProblem = (s: BeadState, signature: unknown, namespace: string): string | undefined =>
  reviewProblem(s) ?? signedApprovalProblem(s, signature, namespace);

/** @param feedback unchecked: it may come from anybody. */
export const requestChangesProblem = (s: BeadState, feedback: unknown): string | undefined =>
  reviewProblem(s) ?? textProblem(feedback, 'a request for changes', 'a feedback: {"feedback": "…"}', 'a feedback');

function textProblem(text: unknown, what: string, needs: string, name = what): string | undefined {
  if (typeof text !== 'string' || text.trim() === '') return `${what} needs ${needs}`;
  if (text.length > limits.textChars) return `${name} has at most ${limits.textChars} characters`;
  return nulProblem(text, name);
}
