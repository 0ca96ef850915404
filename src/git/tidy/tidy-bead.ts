import { readOwnRef, refNames, usualRefPrefix } from '../../contract/index.js';
import type { EndedBead } from '../../domain/bead/ended.js';
import { hasCommit } from '../commits.js';
import { fetchCommits } from '../fetch-commits.js';
import { exists } from '../files.js';
import { GitError } from '../git-error.js';
import { checkedRepo } from '../git-input.js';
import { mirrorPath } from '../mirror-path.js';
import { withMirror } from '../mirror-lock.js';
import { remoteRefs } from '../remote-refs.js';
import { askLimit, runGit } from '../run-git.js';
import type { GitPlace } from '../run-git.js';
import { deleteRefs } from './delete-refs.js';
import type { DeletedRefs } from './delete-refs.js';
import { judgeRefs } from './spent-refs.js';
import type { JudgedRef } from './spent-refs.js';

export interface TidyBeadOptions {
  /** The folder of the mirrors. */
  mirrors: string;
  /** URL or path. */
  repo: string;
  bead: EndedBead;
  /** Whether its refs are removed from the remote as well, not from this host's mirror alone. */
  remote: boolean;
  /** What the names of our refs on the remote begin with; as usual when absent. */
  refPrefix?: string | undefined;
  signal?: AbortSignal | undefined;
}

export interface BeadTidied extends DeletedRefs {
  /** Refs of the mirror that went. */
  here: string[];
  /** What stays on the remote or here, and why. */
  kept: { ref: string; why: string }[];
}

/**
 * Removes the refs that a closed bead has left, from the remote and from this host's mirror, as far as they are spent
 * (`judgeRefs`). Without a mirror nothing can be proven here, and nothing is done.
 * @throws GitError
 */
export async function tidyBead({
  mirrors,
  repo: given,
  bead,
  remote,
  refPrefix,
  signal,
}: TidyBeadOptions): Promise<BeadTidied | undefined> {
  const repo = checkedRepo(given);
  const prefixes = prefixesOf(refPrefix);
  const mirror = mirrorPath(mirrors, repo);
  if (!(await exists(mirror))) return undefined;
  const place = { mirror };
  const found = await refsOfBead(repo, bead, prefixes, signal);
  await bringCommits(mirror, repo, found.all, signal);
  const on = { place, target: found.target, delivered: found.delivered, signal };
  const there = await judgeRefs(bead, { ...on, refs: found.ours, prefixes });
  const gone = remote
    ? await deleteRefs(
        place,
        repo,
        there.filter(({ spent }) => spent),
        signal,
      )
    : { deleted: [], refused: [], moved: [] };
  const here = await judgeRefs(bead, { ...on, refs: await localRefs(place, bead.bead, signal) });
  const removed = await deleteLocalRefs(
    place,
    here.filter(({ spent }) => spent),
    signal,
  );
  return {
    ...gone,
    here: removed.map(({ ref }) => ref),
    kept: [...there, ...here].filter(({ spent }) => !spent).map(({ ref, why }) => ({ ref, why })),
  };
}

/** @returns what the names of our refs may begin with on a remote: a rig may have been set since. */
export const prefixesOf = (...set: (string | undefined)[]): string[] => [
  ...new Set([usualRefPrefix, ...set.filter((prefix) => prefix !== undefined)]),
];

/** @returns whether the bead's own branch is where it delivered. */
export const isDelivered = (
  refs: ReadonlyMap<string, string>,
  { bead, attempt, sha }: Pick<EndedBead, 'bead' | 'attempt' | 'sha'>,
  prefixes: readonly string[],
): boolean => prefixes.some((prefix) => refs.get(refNames(prefix).branchRef(bead, attempt)) === sha);

/** What the remote has of a bead, and where the branch stands that it landed on. */
async function refsOfBead(
  repo: string,
  { bead, attempt, sha, target }: EndedBead,
  prefixes: readonly string[],
  signal: AbortSignal | undefined,
): Promise<{
  ours: Map<string, string>;
  all: Map<string, string>;
  target: string | undefined;
  delivered: boolean;
}> {
  const { refs, head } = await remoteRefs(
    repo,
    [
      'HEAD',
      ...(target === undefined ? [] : [`refs/heads/${target}`]),
      ...prefixes.flatMap((prefix) => [
        `refs/heads/${prefix}/${bead}/*`,
        `refs/${prefix}/${bead}/*`,
        `refs/${prefix}/merged/${bead}/*`,
      ]),
    ],
    `looking for the refs of bead ${bead}`,
    signal,
  );
  const ours = new Map(
    [...refs].filter(([ref]) => {
      const own = readOwnRef(ref, prefixes);
      return own !== undefined && (own.kind === 'merged' ? own.item : own.bead) === bead;
    }),
  );
  // The integration branch of a convoy may be gone once that has landed as a whole.
  const named = target === undefined ? undefined : refs.get(`refs/heads/${target}`);
  const all = new Map(ours);
  const landedOn = named === undefined ? head : `refs/heads/${target ?? ''}`;
  const stands = named ?? refs.get('HEAD');
  if (landedOn !== undefined && stands !== undefined) all.set(landedOn, stands);
  return { ours, all, target: stands, delivered: isDelivered(ours, { bead, attempt, sha }, prefixes) };
}

/** Nothing is removed from a remote whose commits are not here: what is proven here, and kept, is the thing itself. */
export async function bringCommits(
  mirror: string,
  repo: string,
  refs: ReadonlyMap<string, string>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const missing: string[] = [];
  for (const [ref, sha] of refs) if (!(await hasCommit({ mirror }, sha, signal))) missing.push(ref);
  if (missing.length === 0) return;
  const doing = 'fetching what ended beads have left';
  await withMirror(mirror, signal, async () => {
    try {
      await fetchCommits(mirror, repo, missing, { doing, signal });
    } catch (error) {
      if (!isGone(error)) throw error;
      // Somebody else has removed one of them since they were listed: the others are wanted all the same.
      for (const ref of missing)
        await fetchCommits(mirror, repo, [ref], { doing, signal }).catch((gone: unknown) => {
          if (!isGone(gone)) throw gone;
        });
    }
  });
}

const isGone = (error: unknown): boolean => error instanceof GitError && error.kind === 'no_such_ref' && !error.damaged;

/** Where a mirror remembers beads. What it keeps because proof is missing is not among them. */
export const memories: readonly string[] = ['refs/heartbead/', 'refs/heartbead-finished/', 'refs/heartbead-pushed/'];

/** @returns the refs below some prefixes, each with its commit. */
export async function refsBelow(
  place: GitPlace,
  prefixes: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Map<string, string>> {
  const { stdout } = await runGit(place, ['for-each-ref', '--format=%(refname) %(objectname)', ...prefixes], {
    doing: 'looking for refs of ended beads in the mirror',
    signal,
    limit: askLimit,
  });
  return new Map(
    stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(' ') as [string, string]),
  );
}

/** @returns the refs by which a mirror remembers a bead. */
const localRefs = (place: GitPlace, bead: string, signal: AbortSignal | undefined): Promise<Map<string, string>> =>
  refsBelow(
    place,
    memories.map((memory) => `${memory}${bead}/`),
    signal,
  );

/**
 * Removes refs, each only where it stands. Somebody else may be tidying the same mirror, the host's watch or a person:
 * what has gone or moved meanwhile keeps nothing else.
 * @returns those that were removed.
 * @throws GitError
 */
export async function deleteLocalRefs(
  place: GitPlace,
  refs: readonly JudgedRef[],
  signal: AbortSignal | undefined,
): Promise<readonly JudgedRef[]> {
  let left = refs;
  while (left.length > 0)
    try {
      await runGit(place, ['update-ref', '--stdin'], {
        doing: 'removing refs of an ended bead',
        signal,
        input: left.map(({ ref, sha }) => `delete ${ref} ${sha}\n`).join(''),
      });
      return left;
    } catch (error) {
      const there = await refsBelow(place, memories, signal);
      const still = left.filter(({ ref, sha }) => there.get(ref) === sha);
      if (still.length === left.length) throw error;
      left = still;
    }
  return left;
}
