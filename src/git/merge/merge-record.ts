import { clip, clipStart, refNames } from '../../contract/index.js';
import { commitOf } from '../commits.js';
import { runGit } from '../run-git.js';
import type { GitPlace } from '../run-git.js';
import type { MergeItem } from './types.js';

type Merged = Pick<MergeItem, 'item' | 'sha'>;

/**
 * A ref on the remote that stands at the merged commit. Pushed together with the target, so the one is never there
 * without the other.
 */
export const mergedRef = ({ item, sha }: Merged, prefix?: string): string => refNames(prefix).merged(item, sha);

/** The same record within the commit's message, for remotes that cannot take two refs at once, and for people. */
export const itemTrailer = 'Heartbead-Item';
export const branchShaTrailer = 'Heartbead-Branch-Sha';

const trailersOf = ({ item, sha }: Merged): string[] => [`${itemTrailer}: ${item}`, `${branchShaTrailer}: ${sha}`];

/** A title comes from people and agents; in a commit's subject it is one line of a length that tools can show. */
const subjectOf = (title: string): string => clip(title.replace(/\s+/g, ' ').trim(), 200);

/**
 * @param signoff the line that ends it, where the rig wants one.
 * @returns the message of a merge commit; the same for the same request.
 */
export const mergeMessage = (item: MergeItem, signoff?: string): string =>
  `Merge ${item.item}: ${subjectOf(item.title)}\n\nFrom branch ${item.branch} into ${item.target}.\n\n` +
  `${[...trailersOf(item), ...listed(signoff)].join('\n')}\n`;

const listed = (line: string | undefined): string[] => (line === undefined ? [] : [line]);

/** A commit of a branch that lands as one. */
export interface SquashedCommit {
  /** `Name <address>`. */
  author: string;
  subject: string;
  /** Without its trailers. */
  body: string;
  /** `Key: value`, one line each. */
  trailers: readonly string[];
}

/** What of a branch's messages is kept: forges refuse messages of megabytes, and nobody reads them. */
const squashLimits = { commits: 100, bodyChars: 2_000, allChars: 20_000, trailers: 100 };

/**
 * @param commits of the branch, oldest first.
 * @param by.author of the commit that is made: the others are named beside it.
 * @param by.signoff the line of who makes it, where the rig wants one.
 * @returns the message of a commit that holds a whole branch: nothing that its commits say, and nobody who wrote them,
 * is lost.
 */
export function squashMessage(
  item: MergeItem,
  commits: readonly SquashedCommit[],
  { author, signoff }: { author: string | undefined; signoff?: string | undefined },
): string {
  const kept = commits.slice(0, squashLimits.commits);
  // Behind a bullet nothing that an agent wrote reads as a trailer, and the paragraphs are not the last one anyway.
  const told = kept.map(({ subject, body }) => {
    const text = body === '' ? '' : clipStart(body, squashLimits.bodyChars);
    if (commits.length === 1) return text;
    return [`* ${clip(subject, 200)}`, ...(text === '' ? [] : ['', indented(text)])].join('\n');
  });
  if (commits.length > kept.length) told.push(`* and ${commits.length - kept.length} more`);
  const texts = told.filter((text) => text !== '');
  const long = (text: string | undefined): boolean => text?.includes('\n') === true;
  // Bullets without a text between them read as one list.
  const list = texts
    .flatMap((text, index) => (index > 0 && (long(text) || long(texts[index - 1])) ? ['', text] : [text]))
    .join('\n');
  return `${[
    subjectOf(item.title),
    ...(list === '' ? [] : [clipStart(list, squashLimits.allChars)]),
    trailersWith(gatheredTrailers(commits, author), trailersOf(item), signoff).join('\n'),
  ].join('\n\n')}\n`;
}

/** A person who has signed off already does not do so twice. */
const trailersWith = (gathered: readonly string[], own: readonly string[], signoff: string | undefined): string[] => [
  ...gathered,
  ...own,
  ...listed(signoff).filter((line) => !gathered.includes(line)),
];

const indented = (text: string): string => text.replace(/^(?=.)/gm, '  ');

/** Each once, in the order in which they came; further authors last. Our own are written by nobody else. */
function gatheredTrailers(commits: readonly SquashedCommit[], author: string | undefined): string[] {
  const seen = new Set<string>();
  const gathered: string[] = [];
  const add = (trailer: string): void => {
    const key = trailer.toLowerCase();
    if (seen.has(key) || /^heartbead-/i.test(trailer)) return;
    seen.add(key);
    gathered.push(trailer);
  };
  for (const { trailers } of commits) for (const trailer of trailers) add(trailer);
  const named = (person: string): boolean =>
    person === author ||
    gathered.some((trailer) => /^co-authored-by:/i.test(trailer) && trailer.includes(addressOf(person)));
  for (const { author: person } of commits) if (!named(person)) add(`Co-authored-by: ${person}`);
  return gathered.slice(0, squashLimits.trailers);
}

const addressOf = (person: string): string => /<[^<>]*>$/.exec(person)?.[0] ?? person;

/** @returns an existing message with our trailers at its end, in the place of any of the same names. */
export async function withTrailers(
  place: GitPlace,
  message: string,
  merged: Merged,
  { signoff, signal }: { signoff?: string | undefined; signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const args = [
    'interpret-trailers',
    '--no-divider',
    '--if-exists=replace',
    '--if-missing=add',
    '--where=end',
    ...trailersOf(merged).map((trailer) => `--trailer=${trailer}`),
    // Others' sign-offs stay beside it.
    ...listed(signoff).flatMap((line) => ['--if-exists=addIfDifferent', `--trailer=${line}`]),
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
