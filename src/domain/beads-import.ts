/** From the issue tracker "beads" (one JSON object a line, `.beads/issues.jsonl`) to a convoy. @module */
import { clip, defaultPriority, limits } from '../contract/index.js';
import type { ConvoyBead } from '../contract/index.js';
import { firstOf } from './words.js';

/** How its lines become beads. */
export interface ImportOptions {
  /** Take deferred issues too. */
  deferred: boolean;
  /** Needs that the file does not have count as done, instead of being refused. */
  ignoreMissing: boolean;
  /** What statuses of the project's own mean: finished, or still to do. One that is in neither list is asked about. */
  doneStatuses?: readonly string[];
  openStatuses?: readonly string[];
  /** Milliseconds since the epoch: what the tracker hides until later is not to be worked on yet. */
  now: number;
}

/** What came of a file: beads of a convoy, and what a reader should know; or why it cannot be done. */
export type Imported = { beads: ConvoyBead[]; names: Record<string, string>; notes: string[] } | { problem: string };

interface Issue {
  id: string;
  title: string;
  body: string;
  status: string;
  type: string;
  priority: number;
  needs: string[];
  parents: string[];
  conditional: string[];
  /** Why it is no work whatever its type and status: it is a pattern, a passing thing, or kept where it is. */
  flag?: 'template' | 'wisp' | 'pinned' | 'deferred';
  /** When the tracker shows it again, in milliseconds since the epoch. */
  deferUntil?: number;
}

/** The tracker keeps mail, gates and its own machinery in the same file as the work. */
const noWork = new Set([
  'message',
  'event',
  'gate',
  'molecule',
  'merge-request',
  'agent',
  'role',
  'convoy',
  'slot',
  'rig',
]);
/** It marks that others are done: whoever needs it needs what it needs. */
const milestone = 'milestone';
const done = new Set(['closed', 'tombstone']);
/** Kept on purpose where they are: what is there to be read, and what is put on ice. */
const kept = new Set(['pinned', 'deferred']);
/** The tracker's own statuses of work that is still to do. */
const open = new Set(['open', 'in_progress', 'blocked', 'hooked']);
/** Statuses that are named in a question; each project has a few of its own at most. */
const statusesNamed = 5;

/**
 * Maps issues to beads: ids to letters that a bead may have, priorities 0 to 4 to 1 to 5, dependencies that block to
 * needs. Closed ones are skipped, and what needed them no longer does. An issue of any type with open children is their
 * container: needing it means needing them, and what it needs, they need. Only one that its own children wait for is
 * work beside them. Records that are no issues (the tracker's memories) are counted and left out, and so is what is on
 * ice, by its status, until a day, or with its parent.
 * @returns beads in the order of the file. Cycles are left to the convoy's own check.
 */
export function importBeads(
  text: string,
  { deferred, ignoreMissing, doneStatuses = [], openStatuses = [], now }: ImportOptions,
): Imported {
  const issues = new Map<string, Issue>();
  const others = new Map<string, number>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const issue = issueOf(line);
    if (typeof issue === 'string') return { problem: `line ${index + 1}: ${issue}` };
    if ('record' in issue) {
      others.set(issue.record, (others.get(issue.record) ?? 0) + 1);
      continue;
    }
    // The tracker appends: the last word on an issue counts.
    issues.set(issue.id, issue);
  }
  const notes = [...others].map(
    ([record, times]) =>
      `${times} ${times === 1 ? 'record' : 'records'} of type ${clip(record, 40)}, no issue, left out`,
  );
  const count = (word: string, found: Issue[]): void =>
    void (
      found.length > 0 &&
      notes.push(
        `${found.length} ${word}: ${found
          .slice(0, 5)
          .map(({ id }) => id)
          .join(', ')}${found.length > 5 ? ', …' : ''}`,
      )
    );
  const all = [...issues.values()];
  const finished = ({ status }: Issue): boolean => done.has(status) || doneStatuses.includes(status);
  const live = all.filter((issue) => !finished(issue));
  for (const issue of live)
    if (issue.flag === undefined && (issue.status === 'deferred' || (issue.deferUntil ?? now) > now))
      issue.flag = 'deferred';
  const flags = new Map(live.map((issue) => [issue.id, flagOf(issue, issues)]));
  const left = ({ id, status }: Issue): boolean => {
    const flag = flags.get(id);
    return flag === 'deferred' ? !deferred : flag !== undefined || status === 'pinned';
  };
  const taken = live.filter((issue) => !left(issue) && !noWork.has(issue.type) && issue.type !== milestone);
  const unknown = taken.filter(
    ({ status }) => !open.has(status) && !kept.has(status) && !openStatuses.includes(status),
  );
  if (unknown.length > 0) return { problem: statusQuestion(unknown) };
  const worked = new Set(taken.map(({ id }) => id));
  // Also below what is no work itself: an epic may hold its tasks by way of a molecule.
  const within = new Map<string, Issue[]>();
  for (const issue of live)
    for (const parent of new Set(issue.parents)) within.set(parent, [...(within.get(parent) ?? []), issue]);
  const holdsWork = (id: string, seen = new Set<string>()): boolean => {
    if (seen.has(id)) return false;
    seen.add(id);
    return (within.get(id) ?? []).some((child) => worked.has(child.id) || holdsWork(child.id, seen));
  };
  const children = (id: string): Issue[] =>
    (within.get(id) ?? []).filter((child) => worked.has(child.id) || holdsWork(child.id));
  const containers = new Set(
    live
      .filter(({ id, type }) => {
        const found = children(id);
        return found.length > 0 && (type === 'epic' || !found.some(({ needs }) => needs.includes(id)));
      })
      .map(({ id }) => id),
  );
  const work = taken.filter(({ id }) => !containers.has(id));
  count('closed, skipped', all.filter(finished));
  const flagged = (...which: (Issue['flag'] | undefined)[]): Issue[] =>
    live.filter(({ id }) => flags.get(id) !== undefined && which.includes(flags.get(id)));
  count('templates, left out', flagged('template'));
  count('wisps, which only pass through the tracker, left out', flagged('wisp'));
  count(
    'put on ice or pinned, left out (--deferred takes the deferred ones)',
    live.filter((issue) => left(issue) && !['template', 'wisp'].includes(flags.get(issue.id) ?? '')),
  );
  count(
    'no work for an agent (mail, gates and the like), left out',
    live.filter((issue) => !left(issue) && noWork.has(issue.type) && !containers.has(issue.id)),
  );
  count(
    'milestones, which stand for what they need',
    live.filter((issue) => !left(issue) && issue.type === milestone && !containers.has(issue.id)),
  );
  count(
    'epics and other parents, which stand for their children',
    live.filter(({ id }) => containers.has(id)),
  );
  count(
    'marked as in progress: see that nobody else is at them',
    work.filter(({ status }) => status === 'in_progress' || status === 'hooked'),
  );

  const conditional = work.find((issue) => issue.conditional.length > 0);
  if (conditional !== undefined)
    return {
      problem:
        `${conditional.id} is to run only if ${conditional.conditional.join(', ')} fails, which a convoy cannot ` +
        'promise; take that dependency out',
    };

  /** What has to be merged before: through containers down to work. */
  const leaves = (id: string, seen: Set<string>): Issue[] => {
    if (seen.has(id)) return [];
    seen.add(id);
    const issue = issues.get(id);
    if (issue === undefined) return [];
    return containers.has(id) ? children(id).flatMap((child) => leaves(child.id, seen)) : [issue];
  };
  /** Its own needs, and those of the containers it is in. */
  const needsOf = (issue: Issue, seen: Set<string>): string[] => {
    if (seen.has(issue.id)) return [];
    seen.add(issue.id);
    return [
      ...issue.needs,
      ...issue.parents.flatMap((parent) => (containers.has(parent) ? needsOf(issues.get(parent) as Issue, seen) : [])),
    ];
  };
  const throughMilestones = (id: string, seen: Set<string>): string[] => {
    const issue = issues.get(id);
    if (issue?.type !== milestone || finished(issue) || left(issue) || containers.has(id)) return [id];
    if (seen.has(id)) return [];
    seen.add(id);
    return needsOf(issue, new Set()).flatMap((need) => throughMilestones(need, seen));
  };

  const names = new Map<string, string>();
  for (const { id } of work) {
    const name = beadName(id);
    if (name === '')
      return { problem: `the id ${JSON.stringify(id)} has no letter or digit that a bead's id may have` };
    const twin = [...names].find(([, other]) => other === name)?.[0];
    if (twin !== undefined) return { problem: `${twin} and ${id} would both be named ${name}; rename one of them` };
    names.set(id, name);
  }
  const beads: ConvoyBead[] = [];
  for (const issue of work) {
    const needs = new Set<string>();
    for (const wanted of needsOf(issue, new Set()).flatMap((need) => throughMilestones(need, new Set()))) {
      if (!issues.has(wanted)) {
        if (!ignoreMissing)
          return {
            problem: `${issue.id} needs ${wanted}, which is not in the file; --ignore-missing takes it as done`,
          };
        notes.push(`${issue.id} needs ${wanted}, which is not in the file: taken as done`);
        continue;
      }
      for (const need of leaves(wanted, new Set())) {
        if (finished(need) || need.id === issue.id) continue;
        const name = names.get(need.id);
        if (name === undefined)
          return {
            problem:
              `${issue.id} needs ${need.id}, which is left out (${whyLeftOut(need, flags.get(need.id))}); close ` +
              `it, or take that dependency out${flags.get(need.id) === 'deferred' ? ', or use --deferred' : ''}`,
          };
        needs.add(name);
      }
    }
    beads.push({
      id: names.get(issue.id) as string,
      title: clip(issue.title, limits.titleChars),
      body: issue.body === '' ? undefined : issue.body,
      needs: [...needs],
      priority: issue.priority,
    });
  }
  return beads.length === 0
    ? { problem: all.length === 0 ? 'the file has no issues' : 'nothing in the file is open work' }
    : { beads, names: Object.fromEntries(names), notes };
}

/**
 * A step of a template is one as well, and so is what hangs on a wisp, or on what is on ice: the tracker sets the flag
 * at the root alone.
 */
function flagOf(issue: Issue, issues: ReadonlyMap<string, Issue>, seen = new Set<string>()): Issue['flag'] {
  if (issue.flag !== undefined || seen.has(issue.id)) return issue.flag;
  seen.add(issue.id);
  return issue.parents
    .map((id) => issues.get(id))
    .map((parent) => (parent === undefined ? undefined : flagOf(parent, issues, seen)))
    .find((flag) => flag === 'template' || flag === 'wisp' || flag === 'deferred');
}

function whyLeftOut({ type, status }: Issue, flag: Issue['flag']): string {
  if (flag !== undefined) return flag === 'pinned' || flag === 'deferred' ? `it is ${flag}` : `it is a ${flag}`;
  return noWork.has(type) ? `it is a ${type}` : `it is ${status}`;
}

/** A status of the project's own may mean "shipped" as well as "to be triaged": taking it for either costs money. */
function statusQuestion(unknown: readonly Issue[]): string {
  const statuses = [...new Set(unknown.map(({ status }) => status))];
  const told = statuses.slice(0, statusesNamed).map((status) => {
    const ids = unknown.filter((issue) => issue.status === status).map(({ id }) => id);
    return `${JSON.stringify(clip(status, 60))} ` + `(${firstOf(ids, 3)})`;
  });
  const more = statuses.length > told.length ? ` and ${statuses.length - told.length} more` : '';
  return (
    `the tracker itself has no status ${told.join(', ')}${more}; say what each means: --done-status NAME for ` +
    'finished work, --open-status NAME for work to do'
  );
}

/** @returns an id as a bead may have it: `bd-a1.2` becomes `bd-a1-2`. */
const beadName = (id: string): string =>
  id
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');

/** @returns the issue; the type of a record that is none; or what is wrong with the line. */
function issueOf(line: string): Issue | { record: string } | string {
  let read: unknown;
  try {
    read = JSON.parse(line);
  } catch {
    return 'it is not JSON';
  }
  if (typeof read !== 'object' || read === null || Array.isArray(read)) return 'it is not an object';
  const raw = read as Record<string, unknown>;
  const text = (name: string): string => (typeof raw[name] === 'string' ? raw[name].trim() : '');
  // Newer trackers write what they remember into the same file.
  if (text('_type') !== '' && text('_type') !== 'issue') return { record: text('_type') };
  const id = text('id');
  if (id === '') return 'the issue has no id';
  if (text('title') === '') return `issue ${id} has no title`;
  const section = (title: string, name: string): string[] =>
    text(name) === '' ? [] : [`## ${title}\n\n${text(name)}`];
  const body = [
    ...(text('description') === '' ? [] : [text('description')]),
    ...section('Design', 'design'),
    ...section('Acceptance criteria', 'acceptance_criteria'),
    ...section('Notes', 'notes'),
  ].join('\n\n');
  const dependencies = (Array.isArray(raw['dependencies']) ? raw['dependencies'] : []).flatMap(
    (entry: unknown): { on: string; type: string }[] => {
      if (typeof entry !== 'object' || entry === null) return [];
      const { depends_on_id: on, type, issue_id: of } = entry as Record<string, unknown>;
      return typeof on === 'string' && (of === undefined || of === id)
        ? [{ on, type: typeof type === 'string' ? type : 'blocks' }]
        : [];
    },
  );
  const of = (...types: string[]): string[] =>
    dependencies.filter(({ type }) => types.includes(type)).map(({ on }) => on);
  // 0 is its most urgent, 4 its least, 2 its default.
  const priority =
    typeof raw['priority'] === 'number' ? Math.min(Math.max(Math.round(raw['priority']), 0), 4) + 1 : defaultPriority;
  return {
    id,
    title: text('title'),
    body,
    status: text('status') || 'open',
    type: text('issue_type') || 'task',
    priority,
    needs: of('blocks', 'waits-for'),
    parents: of('parent-child'),
    conditional: of('conditional-blocks'),
    ...flagIn(raw),
    ...deferralIn(raw),
  };
}

function deferralIn(raw: Record<string, unknown>): Pick<Issue, 'deferUntil'> {
  const at = typeof raw['defer_until'] === 'string' ? Date.parse(raw['defer_until']) : Number.NaN;
  return Number.isNaN(at) ? {} : { deferUntil: at };
}

function flagIn(raw: Record<string, unknown>): Pick<Issue, 'flag'> {
  if (raw['is_template'] === true) return { flag: 'template' };
  if (raw['ephemeral'] === true || raw['wisp'] === true) return { flag: 'wisp' };
  return raw['pinned'] === true ? { flag: 'pinned' } : {};
}
