import {
  beadIdProblem,
  bodyProblem,
  branchProblem,
  commandProblem,
  repoProblem,
  shaProblem,
  titleProblem,
} from '../../contract/index.js';
import type { BeadInput } from '../../contract/index.js';
import { budgetsProblem, clocksProblem, mergeBudgets, mergeClocks } from '../clocks.js';

/**
 * Everything that can be said against a bead before it starts; one rule for the CLI, the client and the workflow.
 * @param input unchecked: it may come from anybody who can start a workflow.
 * @param bodyBytes length of the body in UTF-8.
 * @returns one sentence, or undefined when the input is good.
 */
export function beadInputProblem(input: unknown, bodyBytes: (text: string) => number): string | undefined {
  if (typeof input !== 'object' || input === null)
    return 'a bead starts from one object: {bead, title, repo, agent, …}';
  const given = input as Partial<BeadInput>;
  const { agent, priority } = given;
  return (
    beadIdProblem(given.bead) ??
    titleProblem(given.title) ??
    repoProblem(given.repo) ??
    (given.base === undefined ? undefined : branchProblem(given.base)) ??
    (given.target === undefined ? undefined : branchProblem(given.target)) ??
    (given.baseSha === undefined ? undefined : shaProblem(given.baseSha)) ??
    (given.body === undefined
      ? undefined
      : bodyProblem(given.body, typeof given.body === 'string' ? bodyBytes(given.body) : 0)) ??
    agentOfBeadProblem(agent) ??
    (priority === undefined || (Number.isInteger(priority) && priority >= 1 && priority <= 5)
      ? undefined
      : 'a priority is a whole number from 1 (first) to 5 (last)') ??
    clocksProblem(mergeClocks(given.clocks)) ??
    budgetsProblem(mergeBudgets(given.budgets))
  );
}

/** @param agent unchecked: it may come from anybody. */
export function agentOfBeadProblem(agent: unknown): string | undefined {
  const given = agent as Partial<BeadInput['agent']> | null | undefined;
  if (typeof given !== 'object' || given === null || typeof given.adapter !== 'string' || given.adapter === '')
    return 'a bead needs an agent: {adapter: "shell" | "demo" | …}';
  return given.command === undefined ? undefined : commandProblem(given.command);
}
