import type { Colors } from 'picocolors/types.js';
import type { Problem, Severity } from '../../domain/telling/problems.js';
import type { LeftOut } from '../../domain/telling/town-facts.js';
import { counted, durationText } from '../../domain/words.js';
import { oneLine } from './format.js';

const words: Record<Severity, string> = { stuck: 'stuck', look: 'look', know: 'know' };

const paint = (severity: Severity, c: Colors): string => {
  switch (severity) {
    case 'stuck':
      return c.red(words[severity].padEnd(5));
    case 'look':
      return c.yellow(words[severity].padEnd(5));
    case 'know':
      return c.dim(words[severity].padEnd(5));
  }
};

/** @param more so many are left out. @returns the problems: what, why, and the command that helps. */
export function problemsPage(problems: readonly Problem[], now: number, c: Colors, more = 0): string {
  if (problems.length === 0) return `${c.green('nothing needs a person')}`;
  const stuck = problems.filter(({ severity }) => severity === 'stuck').length;
  const all = problems.length + more;
  // What stands still comes first: where only that is shown, there may be more of it.
  const least = more > 0 && stuck === problems.length ? 'at least ' : '';
  const head =
    `${all} ${all === 1 ? 'thing needs' : 'things need'} a person; ` +
    (stuck === 0 ? 'none of them holds work up' : `${least}${stuck} ${stuck === 1 ? 'holds' : 'hold'} work up`);
  const rest = more === 0 ? [] : ['', c.dim(`… and ${more} more; \`heartbead problems --limit ${all}\` shows all`)];
  return [head, ...problems.flatMap((problem) => ['', ...entry(problem, now, c)]), ...rest].join('\n');
}

function entry({ severity, what, why, fix, advice, since }: Problem, now: number, c: Colors): string[] {
  const age = since === undefined ? '' : c.dim(`, ${durationText(now - since)}`);
  const field = (name: string, text: string): string => `       ${c.dim(name.padEnd(4))} ${text}`;
  return [
    `${paint(severity, c)}  ${c.bold(oneLine(what))}${age}`,
    field('why', oneLine(why, 600)),
    ...(advice === undefined ? [] : [field('do', oneLine(advice, 400))]),
    field('run', c.cyan(oneLine(fix))),
  ];
}

/** @returns what a look has left out, as a sentence; undefined when it is nothing. */
export function leftOutText(left: LeftOut | undefined): string | undefined {
  if (left === undefined) return undefined;
  const { beads, rigs, convoys, hosts } = left;
  const parts = [
    [beads, 'open bead'] as const,
    [rigs, 'rig'] as const,
    [convoys, 'convoy'] as const,
    [hosts, 'host'] as const,
  ].flatMap(([count, word]) => (count === 0 ? [] : [counted(count, word)]));
  return parts.length === 0
    ? undefined
    : `not looked at, or without an answer in time: ${parts.join(', ')}; what asks for a person and what is ` +
        'newest comes first (`--timeout` gives more time)';
}
