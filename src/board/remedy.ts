import type { Problem } from '../domain/telling/problems.js';
import type { Remedy, ShownProblem } from './api-types.js';

/**
 * The command that a problem names as its help, as a button: what helps is decided once, in
 * `domain/telling/problems.ts`. A command that nothing here can carry out is shown, to be typed.
 */
export function remedyOf({ fix }: Pick<Problem, 'fix'>): Remedy {
  const [program, verb, a = '', b = '', c = ''] = fix.split(' ');
  if (program !== 'heartbead' || a === '') return { do: 'type', command: fix, label: fix };
  switch (verb) {
    case 'approve':
      // A signature is made where the key is, and that is not here.
      if (b === '--key') return { do: 'type', command: fix, label: fix };
      return { do: verb, bead: a, label: 'Approve' };
    case 'retry':
    case 'resume':
      return { do: verb, bead: a, label: verb[0]?.toUpperCase() + verb.slice(1) };
    case 'nudge':
      return { do: 'nudge', bead: a, label: 'Answer …' };
    case 'logs':
      return { do: 'open', path: `/bead/${a}?tab=log`, label: 'Read its log' };
    case 'show':
    case 'explain':
      return { do: 'open', path: `/bead/${a}`, label: 'Look' };
    case 'history':
      return { do: 'open', path: `/bead/${a}?tab=story`, label: 'Read its story' };
    case 'queue':
      return { do: 'open', path: `/rig/${a}`, label: 'See its queue' };
    case 'rig':
      if (a === 'resume' && b !== '') return { do: 'resume-rig', rig: b, label: 'Resume' };
      return { do: 'open', path: `/rig/${b}`, label: 'Look' };
    case 'convoy':
      if (a === 'resume') return { do: 'resume-convoy', convoy: b, label: 'Resume' };
      if (a === 'start') return { do: 'start-convoy', convoy: b, label: 'Start' };
      if (a === 'retry') return { do: 'retry-in-convoy', convoy: b, id: c, label: `Retry ${c}` };
      return { do: 'open', path: `/convoy/${b}`, label: 'Look' };
    default:
      return { do: 'type', command: fix, label: fix };
  }
}

export const shown = (problems: readonly Problem[]): ShownProblem[] =>
  problems.map((problem) => ({ ...problem, remedy: remedyOf(problem) }));
