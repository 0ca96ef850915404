import type { JSX, RefObject } from 'preact';
import { pauseUnheard } from '../../domain/bead/deadline.js';
import type { BeadPage as Bead } from '../api-types.js';
import type { beadActions } from './bead-keys.js';
import { money, statusLabels, tokens } from './text.js';
import { Ago, Agent, Button, Link, RemedyButton, StatusMark, Words, useAct, useShell } from './ui.js';

type Actions = ReturnType<typeof beadActions>;

/** What a bead is, how it stands, and what may be done about it. */
export function BeadHead(props: {
  page: Bead;
  actions: Actions;
  heading: RefObject<HTMLHeadingElement | null>;
}): JSX.Element {
  const { page, actions, heading } = props;
  return (
    <header class="bead-head">
      <FactsRow page={page} />
      <h1 ref={heading} tabIndex={-1}>
        <Words text={page.title} />
      </h1>
      <Verdict page={page} />
      <NeedsHere page={page} />
      <ActionRow page={page} actions={actions} />
    </header>
  );
}

function FactsRow({ page }: { page: Bead }): JSX.Element {
  const { state } = page;
  return (
    <div class="row wrap">
      <StatusMark status={page.status} />
      {state !== undefined && <Agent agent={state.agent} unheard={pauseUnheard(state)} />}
      <code>{page.bead}</code>
      {state?.rig !== undefined && <Link to={`/rig/${state.rig}`}>{state.rig}</Link>}
      {state?.convoy !== undefined && <Link to={`/convoy/${state.convoy}`}>{state.convoy}</Link>}
      {state !== undefined && <span class="quiet">priority {state.priority}</span>}
      <span class="grow" />
      {page.usage !== undefined && (
        <span class="quiet">
          {[money(page.costUsd), tokens(page.usage.inputTokens + page.usage.outputTokens)].filter(Boolean).join(', ')}
        </span>
      )}
      {state !== undefined && (
        <span class="quiet">
          slung <Ago at={state.createdAt} />
        </span>
      )}
    </div>
  );
}

function Verdict({ page }: { page: Bead }): JSX.Element {
  return (
    <div class="verdict">
      {page.verdict !== page.status && page.verdict !== statusLabels[page.status] && (
        <strong>
          <Words text={page.verdict} />
        </strong>
      )}
      {page.why.map((line, at) => (
        <p key={at} class={at === 0 ? 'reason' : 'quiet'}>
          <Words text={line} />
        </p>
      ))}
      {page.next !== undefined && (
        <p>
          Next, <Ago at={page.next.at} />: <Words text={page.next.text} />
        </p>
      )}
      {page.beat !== undefined && page.state?.agent === 'starting' && (
        <p class="quiet">
          <Words text={page.beat} />
        </p>
      )}
      {page.notes.map((note) => (
        <p key={note} class="warn">
          <Words text={note} />
        </p>
      ))}
    </div>
  );
}

function NeedsHere({ page }: { page: Bead }): JSX.Element | null {
  if (page.problems.length === 0) return null;
  return (
    <ul class="needs-here">
      {page.problems.map((problem) => (
        <li key={problem.kind} class={`problem ${problem.severity}`}>
          <span class="dot" />
          <span class="why">
            <Words text={problem.advice ?? problem.why} />
          </span>
          {(problem.remedy.do === 'type' || problem.remedy.do === 'nudge') && (
            <RemedyButton remedy={problem.remedy} title={problem.why} />
          )}
        </li>
      ))}
    </ul>
  );
}

function ActionRow({ page, actions }: { page: Bead; actions: Actions }): JSX.Element {
  const { bead, refusals, problems } = page;
  const shell = useShell();
  const act = useAct();
  const reviewed = refusals['request-changes'] === undefined;
  const helps = new Set(problems.map(({ remedy }) => remedy.do));
  return (
    <div class="row wrap actions" role="group" aria-label="actions">
      <Button label="Nudge …" off={refusals.nudge} onPress={actions.nudge} keys="n" />
      {refusals.resume === undefined ? (
        <Button label="Resume" kind="main" onPress={actions.resume} keys="p" />
      ) : (
        <Button label="Pause" off={refusals.pause} onPress={actions.pause} keys="p" />
      )}
      <Button
        label="Retry"
        kind={helps.has('retry') ? 'main' : ''}
        off={refusals.retry}
        onPress={actions.retry}
        keys="r"
      />
      {reviewed && <Button label="Approve" kind="main" off={refusals.approve} onPress={actions.approve} keys="a" />}
      {reviewed && (
        <Button
          label="Request changes …"
          onPress={() =>
            shell.ask({
              title: `Send ${bead} back`,
              text: 'In the diff, a click on the number of a line comments that line.',
              field: 'What is to be changed',
              yes: 'Request changes',
              then: (text) => void act(`/beads/${bead}/request-changes`, { text }),
            })
          }
        />
      )}
      <span class="grow" />
      {page.workflowUrl !== undefined && (
        <a class="button" href={page.workflowUrl} target="_blank" rel="noreferrer">
          Temporal’s page
        </a>
      )}
      <Button label="Cancel …" kind="danger" off={refusals.cancel} onPress={actions.cancel} keys="c" />
    </div>
  );
}
