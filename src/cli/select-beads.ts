import { z } from 'zod';
import type { BeadClient } from '../client/beads.js';
import { BeadNotFoundError, NoWorkerError } from '../client/errors.js';
import type { BeadSummary } from '../client/list.js';
import { isFinal, outcomes } from '../contract/index.js';
import type { BeadView, Outcome } from '../contract/index.js';
import { statusOption } from './args.js';
import type { Context } from './context.js';
import { usageError } from './exit.js';
import { rigName } from './shared-options.js';
import { option } from './verb.js';
import type { Given } from './verb.js';

/** More beads than this are not steered by one command. */
const mostBeads = 1_000;
/** Beads that are asked at once: a town's worker answers them one after the other. */
const askedAtOnce = 16;

/** `auth` and `auth_failed` both name the outcome `auth_failed`. */
const cause = z.string().transform((word, context): Outcome[] => {
  const meant = outcomes.filter((outcome) => outcome === word || outcome.startsWith(`${word}_`));
  if (meant.length > 0) return meant;
  context.addIssue({
    code: 'custom',
    message: `no attempt ends as ${JSON.stringify(word)}; the outcomes are ${outcomes.join(', ')}`,
  });
  return z.NEVER;
});

/** Which open beads are meant; a bead must meet all that are given. */
export const selection = {
  rig: option('--rig <name>', 'all open beads of this rig', rigName.optional()),
  convoy: option('--convoy <id>', 'all open beads of this convoy', z.string().min(1).max(100).optional()),
  status: option('--status <status>', 'all open beads of this status', statusOption.optional()),
  host: option('--host <host>', 'all open beads whose newest attempt is on this host', z.string().min(1).optional()),
  cause: option(
    '--cause <outcome>',
    'all open beads whose last attempt ended so: auth_failed (or auth), lost, …',
    cause.optional(),
  ),
};
export type Selection = Given<typeof selection>;

export const isSelection = (given: Selection): boolean =>
  [given.rig, given.convoy, given.status, given.host, given.cause].some((one) => one !== undefined);

/** @returns where the newest attempt of a bead is, or was. */
export const hostOf = ({ current, attempts }: BeadView): string | undefined => (current ?? attempts.at(-1))?.host;

/** @returns whether a bead is meant, by its own word; what is listed may be a moment late. */
export function isMeant(view: BeadView, { rig, convoy, status, host, cause: causes }: Selection): boolean {
  const last = view.attempts.at(-1);
  return (
    !isFinal(view.status) &&
    (rig === undefined || view.rig === rig) &&
    (convoy === undefined || view.convoy === convoy) &&
    (status === undefined || view.status === status) &&
    (host === undefined || hostOf(view) === host) &&
    (causes === undefined || (last?.outcome !== undefined && causes.includes(last.outcome)))
  );
}

/**
 * Asks every open bead of the town that may be meant.
 * @returns those that are, as they see themselves, in the order of their ids.
 * @throws CliError (usage) when an ended status is asked for, or there are too many. NoWorkerError when none answers.
 */
export async function selectBeads(context: Context, given: Selection): Promise<BeadView[]> {
  if (given.status !== undefined && isFinal(given.status))
    throw usageError(`beads that are ${given.status} have ended`, 'choose open, in_progress, in_review or blocked');
  const { listBeads } = await import('../client/list.js');
  const town = await context.town();
  const { beads: listed, more } = await listBeads(town, {
    rig: given.rig,
    convoy: given.convoy,
    taskQueue: town.taskQueue,
    limit: mostBeads,
    deadline: context.deadline,
  });
  if (more) throw usageError(`more than ${mostBeads} open beads may be meant`, 'narrow them down by --rig or --convoy');
  const views = await viewsOf(await context.beads(), listed);
  return views.filter((view) => isMeant(view, given)).sort((a, b) => (a.bead < b.bead ? -1 : 1));
}

/** @returns the beads as they see themselves. @throws NoWorkerError when one does not answer. */
export async function viewsOf(beads: BeadClient, listed: readonly BeadSummary[]): Promise<BeadView[]> {
  const { views, silent } = await answersOf(beads, listed);
  // Beads that do not answer cannot be chosen by what they say; to leave them out in silence would be worse.
  if (silent[0] !== undefined) throw silent[0].error;
  return views;
}

/** @returns the beads that answer as they see themselves, and those that do not: no worker has time for them. */
export async function answersOf(
  beads: BeadClient,
  listed: readonly BeadSummary[],
): Promise<{ views: BeadView[]; silent: { bead: string; error: NoWorkerError }[] }> {
  const views: BeadView[] = [];
  const silent: { bead: string; error: NoWorkerError }[] = [];
  await inTurn(listed, askedAtOnce, async ({ bead }) => {
    try {
      views.push(await beads.view(bead));
    } catch (error) {
      // One that has ended meanwhile is not meant any more.
      if (error instanceof NoWorkerError) silent.push({ bead, error });
      else if (!(error instanceof BeadNotFoundError)) throw error;
    }
  });
  return { views, silent };
}

/** Runs `each` over all items, at most `atOnce` at a time. */
export async function inTurn<T>(items: readonly T[], atOnce: number, each: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const lane = async (): Promise<void> => {
    for (const item of rest) await each(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
}
