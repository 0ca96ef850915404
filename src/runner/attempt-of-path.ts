import { agentEnvironment, attemptIdProblem, beadIdProblem } from '../contract/index.js';

/** Whose folder a path is in. */
export interface AttemptName {
  bead: string;
  attempt: string;
}

/** @returns the attempt whose folder (`attempts/<attempt>__<bead>`) a path is, or is in; the innermost one. */
export function attemptOfPath(path: string): AttemptName | undefined {
  const parts = path.split('/');
  for (let at = parts.length - 1; at > 0; at -= 1) {
    const [attempt, bead, more] = (parts[at] ?? '').split('__');
    if (parts[at - 1] !== 'attempts' || attempt === undefined || bead === undefined || more !== undefined) continue;
    if (attemptIdProblem(attempt) === undefined && beadIdProblem(bead) === undefined) return { bead, attempt };
  }
  return undefined;
}

/**
 * Some programs run the tools of all their conversations in one process that the first of them has started, with that
 * one's variables: what the second says would be taken for the word of the first, and close its bead.
 * @param env of the caller: what attempt it believes to be.
 * @param cwd of the caller.
 * @returns why a call must not be made, or undefined.
 */
export function strangerProblem(env: NodeJS.ProcessEnv, cwd: string): string | undefined {
  const here = attemptOfPath(cwd);
  const bead = env[agentEnvironment.bead];
  const attempt = env[agentEnvironment.attempt];
  if (here === undefined || bead === undefined || attempt === undefined) return undefined;
  if (here.bead === bead && here.attempt === attempt) return undefined;
  return (
    `this directory belongs to bead ${here.bead} (attempt ${here.attempt}), but the variables are those of bead ` +
    `${bead} (attempt ${attempt}): the program runs its tools in a process that another attempt has started; ` +
    'give each attempt a state of its own (docs/agents.md, "Programs with a daemon")'
  );
}
