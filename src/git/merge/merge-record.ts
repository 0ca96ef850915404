import { clip } from '../../contract/index.js';
import { commitOf } from '../commits.js';
import { runGit } from '../run-git.js';
import type { GitPlace } from '../run-git.js';
import type { MergeItem } from './types.js';

type Merged = Pick<MergeItem, 'item' | 'sha'>;

/**
 * A ref on the remote that stands at the merged commit. Pushed together with the target, so the one is never there
 * without the other.
 */
export const mergedRef = ({ item, sha }: Merged): string => `refs/heartbead/merged/${item}/${sha}`;

/** The same record within the commit's message, for remotes that cannot take two refs at once, and for people. */
export const itemTrailer = 'Heartbead-Item';
export const branchShaTrailer = 'Heartbead-Branch-Sha';

const trailersOf = ({ item, sha }: Merged): string[] => [`${itemTrailer}: ${item}`, `${branchShaTrailer}: ${sha}`];

/** A title comes from people and agents; in a commit's subject it is one line of a length that tools can show. */
const subjectOf = (title: string): string => clip(title.replace(/\s+/g, ' ').trim(), 200);

/** @returns the message of a merge commit; the same for the same request. */
export const mergeMessage = (item: MergeItem): string =>
  `Merge ${item.item}: ${subjectOf(item.title)}\n\nFrom branch ${item.branch} into ${item.target}.\n\n${trailersOf(item).join('\n')}\n`;

/** @returns the message of a commit that holds a whole branch. `subjects` are those of its commits, oldest first. */
export function squashMessage(item: MergeItem, subjects: readonly string[]): string {
  // Behind a bullet nothing that an agent wrote reads as a trailer, and the paragraph is not the last one anyway.
  const listed = subjects.slice(0, 100).map((subject) => `* ${clip(subject, 200)}`);
  if (subjects.length > listed.length) listed.push(`* and ${subjects.length - listed.length} more`);
  return (
    [subjectOf(item.title), ...(subjects.length > 1 ? [listed.join('\n')] : []), trailersOf(item).join('\n')].join(
      '\n\n',
    ) + '\n'
  );
}

/** @returns an existing message with our trailers at its end, in the place of any of the same names. */
export async function withTrailers(
  place: GitPlace,
  message: string,
  merged: Merged,
  signal?: AbortSignal,
): Promise<string> {
  const args = [
    'interpret-trailers',
    '--no-divider',
    '--if-exists=replace',
    '--if-missing=add',
    '--where=end',
    ...trailersOf(merged).map((trailer) => `--trailer=${trailer}`),
  ];
  return (await runGit(place, args, { doing: 'writing the message of a merge', signal, input: message })).stdout;
}

/**
 * @returns the commit among those that `target` has and the branch has not whose trailers name this very item and
 * commit; undefined when there is none.
 */
export async function commitWithTrailers(
  place: GitPlace,
  target: string,
  merged: Merged,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const doing = 'looking for an earlier merge';
  // A branch that was deleted after its merge may not be here at all: then all of the target is searched.
  const known = await commitOf(place, merged.sha, signal);
  const grep = ['--fixed-strings', `--grep=${branchShaTrailer}: ${merged.sha}`];
  const { stdout } = await runGit(
    place,
    ['rev-list', ...grep, '--end-of-options', target, ...(known === undefined ? [] : [`^${known}`])],
    { doing, signal },
  );
  for (const commit of stdout.split('\n').filter((line) => line !== '')) {
    const values = async (key: string): Promise<string[]> => {
      const { stdout: found } = await runGit(
        place,
        ['log', '-1', '--no-show-signature', `--format=%(trailers:key=${key},valueonly)`, '--end-of-options', commit],
        { doing, signal },
      );
      return found.split('\n').map((value) => value.trim());
    };
    if ((await values(branchShaTrailer)).includes(merged.sha) && (await values(itemTrailer)).includes(merged.item))
      return commit;
  }
  return undefined;
}
