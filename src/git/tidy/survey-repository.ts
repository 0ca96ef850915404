import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readOwnRef } from '../../contract/index.js';
import type { EndedBead } from '../../domain/bead/ended.js';
import { exists } from '../files.js';
import { checkedRepo } from '../git-input.js';
import { mirrorPath } from '../mirror-path.js';
import { remoteRefs } from '../remote-refs.js';
import { runGit } from '../run-git.js';
import { objectFormat, secureMirror } from '../secure-mirror.js';
import { deleteRefs } from './delete-refs.js';
import type { DeletedRefs } from './delete-refs.js';
import { judgeRefs, recordedEnd } from './spent-refs.js';
import type { JudgedRef } from './spent-refs.js';
import { bringCommits, deleteLocalRefs, isDelivered, memories, prefixesOf, refsBelow } from './tidy-bead.js';

export interface SurveyOptions {
  /** The folder of the mirrors. */
  mirrors: string;
  /** URL or path. */
  repo: string;
  /** Whether refs of the remote are to go too; it is asked what has landed in any case. */
  remote: boolean;
  /** What the names of our refs may begin with there, besides as usual: as its rigs are set. */
  prefixes?: readonly string[] | undefined;
  /**
   * What became of a bead, or of `convoy-<id>`: its end; `kept` when it has not ended well, and its refs are wanted;
   * `unknown` when nobody remembers it, so that the remote's own record alone can prove that it landed.
   */
  endOf: (item: string) => Promise<EndedBead | 'kept' | 'unknown'>;
  signal?: AbortSignal | undefined;
}

/** A ref of ours in a repository, and where it stands. */
export interface SurveyedRef extends JudgedRef {
  where: 'remote' | 'here';
}

export interface RepositorySurvey {
  repo: string;
  refs: SurveyedRef[];
  /** Removes what is spent; each ref only where it was seen. */
  remove(): Promise<DeletedRefs & { here: string[] }>;
  close(): Promise<void>;
}

/**
 * Looks at every ref of ours on a remote and in this host's mirror of it. A worker may be at work in the mirror: it is
 * only read, by a repository beside it that borrows its objects.
 * @throws GitError
 */
export async function surveyRepository(options: SurveyOptions): Promise<RepositorySurvey> {
  const repo = checkedRepo(options.repo);
  const mirror = mirrorPath(options.mirrors, repo);
  const folder = await mkdtemp(join(tmpdir(), 'heartbead-tidy-'));
  const scratch = join(folder, 'scratch.git');
  const close = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const known = await exists(mirror);
    await runGit(
      'nowhere',
      ['init', '--quiet', '--bare', `--object-format=${known ? await objectFormat(mirror) : 'sha1'}`, scratch],
      { doing: 'making a repository to look at refs', signal: options.signal },
    );
    if (known) await writeFile(join(scratch, 'objects', 'info', 'alternates'), `${join(mirror, 'objects')}\n`);
    const refs = await survey({ ...options, repo }, { scratch, mirror: known ? mirror : undefined });
    const spent = (where: SurveyedRef['where']): SurveyedRef[] =>
      refs.filter((one) => one.spent && one.where === where);
    return {
      repo,
      refs,
      close,
      remove: async () => {
        await secureMirror(scratch, repo);
        const there = await deleteRefs({ mirror: scratch }, repo, spent('remote'), options.signal);
        const here = await deleteLocalRefs({ mirror }, spent('here'), options.signal);
        return { ...there, here: here.map(({ ref }) => ref) };
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function survey(
  { repo, remote, prefixes: more = [], endOf, signal }: SurveyOptions,
  { scratch, mirror }: { scratch: string; mirror: string | undefined },
): Promise<SurveyedRef[]> {
  const place = { mirror: scratch };
  const prefixes = prefixesOf(...more);
  const asked = ['HEAD', 'refs/heads/*', ...prefixes.map((prefix) => `refs/${prefix}/*`)];
  const { refs: there, head } = await remoteRefs(repo, asked, 'looking for refs of ended beads', signal);
  const here = mirror === undefined ? new Map<string, string>() : await refsBelow({ mirror }, memories, signal);
  const groups = new Map<string, { there: Map<string, string>; here: Map<string, string> }>();
  for (const [where, refs] of [['there', there] as const, ['here', here] as const])
    for (const [ref, sha] of refs) {
      const own = readOwnRef(ref, prefixes);
      if (own === undefined) continue;
      const item = own.kind === 'merged' ? own.item : own.bead;
      const group = groups.get(item) ?? { there: new Map(), here: new Map() };
      groups.set(item, group);
      group[where].set(ref, sha);
    }
  const surveyed: SurveyedRef[] = [];
  for (const [item, group] of groups) {
    if (!remote && group.here.size === 0) continue;
    const end = await endOf(item);
    const named = typeof end === 'object' && end.target !== undefined ? `refs/heads/${end.target}` : undefined;
    const landedOn = named !== undefined && there.has(named) ? named : head;
    const target = landedOn === undefined ? undefined : there.get(landedOn);
    const wanted = new Map(group.there);
    if (landedOn !== undefined && target !== undefined) wanted.set(landedOn, target);
    await bringCommits(scratch, repo, wanted, signal);
    const all = new Map([...group.here, ...group.there]);
    const bead = end === 'unknown' ? await recordedEnd(item, { place, refs: all, target, prefixes, signal }) : end;
    for (const [where, refs] of [['remote', group.there] as const, ['here', group.here] as const]) {
      if (where === 'remote' && !remote) continue;
      if (typeof bead !== 'object') {
        const why =
          bead === 'kept'
            ? 'its bead has not landed: it may be wanted'
            : 'nobody knows its bead, and nothing proves that it landed';
        for (const [ref, sha] of refs) surveyed.push({ ref, sha, spent: false, why, where });
        continue;
      }
      const delivered = isDelivered(there, bead, prefixes);
      const judged = await judgeRefs(bead, { place, refs, target, delivered, prefixes, signal });
      surveyed.push(...judged.map((one) => ({ ...one, where })));
    }
  }
  return surveyed;
}
