import { join } from 'node:path';
import { demoDirectory, hostIdOf, stateDirectory } from '../client/home.js';
import type { BeadView } from '../contract/index.js';
import { AttemptDir } from '../runner/attempt/attempt-dir.js';
import type { Context } from './context.js';
import { CliError, errorReport, exitCodes, failure } from './exit.js';

/** What is said of a bead by itself, or why it could not be asked. */
export interface BeadAccount {
  view?: BeadView;
  problem?: unknown;
}

/** An attempt that another host has. */
export interface Elsewhere {
  id: string;
  host: string;
}

/** The bead's own account; its failure is kept, since the log may be here all the same. */
export async function beadAccount(context: Context, bead: string): Promise<BeadAccount> {
  try {
    const beads = await context.beads();
    return { view: await beads.view(bead, Math.min(context.deadline, 3_000)) };
  } catch (problem) {
    return { problem };
  }
}

export const homes = ({ io }: Context): string[] => [stateDirectory(io.env), demoDirectory(stateDirectory(io.env))];

/**
 * @param what is looked for there, for the sentences.
 * @returns the attempt's folder here, or the host that has it: of the newest attempt, or of the one with that id.
 * @throws CliError when there is none.
 */
export async function placeOf(
  context: Context,
  bead: string,
  attempt: string | undefined,
  account: BeadAccount,
  what: 'log' | 'working tree',
): Promise<AttemptDir | Elsewhere> {
  const places = homes(context);
  const { view } = account;
  const wanted = attempt ?? view?.current?.id ?? view?.attempts.at(-1)?.id;
  const here = wanted === undefined ? await newestHere(places, bead) : await known(places, bead, wanted);
  if (here !== undefined) {
    return here;
  }
  if (view === undefined) {
    if (account.problem instanceof Error && account.problem.name === 'BeadNotFoundError') throw account.problem;
    const { message, next } = errorReport(account.problem);
    throw failure(
      `there is no ${what} of bead ${bead}${attempt === undefined ? '' : `, attempt ${attempt},`} in ` +
        `${join(places[0] as string, 'attempts')}, and nobody says where it is: ${message}`,
      `${next === undefined ? '' : `${next}; or `}run this on the host where the agent ran`,
      account.problem,
    );
  }
  const record = [...view.attempts, ...(view.current === undefined ? [] : [view.current])].find(
    ({ id }) => id === wanted,
  );
  if (record === undefined && attempt !== undefined) {
    throw new CliError({
      code: exitCodes.notFound,
      message: `bead ${bead} has no attempt ${attempt}`,
      next:
        'its attempts: ' +
        ([...view.attempts.map(({ id }) => id), ...(view.current === undefined ? [] : [view.current.id])].join(', ') ||
          'none yet'),
    });
  }
  if (record === undefined)
    throw failure(
      `bead ${bead} has had no attempt yet: ${view.reason}`,
      `see what it waits for with \`heartbead explain ${bead}\``,
    );
  if (record.host === undefined)
    throw failure(
      `attempt ${record.id} of bead ${bead} has not been taken by a host yet`,
      `see what it waits for with \`heartbead explain ${bead}\``,
    );
  if ((await Promise.all(places.map((home) => hostIdOf(home)))).includes(record.host)) {
    throw failure(
      `attempt ${record.id} of bead ${bead} has no ${what} here any more: its folder was cleaned up after its ` +
        'work was safe, or it ended before an agent was started',
      `see how it ended with \`heartbead show ${bead}\``,
    );
  }
  return { id: record.id, host: record.host };
}

/** @returns the attempt and the host that answers for it, whether that is this one or another. */
export async function hostOf(
  context: Context,
  bead: string,
  attempt: string | undefined,
  what: 'working tree',
): Promise<Elsewhere> {
  const place = await placeOf(context, bead, attempt, await beadAccount(context, bead), what);
  return place instanceof AttemptDir ? { id: place.attempt, host: (await hostIdOf(place.home)) ?? '' } : place;
}

export async function known(places: string[], bead: string, attempt: string): Promise<AttemptDir | undefined> {
  for (const home of places) {
    const dir = AttemptDir.of(home, bead, attempt);
    if (await dir.exists()) return dir;
  }
  return undefined;
}

export async function newestHere(places: string[], bead: string): Promise<AttemptDir | undefined> {
  const number = (dir: AttemptDir): number => Number(dir.attempt.split('-')[0]);
  const found = (await Promise.all(places.map((home) => AttemptDir.list(home))))
    .flat()
    .filter((dir) => dir.bead === bead);
  return found.sort((a, b) => number(a) - number(b)).at(-1);
}
