import { mayEnd } from './script.js';
import type { Script } from './script.js';

/**
 * @returns the smallest script found that still `breaks`: steps, beads and attempts are left out one after the other,
 * as long as that helps.
 */
export async function shrink(script: Script, breaks: (script: Script) => Promise<boolean>): Promise<Script> {
  let best = script;
  for (let smaller = true; smaller;) {
    smaller = false;
    for (const candidate of candidates(best)) {
      if (!(await breaks(candidate))) continue;
      best = candidate;
      smaller = true;
      break;
    }
  }
  return best;
}

/**
 * @returns whether two problems are breaches of one rule: the same words, whichever bead, attempt or instant they name.
 * A smaller script that breaks another rule explains nothing.
 */
export function sameRule(one: string, other: string | undefined): boolean {
  return other !== undefined && ruleIn(one) === ruleIn(other);
}

const ruleIn = (problem: string): string =>
  problem
    .replace(/^(?:bead|rig|convoy) [^:]+: /, '')
    .replace(/[:(][^]*$/, '')
    .replace(/\d[\w.:-]*/g, '#');

/** The time of a step that is left out is kept: what follows happens when it did. */
function* candidates(script: Script): Generator<Script> {
  for (const [index, step] of script.steps.entries()) {
    const steps = script.steps.flatMap((one, at) =>
      at === index ? [] : at === index + 1 ? [{ ...one, after: one.after + step.after }] : [one],
    );
    yield { ...script, steps };
  }
  const { fleet } = script;
  if (fleet !== undefined) yield { ...script, fleet: undefined };
  if (fleet?.convoy !== undefined) {
    yield { ...script, fleet: { ...fleet, convoy: undefined } };
    const { needs, agents } = fleet.convoy;
    if (needs.length > 1)
      yield {
        ...script,
        fleet: { ...fleet, convoy: { ...fleet.convoy, needs: needs.slice(0, -1), agents: agents.slice(0, -1) } },
      };
  }
  const last = script.beads.length - 1;
  if (last > 0 && !script.steps.some(({ fault }) => 'bead' in fault && fault.bead === last))
    yield { ...script, beads: script.beads.slice(0, last) };
  for (const [index, agents] of script.beads.entries()) {
    for (const agent of agents) {
      const rest = agents.filter((one) => one !== agent);
      if (mayEnd(rest)) yield { ...script, beads: script.beads.map((one, at) => (at === index ? rest : one)) };
    }
  }
}
