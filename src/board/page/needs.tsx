import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { ShownProblem } from '../api-types.js';
import { For, Link, RemedyButton, Words } from './ui.js';

const severityNames = { stuck: 'stands still', look: 'worth a look', know: 'as you wanted' } as const;

/** Each problem with its reason, and the one button that helps. */
export function NeedsMe({ problems }: { problems: ShownProblem[] }): JSX.Element {
  const [all, setAll] = useState(false);
  const most = 4;
  const listed = all ? problems : problems.slice(0, most);
  return (
    <section class="needs" aria-label="what needs me" id="needs">
      <h2>
        Needs me{' '}
        <span class={`count ${problems.some(({ severity }) => severity === 'stuck') ? 'red' : ''}`}>
          {problems.length}
        </span>
      </h2>
      {problems.length === 0 && <p class="fine">Nothing needs a person.</p>}
      <ul>
        {listed.map((problem) => (
          <li key={`${problem.kind} ${problem.about}`} class={`problem ${problem.severity}`}>
            <span class="dot" title={severityNames[problem.severity]}>
              <span class="hidden">{severityNames[problem.severity]}: </span>
            </span>
            <span class="what">
              <Words text={problem.what} />
              {problem.since !== undefined && (
                <span class="quiet">
                  {' '}
                  <For since={problem.since} />
                </span>
              )}
            </span>
            <span class="why" title={problem.why}>
              <Words text={problem.why} />
            </span>
            <span class="help">
              {isBead(problem) && problem.remedy.do !== 'open' && (
                <Link class="button" to={`/bead/${problem.about}${problem.kind === 'approval' ? '?tab=diff' : ''}`}>
                  {problem.kind === 'approval' ? 'See the diff' : 'Look'}
                </Link>
              )}
              <RemedyButton remedy={problem.remedy} title={problem.why} />
            </span>
          </li>
        ))}
      </ul>
      {problems.length > most && (
        <button type="button" class="button" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? 'Fewer' : `All ${problems.length}`}
        </button>
      )}
    </section>
  );
}

const isBead = ({ remedy }: ShownProblem): boolean => 'bead' in remedy;
