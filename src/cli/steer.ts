import type { BeadClient } from '../client/beads.js';
import type { BeadView } from '../contract/index.js';
import type { Context } from './context.js';
import { confirmed } from './confirmed.js';
import { exitCodes, failure, errorReport, usageError } from './exit.js';
import type { ErrorReport, ExitCode } from './exit.js';
import { counted } from '../domain/words.js';
import { oneLine, paintStatus, table } from './render/format.js';
import { inTurn, isSelection, selectBeads } from './select-beads.js';
import type { Selection } from './select-beads.js';

/** An operator's hand on beads: what is asked of each, and of which it is asked. */
export interface Steering {
  /** As the verb is called: `pause`. */
  name: string;
  /**
   * @returns whether a bead that was chosen by a filter, and is not being cancelled, would take the request; one that
   * was named is asked in any case.
   */
  applies(view: BeadView): boolean;
  /** Asks one bead. @returns its answer. */
  ask(beads: BeadClient, bead: string): Promise<string>;
}

/** Requests under way at once. */
const askedAtOnce = 8;

/** What became of one bead. */
type Answer = { bead: string; text: string } | { bead: string; error: ErrorReport };

/** Which beads a person named, or by what they were chosen. */
export interface Meant {
  named: readonly string[];
  chosen: Selection & { yes: boolean };
}

/**
 * Steers the beads that were named, or those that a filter chooses. A filter's choice is shown first, and asked about
 * on a terminal; elsewhere it needs `--yes`.
 */
export async function steer(context: Context, steering: Steering, { named, chosen }: Meant): Promise<ExitCode> {
  const filtered = isSelection(chosen);
  if (filtered && named.length > 0)
    throw usageError(
      `either beads or a filter, not both: ${named.join(', ')}`,
      `see \`heartbead ${steering.name} --help\``,
    );
  if (!filtered && named.length === 0)
    throw usageError(
      `which bead is meant?`,
      'name it, or choose several by --rig, --convoy, --status, --host or --cause: `heartbead ' +
        `${steering.name} --help\``,
    );
  const [only] = named;
  if (only !== undefined && named.length === 1) {
    const text = await steering.ask(await context.beads(), only);
    context.print({ bead: only, text }, text);
    return exitCodes.fine;
  }
  const targets = filtered ? await choose(context, steering, chosen) : [...new Set(named)];
  if (targets === undefined) return exitCodes.failed;
  return askAll(context, steering, targets);
}

/** @returns whether a bead would take the request, by its own word. One that is being cancelled takes none. */
export const wouldTake = ({ applies }: Pick<Steering, 'applies'>, view: BeadView): boolean =>
  !view.cancelling && applies(view);

async function choose(
  context: Context,
  steering: Steering,
  chosen: Selection & { yes: boolean },
): Promise<string[] | undefined> {
  const found = await selectBeads(context, chosen);
  const apt = found.filter((view) => wouldTake(steering, view));
  const left = found.length - apt.length;
  const leftOut =
    left === 0 ? '' : `; ${counted(left, 'other')} would refuse it and ${left === 1 ? 'is' : 'are'} left alone`;
  if (apt.length === 0) {
    context.note(`no bead to ${steering.name}${leftOut}`);
    return [];
  }
  const { errColors } = context.io;
  context.io.err(`to ${steering.name}: ${counted(apt.length, 'bead')}${leftOut}`);
  context.io.err(
    table(
      ['BEAD', 'STATUS', 'HOST', 'REASON'],
      apt.map((view) => [
        view.bead,
        paintStatus(view.status, errColors),
        (view.current ?? view.attempts.at(-1))?.host ?? '-',
        oneLine(view.reason, 80),
      ]),
      errColors,
    ),
  );
  if (!chosen.yes && !(await confirmed(context, `${steering.name} ${counted(apt.length, 'bead')}?`))) return undefined;
  return apt.map(({ bead }) => bead);
}

async function askAll(context: Context, steering: Steering, targets: readonly string[]): Promise<ExitCode> {
  const beads = await context.beads();
  const answers = new Map<string, Answer>();
  await inTurn(targets, askedAtOnce, async (bead) => {
    try {
      answers.set(bead, { bead, text: await steering.ask(beads, bead) });
    } catch (error) {
      answers.set(bead, { bead, error: errorReport(error) });
    }
  });
  const results = targets.flatMap((bead) => answers.get(bead) ?? []);
  const { colors } = context.io;
  const lines = results.map((answer) =>
    'error' in answer
      ? `${answer.bead}: ${colors.red(oneLine(answer.error.message, 500))}`
      : `${answer.bead}: ${oneLine(answer.text, 500)}`,
  );
  if (context.json || lines.length > 0) context.print({ results }, lines.join('\n'));
  const failed = results.flatMap((answer) => ('error' in answer ? [answer.error] : []));
  if (failed.length === 0) return exitCodes.fine;
  // What all that failed have in common is told by the status; a mixture is a failure.
  const [first] = failed;
  if (first !== undefined && failed.every(({ code }) => code === first.code)) return first.code;
  return exitCodes.failed;
}

/** @throws CliError when a bead that was to be cancelled has ended otherwise. */
export function cancelledOrThrow(bead: string, end: { status: string; reason: string }): string {
  if (end.status === 'cancelled') return `${bead} is cancelled: ${end.reason}`;
  throw failure(
    `bead ${bead} was not cancelled: it ended ${end.status} (${end.reason})`,
    `see \`heartbead show ${bead}\``,
  );
}
