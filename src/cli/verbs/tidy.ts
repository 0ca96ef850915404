import { join } from 'node:path';
import { BeadNotFoundError, FleetNotFoundError } from '../../client/errors.js';
import type { FleetClient } from '../../client/fleet.js';
import { beadIdProblem } from '../../contract/index.js';
import type { RigSettings } from '../../contract/index.js';
import { endedBead } from '../../domain/bead/ended.js';
import { counted } from '../../domain/words.js';
import type { PackedMirror, RepositorySurvey, SurveyOptions, SurveyedRef } from '../../git/index.js';
import { confirmed } from '../confirmed.js';
import type { Context } from '../context.js';
import { exitCodes, errorReport } from '../exit.js';
import type { ErrorReport } from '../exit.js';
import { oneLine, table } from '../render/format.js';
import { inMebibytes } from '../render/sizes.js';
import { rigName } from '../shared-options.js';
import { flag, option, verb } from '../verb.js';

type Left = { repo: string; error: ErrorReport };

export const tidy = verb({
  name: 'tidy',
  description:
    'remove the refs that landed beads have left, in the mirrors of this host and on the remotes, and pack the mirrors',
  options: {
    remote: flag('--remote', 'on the remotes too'),
    dryRun: flag('--dry-run', 'only say what would be removed, and what stays'),
    rig: option(
      '--rig <name>',
      'only in the repository of this rig (default: of all rigs, and of all mirrors here)',
      rigName.optional(),
    ),
    yes: flag('--yes', 'do not ask'),
  },
  run: async (context, _, { remote, dryRun, rig, yes }) => {
    const { surveyRepository } = await import('../../git/index.js');
    const { home } = await context.town();
    const mirrors = join(home, 'mirrors');
    const surveys: RepositorySurvey[] = [];
    const unanswered: Left[] = [];
    try {
      const fleet = await context.fleet();
      const { taskQueue } = await context.town();
      for (const [repo, prefixes] of await repositories(fleet, { mirrors, taskQueue, rig, unanswered }))
        try {
          surveys.push(await surveyRepository({ mirrors, repo, remote, prefixes, endOf: await ends(context) }));
        } catch (error) {
          unanswered.push({ repo, error: errorReport(error) });
        }
      const refs = surveys.flatMap((survey) => survey.refs.map((ref) => ({ repo: survey.repo, ...ref })));
      const spent = refs.filter(({ spent: is }) => is);
      if (!context.json) context.io.out(page(refs, context));
      const tell = (some: readonly Left[]): void => {
        for (const { repo, error } of some) context.note(`${repo} was left alone: ${oneLine(error.message, 300)}`);
      };
      tell(unanswered);
      const told = unanswered.length;
      const go =
        !dryRun && spent.length > 0 && (yes || (await confirmed(context, `Remove ${counted(spent.length, 'ref')}?`)));
      const done = [];
      if (go) for (const survey of surveys) done.push({ repo: survey.repo, ...(await survey.remove()) });
      const removed = done.reduce((sum, { deleted, here }) => sum + deleted.length + here.length, 0);
      const refused = done.flatMap((one) => one.refused);
      // It loses nothing, so nobody is asked; whoever says no wants all left as it is.
      const packed = dryRun || (spent.length > 0 && !go) ? [] : await packAll(mirrors, { surveys, unanswered });
      tell(unanswered.slice(told));
      if (context.json) context.print({ refs, done, packed, unanswered }, '');
      else if (go) context.print({}, `removed ${counted(removed, 'ref')}`);
      for (const { repo, before, after } of context.json ? [] : packed)
        context.print(
          {},
          `packed the mirror of ${oneLine(repo, 60)}: ${inMebibytes(before)}, now ${inMebibytes(after)}`,
        );
      for (const { ref, reason } of context.json ? [] : refused)
        context.note(`the remote does not let ${ref} go: ${oneLine(reason, 300)}`);
      return unanswered.length > 0 ? exitCodes.failed : exitCodes.fine;
    } finally {
      for (const survey of surveys) await survey.close();
    }
  },
});

/** @param of.unanswered takes the repositories whose mirror could not be packed. */
export async function packAll(
  mirrors: string,
  { surveys, unanswered }: { surveys: readonly { repo: string }[]; unanswered: Left[] },
): Promise<({ repo: string } & PackedMirror)[]> {
  const { packWhole } = await import('../../git/index.js');
  const packed = [];
  for (const { repo } of surveys)
    try {
      const sizes = await packWhole(mirrors, repo);
      if (sizes !== undefined) packed.push({ repo, ...sizes });
    } catch (error) {
      unanswered.push({ repo: `the mirror of ${repo}`, error: errorReport(error) });
    }
  return packed;
}

/**
 * @returns each repository, and the prefixes that its rigs have set.
 * @param of.unanswered takes the rigs that could not be asked: they keep no other repository from being tidied.
 */
export async function repositories(
  fleet: Pick<FleetClient, 'rig' | 'list'>,
  of: { mirrors: string; taskQueue: string; rig: string | undefined; unanswered: Left[] },
): Promise<Map<string, string[]>> {
  const { mirrors, taskQueue, rig, unanswered } = of;
  const found = new Map<string, string[]>();
  const add = ({ repo, refPrefix }: Pick<RigSettings, 'repo' | 'refPrefix'>): void => {
    found.set(repo, [...(found.get(repo) ?? []), ...(refPrefix === undefined ? [] : [refPrefix])]);
  };
  if (rig !== undefined) {
    add((await fleet.rig(rig)).settings);
    return found;
  }
  const { knownRepositories } = await import('../../git/known-repositories.js');
  for (const { repo } of await knownRepositories(mirrors)) add({ repo });
  for (const { id } of await fleet.list('rig', { all: false, limit: 500, taskQueue }))
    try {
      add((await fleet.rig(id)).settings);
    } catch (error) {
      unanswered.push({ repo: `the repository of rig ${id}`, error: errorReport(error) });
    }
  return found;
}

/** @returns what a town knows of the beads and convoys that refs name. */
async function ends(context: Context): Promise<SurveyOptions['endOf']> {
  const [beads, fleet] = [await context.beads(), await context.fleet()];
  return async (item) => {
    try {
      if (beadIdProblem(item) === undefined) return endedBead(await beads.view(item)) ?? 'kept';
    } catch (error) {
      if (!(error instanceof BeadNotFoundError)) throw error;
    }
    if (!item.startsWith('convoy-')) return 'unknown';
    try {
      const { status } = await fleet.convoy(item.slice('convoy-'.length));
      return status === 'landed' ? 'unknown' : 'kept';
    } catch (error) {
      if (error instanceof FleetNotFoundError) return 'unknown';
      throw error;
    }
  };
}

function page(refs: readonly (SurveyedRef & { repo: string })[], { io }: Context): string {
  if (refs.length === 0) return 'there are no refs of ours';
  const [spent, kept] = [refs.filter((one) => one.spent), refs.filter((one) => !one.spent)];
  const rows = (some: typeof refs): string[][] =>
    some.map(({ repo, where, ref, why }) => [where === 'here' ? 'mirror' : 'remote', ref, oneLine(repo, 60), why]);
  const part = (title: string, some: typeof refs): string[] =>
    some.length === 0
      ? []
      : [
          `${title} ${counted(some.length, 'ref')}`,
          table(['WHERE', 'REF', 'REPOSITORY', 'WHY'], rows(some), io.colors),
        ];
  return [...part('spent:', spent), ...part('stays:', kept)].join('\n');
}
