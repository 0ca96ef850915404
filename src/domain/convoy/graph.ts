/** The graph of a convoy: what is wrong with it, and who needs whom. @module */
import {
  beadIdProblem,
  bodyProblem,
  clip,
  convoyBeadId,
  convoyPolicies,
  maxConvoyBeads,
  maxConvoyBytes,
  titleProblem,
} from '../../contract/index.js';
import type { ConvoyBead, ConvoySpec } from '../../contract/index.js';
import { rigNameProblem } from '../rig/settings.js';
import { utf8Bytes } from '../words.js';

type Node = Pick<ConvoyBead, 'id' | 'needs'>;

/** @returns what is wrong with a convoy's id, or undefined. It becomes part of the ids of its beads. */
export const convoyIdProblem = (id: unknown): string | undefined =>
  beadIdProblem(id)?.replace('a bead id', 'a convoy id');

/**
 * Everything that can be said against a convoy before it starts; one rule for the CLI, the client and the workflow.
 * @param spec unchecked: it may come from anybody who can start a workflow.
 * @param weighsNeeds as convoys of earlier builds did not: `false` is for their histories.
 * @returns one sentence, or undefined.
 */
export function convoyProblem(spec: unknown, weighsNeeds = true): string | undefined {
  if (typeof spec !== 'object' || spec === null)
    return 'a convoy is one object: {convoy, title, rig, beads, policy, target, staged}';
  const s = spec as Partial<ConvoySpec>;
  const problem =
    convoyIdProblem(s.convoy) ??
    titleProblem(s.title)?.replace('a bead needs', 'a convoy needs') ??
    rigNameProblem(s.rig) ??
    (convoyPolicies.some((known) => known === s.policy)
      ? undefined
      : `the policy of a convoy is one of ${convoyPolicies.join(', ')}`) ??
    (s.target === 'base' || s.target === 'integration' ? undefined : 'the target of a convoy is base or integration') ??
    (typeof s.staged === 'boolean' ? undefined : 'staged is true or false') ??
    (Array.isArray(s.beads) ? undefined : 'the beads of a convoy are a list');
  if (problem !== undefined) return problem;
  if (s.beads?.length === 0) return 'a convoy needs at least one bead';
  return beadsProblem(s.convoy ?? '', s.beads ?? [], weighsNeeds);
}

/** @returns what is wrong with the beads of a convoy, taken together, or undefined. */
export function beadsProblem(convoy: string, beads: readonly ConvoyBead[], weighsNeeds = true): string | undefined {
  if (beads.length > maxConvoyBeads)
    return `a convoy has at most ${maxConvoyBeads} beads, this one has ${beads.length}; split it into several`;
  for (const [index, bead] of beads.entries()) {
    const problem = beadProblem(convoy, bead);
    if (problem !== undefined)
      return `bead ${typeof bead?.id === 'string' && bead.id !== '' ? bead.id : `number ${index + 1}`}: ${problem}`;
  }
  const ids = new Set<string>();
  for (const { id } of beads) {
    if (ids.has(id)) return `two beads are named ${id}`;
    ids.add(id);
  }
  for (const { id, needs } of beads) {
    const unknown = needs.find((need) => !ids.has(need));
    if (unknown !== undefined) return `bead ${id} needs ${unknown}, and the convoy has no such bead`;
  }
  const cycle = findCycle(beads);
  if (cycle !== undefined) return `these beads wait for each other: ${clip(cycle.join(' needs '))}`;
  const bytes = beads.reduce((sum, { title, body }) => sum + utf8Bytes(title) + utf8Bytes(body ?? ''), 0);
  // Each with its quotation marks and a comma.
  const ofNeeds = weighsNeeds ? beads.reduce((sum, { needs }) => sum + needs.join('","').length + 2, 0) : 0;
  if (bytes + ofNeeds > maxConvoyBytes)
    return (
      `the titles, bodies and needs of a convoy have at most ${maxConvoyBytes} bytes together, these have ` +
      `${bytes + ofNeeds}; ` +
      (ofNeeds > bytes
        ? 'name only what a bead needs directly, or split the convoy'
        : 'put long material into the repository and name the files')
    );
  return undefined;
}

function beadProblem(convoy: string, bead: ConvoyBead): string | undefined {
  if (typeof bead !== 'object' || bead === null) return 'a bead of a convoy is one object: {id, title, needs, …}';
  const { id, title, body, needs, priority, agent } = bead as { [K in keyof ConvoyBead]: unknown };
  const wrongId = beadIdProblem(id) ?? beadIdProblem(convoyBeadId(convoy, String(id)));
  if (wrongId !== undefined)
    return beadIdProblem(id) ?? `its own id would be ${convoyBeadId(convoy, String(id))}, and ${wrongId}`;
  if (!Array.isArray(needs) || !needs.every((need) => typeof need === 'string'))
    return 'needs is a list of ids of beads of this convoy';
  if (new Set(needs).size !== needs.length) return 'it names the same need twice';
  return (
    titleProblem(title) ??
    (body === undefined ? undefined : bodyProblem(body, typeof body === 'string' ? utf8Bytes(body) : 0)) ??
    (priority === undefined ||
    (typeof priority === 'number' && Number.isInteger(priority) && priority >= 1 && priority <= 5)
      ? undefined
      : 'a priority is a whole number from 1 (first) to 5 (last)') ??
    (agent === undefined ||
    (typeof agent === 'object' && agent !== null && typeof (agent as { adapter?: unknown }).adapter === 'string')
      ? undefined
      : 'an agent is an object: {adapter: "shell" | "demo" | …}')
  );
}

/** @returns a cycle as a path that ends where it began (`a, b, a`), or undefined. All needs are known. */
export function findCycle(beads: readonly Node[]): string[] | undefined {
  const needs = new Map(beads.map((bead) => [bead.id, bead.needs]));
  const done = new Set<string>();
  for (const { id } of beads) {
    // A path of its own instead of the call stack: a chain may be as long as the convoy.
    const path: { id: string; next: number }[] = done.has(id) ? [] : [{ id, next: 0 }];
    const onPath = new Set(path.map((step) => step.id));
    for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
      const need = needs.get(step.id)?.[step.next];
      step.next += 1;
      if (need === undefined) {
        done.add(step.id);
        onPath.delete(step.id);
        path.pop();
      } else if (onPath.has(need)) {
        return [...path.slice(path.findIndex((other) => other.id === need)).map((other) => other.id), need];
      } else if (!done.has(need)) {
        path.push({ id: need, next: 0 });
        onPath.add(need);
      }
    }
  }
  return undefined;
}

/** @returns the ids of all beads that need one of these, directly or through others. */
export function dependantsOf(beads: readonly Node[], ids: Iterable<string>): Set<string> {
  const found = new Set<string>();
  const from = new Set(ids);
  for (let grown = true; grown;) {
    grown = false;
    for (const { id, needs } of beads) {
      if (found.has(id) || !needs.some((need) => from.has(need) || found.has(need))) continue;
      found.add(id);
      grown = true;
    }
  }
  return found;
}
