import type { Colors } from 'picocolors/types.js';
import type { Problem, Severity } from '../../domain/telling/problems.js';
import { durationText } from '../../domain/words.js';
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

/** @returns the problems: what, why, and the command that helps. */
export function problemsPage(problems: readonly Problem[], now: number, c: Colors): string {
  if (problems.length === 0) return `${c.green('nothing needs a person')}`;
  const stuck = problems.filter(({ severity }) => severity === 'stuck').length;
  const head =
    `${problems.length} ${problems.length === 1 ? 'thing needs' : 'things need'} a person; ` +
    (stuck === 0 ? 'none of them holds work up' : `${stuck} ${stuck === 1 ? 'holds' : 'hold'} work up`);
  return [head, ...problems.flatMap((problem) => ['', ...entry(problem, now, c)])].join('\n');
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
