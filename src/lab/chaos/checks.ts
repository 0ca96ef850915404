import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { attemptRefs, isFinal } from '../../contract/index.js';
import { shortSha } from '../../domain/words.js';
import { mirrorPath } from '../../git/index.js';
import { AttemptDir } from '../../runner/index.js';
import type { Overlap } from './agent-watch.js';
import type { Reported, ChaosBead } from './bead-watch.js';
import type { SeenCommit } from './commit-watch.js';
import type { Fault } from './faults.js';
import { reachableIn } from './origins.js';
import type { ChaosOrigin } from './origins.js';
import type { WorkerHost } from './worker-host.js';

/** @returns what is wrong with how a bead ended: not closed, not exactly one result, or not all of its work in it. */
export async function endProblems({ id, rig, steps, view }: ChaosBead, origin: ChaosOrigin): Promise<string[]> {
  if (view === undefined) return [`${id} never answered`];
  if (view.status !== 'closed') return [`${id} is ${view.status}, agent ${view.agent}: ${view.reason}`];
  const problems: string[] = [];
  const result = rig === undefined ? view.sha : view.landing?.mergedSha;
  if (result === undefined) return [`${id} is closed and names no commit`];
  if (rig === undefined) {
    const branches = await origin.refs(`refs/heads/heartbead/${id}`);
    if (branches.size !== 1)
      problems.push(`${id} has ${branches.size} pushed branches instead of one: ${[...branches.keys()].join(', ')}`);
    if (view.branch === undefined || branches.get(`refs/heads/${view.branch}`) !== view.sha)
      problems.push(`${id} says ${view.branch}@${view.sha}, which the origin does not have`);
  } else {
    const merges = (await origin.merges()).filter(({ item }) => item === id);
    if (merges.length !== 1)
      problems.push(`${id} was merged ${merges.length} times: ${merges.map(({ sha }) => sha).join(', ')}`);
    else if (merges[0]?.sha !== result)
      problems.push(`${id} says it was merged as ${result}, the origin has ${merges[0]?.sha}`);
  }
  const done = view.attempts.filter(({ outcome }) => outcome === 'done');
  if (done.length !== 1 && view.used.reworkRounds === 0)
    problems.push(`${id} has ${done.length} attempts that are done`);
  // The host that keeps such commits pushes them, and nobody is paid for them again, however much of them was saved.
  for (const { id: attempt, outcome } of view.attempts)
    if (outcome === 'push_refused')
      problems.push(`${id}: what ${attempt} had finished was refused by the remote, and never offered again`);
  const files = await origin.files(result, `demo/${id}`);
  if (files.length !== steps) problems.push(`${id} delivered ${files.length} of ${steps} steps`);
  if (view.used.agentFailures > 0)
    problems.push(
      `${id}: ${view.used.agentFailures} failures were put to its agent's account: ${view.attempts
        .filter(({ countedAs }) => countedAs === 'agent')
        .map(({ id: attempt, reason }) => `${attempt} ${reason}`)
        .join('; ')}`,
    );
  return problems;
}

/**
 * No commit that a bead knew of is lost: a ref of the origin leads to it, and it is part of what the bead delivered. Of
 * a snapshot of uncommitted work the attempt keeps the newest, so of an earlier one only what the agent had committed
 * counts.
 */
export async function lostWork(
  { bead, attempt, checkpoint }: Reported,
  origin: ChaosOrigin,
  result: string | undefined,
): Promise<string[]> {
  const committed = checkpoint.wip ? await origin.parent(checkpoint.sha) : checkpoint.sha;
  const newest = (await origin.refs(checkpoint.ref)).get(checkpoint.ref);
  const kind = checkpoint.wip ? 'snapshot' : 'commit';
  const what = `${bead} ${attempt}: the reported ${kind} ${shortSha(checkpoint.sha)}`;
  // A snapshot that was replaced may have been collected by git; then the newest one stands for it.
  if (committed === undefined)
    return newest === undefined && result === undefined && checkpoint.ref === attemptRefs.wip(bead, attempt)
      ? [`${what} is gone, and so is ${checkpoint.ref}`]
      : [];
  const problems: string[] = [];
  if (!(await origin.reachable(committed)))
    problems.push(`${what}: no ref of the origin leads to its commit ${shortSha(committed)}`);
  // What has landed leaves no ref; its saves are part of it, or were taken up.
  if (newest === undefined && checkpoint.wip && result === undefined)
    problems.push(`${what}: the origin has no ${checkpoint.ref} any more`);
  if (result !== undefined && !(await origin.isAncestor(committed, result)))
    problems.push(`${what}: its commit ${shortSha(committed)} is not in what the bead delivered (${shortSha(result)})`);
  return problems;
}

/**
 * No commit that an agent made is lost, whether a bead ever heard of it or not: it is part of what the bead delivered,
 * a ref of the origin leads to it, or its host keeps it. Finished work that a remote refused is carried on: it is in
 * what the bead delivered.
 */
export async function lostCommit(
  { bead, attempt, sha }: SeenCommit,
  {
    origin,
    hosts,
    result,
    finished,
  }: { origin: ChaosOrigin; hosts: readonly WorkerHost[]; result: string | undefined; finished: boolean },
): Promise<string[]> {
  if (result !== undefined && (await origin.isAncestor(sha, result))) return [];
  const what = `${bead} ${attempt}: the commit ${shortSha(sha)}`;
  if (finished && result !== undefined)
    return [`${what}, finished and refused by the remote, is not in what the bead delivered (${shortSha(result)})`];
  if (await origin.reachable(sha)) return [];
  for (const { home } of hosts) if (await reachableIn(mirrorPath(join(home, 'mirrors'), origin.path), sha)) return [];
  return [`${what} is on no host and not on the origin`];
}

/**
 * Two agents of one bead at once. A host that slept longer than the bead's patience wakes up with its old agent running
 * until its runner has looked at the clock: that is told, and is a problem only when it lasts.
 * @param tolerated milliseconds.
 */
export function overlapProblems(overlaps: readonly Overlap[], faults: readonly Fault[], tolerated: number): string[] {
  return overlaps.flatMap(({ bead, attempts, from, until }) => {
    const woken = faults.some(
      ({ kind, frozen, goodAt }) =>
        kind === 'host-freeze' && frozen.includes(attempts[0]) && goodAt !== undefined && goodAt - 1_000 <= from,
    );
    return woken && until - from <= tolerated
      ? []
      : [
          `two agents of ${bead} ran at once for ${until - from} ms from ` +
            `${new Date(from).toISOString().slice(11, 23)}: ${attempts.join(' and ')}`,
        ];
  });
}

/**
 * A bead that has not ended keeps the worktree of its newest attempt, for its agent or for a person. All others go,
 * those of lost attempts, too, whose last save a remote refused: it takes pushes again, and their host pushes it.
 * @returns the attempts whose worktrees may be there.
 */
export const inUse = (beads: Iterable<ChaosBead>): ReadonlySet<string> =>
  new Set(
    [...beads].flatMap(({ view }) => {
      const newest = view === undefined || isFinal(view.status) ? undefined : (view.current ?? view.attempts.at(-1));
      return newest === undefined ? [] : [newest.id];
    }),
  );

/** @returns worktrees and scratch trees that are left on a host though nobody needs them, and what its worker says. */
export async function leftTrees(
  { home, name, logFile }: Pick<WorkerHost, 'home' | 'name' | 'logFile'>,
  used: ReadonlySet<string>,
): Promise<string[]> {
  const attempts: string[] = [];
  for (const { attempt, bead, worktree } of await AttemptDir.list(home))
    if (existsSync(worktree) && !used.has(attempt))
      attempts.push(`${name}: the worktree of ${bead} ${attempt} is left: ${whyKept(logFile, attempt)}`);
  const scratches: string[] = [];
  for (const rig of await folders(join(home, 'refinery')))
    for (const item of await folders(rig)) scratches.push(`${name}: the tree of a merge is left: ${item}`);
  return [...attempts, ...scratches];
}

/** @returns what the worker said last of a worktree that it kept. */
function whyKept(logFile: string, attempt: string): string {
  const lines = existsSync(logFile) ? readFileSync(logFile, 'utf8').split('\n') : [];
  const said = lines.findLast((line) => line.includes(`"attempt":"${attempt}"`) && line.includes('"removed":false'));
  return said === undefined ? 'its worker has not said why' : (JSON.parse(said) as { reason: string }).reason;
}

async function folders(path: string): Promise<string[]> {
  return existsSync(path)
    ? (await readdir(path, { withFileTypes: true }))
        .filter((entry) => entry.isDirectory())
        .map((entry) => join(path, entry.name))
    : [];
}
