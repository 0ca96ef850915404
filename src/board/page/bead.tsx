import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { BeadPage as Bead, LogLines, StoryAnswer } from '../api-types.js';
import type { ChecksAnswer } from '../checks.js';
import { Refusal, get } from './api.js';
import { beadActions } from './bead-keys.js';
import { DiffTab } from './diff.js';
import { useListening } from './live.js';
import { LogLine, LogTab, joined } from './log.js';
import { exact, money, plural, tokens } from './text.js';
import {
  Ago,
  Agent,
  Button,
  Empty,
  For,
  Link,
  RemedyButton,
  Status,
  Trouble,
  Words,
  useAct,
  useKeys,
  useShell,
} from './ui.js';

const tabs = [
  { id: 'story', name: 'Story', key: '1' },
  { id: 'diff', name: 'Diff', key: '2' },
  { id: 'log', name: 'Log', key: '3' },
  { id: 'checks', name: 'Checks', key: '4' },
  { id: 'messages', name: 'Messages and notes', key: '5' },
  { id: 'details', name: 'Details', key: '6' },
] as const;
type Tab = (typeof tabs)[number]['id'];

const tabOf = (search: string): Tab => {
  const named = new URLSearchParams(search).get('tab');
  return tabs.find(({ id }) => id === named)?.id ?? 'story';
};

export function BeadView({ bead, search }: { bead: string; search: string }): JSX.Element {
  const [page, setPage] = useState<Bead>();
  const [log, setLog] = useState<LogLines>();
  const tab = tabOf(search);
  const attempt = new URLSearchParams(search).get('attempt') ?? '';
  const shell = useShell();
  const act = useAct();
  const heading = useRef<HTMLHeadingElement>(null);

  const trouble = useListening([`bead:${bead}`, ...(tab === 'log' ? [`log:${bead}:${attempt}`] : [])], {
    bead: setPage,
    log: (lines: LogLines) => setLog((before) => joined(before, lines)),
  });
  useEffect(() => setLog(undefined), [bead, tab === 'log', attempt]);
  useEffect(() => heading.current?.focus(), [bead]);

  const show = (to: Tab, more: Record<string, string> = {}): void =>
    shell.go(
      `/bead/${bead}?${new URLSearchParams({ tab: to, ...(attempt === '' ? {} : { attempt }), ...more }).toString()}`,
    );
  const actions = beadActions(bead, page?.title ?? bead, act, shell.ask);
  useKeys({
    ...Object.fromEntries(tabs.map(({ id, key }) => [key, () => show(id)])),
    l: () => show('log'),
    d: () => show('diff'),
    s: () => show('story'),
    n: () => void actions.nudge(),
    p: () => void (page?.state?.paused === true ? actions.resume() : actions.pause()),
    r: () => void actions.retry(),
    c: () => void actions.cancel(),
    a: () => page?.refusals.approve === undefined && void actions.approve(),
    Escape: () => shell.go('/'),
  });

  if (page === undefined)
    return trouble === undefined ? <p class="loading">Asking {bead} …</p> : <Trouble {...trouble} />;
  const { state, refusals } = page;
  const attempts =
    state === undefined ? [] : [...state.attempts, ...(state.current === undefined ? [] : [state.current])];
  const offered = refusals.approve === undefined;
  const helps = new Set(page.problems.map(({ remedy }) => remedy.do));
  return (
    <article class="bead">
      {trouble !== undefined && <Trouble {...trouble} />}
      <header class="bead-head">
        <div class="row wrap">
          <Status status={page.status} />
          {state !== undefined && <Agent agent={state.agent} />}
          <code>{bead}</code>
          {state?.rig !== undefined && <Link to={`/rig/${state.rig}`}>{state.rig}</Link>}
          {state?.convoy !== undefined && <Link to={`/convoy/${state.convoy}`}>{state.convoy}</Link>}
          {state !== undefined && <span class="quiet">priority {state.priority}</span>}
          <span class="grow" />
          {page.usage !== undefined && (
            <span class="quiet">
              {[money(page.costUsd), tokens(page.usage.inputTokens + page.usage.outputTokens)]
                .filter(Boolean)
                .join(', ')}
            </span>
          )}
          {state !== undefined && (
            <span class="quiet">
              slung <Ago at={state.createdAt} />
            </span>
          )}
        </div>
        <h1 ref={heading} tabIndex={-1}>
          <Words text={page.title} />
        </h1>
        <div class="verdict">
          <strong>
            <Words text={page.verdict} />
          </strong>
          {page.why.map((line, at) => (
            <p key={at} class={at === 0 ? '' : 'quiet'}>
              <Words text={line} />
            </p>
          ))}
          {page.next !== undefined && (
            <p>
              Next, <Ago at={page.next.at} />: <Words text={page.next.text} />
            </p>
          )}
          {page.beat !== undefined && state?.agent === 'starting' && (
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
        {page.problems.length > 0 && (
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
        )}
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
          {offered && <Button label="Approve" kind="main" onPress={actions.approve} keys="a" />}
          {offered && (
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
      </header>
      <div class="tabs">
        <div class="tab-list" role="tablist" aria-label={`about ${bead}`}>
          {tabs.map(({ id, name, key }) => (
            <button
              key={id}
              type="button"
              role="tab"
              id={`tab-${id}`}
              aria-selected={tab === id}
              aria-controls="tab-panel"
              tabIndex={tab === id ? 0 : -1}
              title={`key ${key}`}
              onClick={() => show(id)}
              onKeyDown={(event) => {
                const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
                if (by === 0) return;
                event.preventDefault();
                const next = tabs[(tabs.findIndex((one) => one.id === id) + by + tabs.length) % tabs.length];
                if (next === undefined) return;
                show(next.id);
                document.getElementById(`tab-${next.id}`)?.focus();
              }}
            >
              {name}
              {id === 'messages' && state !== undefined && state.messages.length > 0 && (
                <span class="count">{state.messages.length}</span>
              )}
            </button>
          ))}
        </div>
        {(tab === 'diff' || tab === 'log') && attempts.length > 1 && (
          <select
            aria-label="attempt"
            value={attempt}
            onChange={(event) => show(tab, { attempt: event.currentTarget.value })}
          >
            <option value="">newest attempt</option>
            {attempts.map(({ id, number }) => (
              <option key={id} value={id}>
                attempt {number}
              </option>
            ))}
          </select>
        )}
      </div>
      <div id="tab-panel" role="tabpanel" aria-labelledby={`tab-${tab}`} class="panel">
        {tab === 'story' && <StoryTab page={page} />}
        {tab === 'diff' && <DiffTab page={page} attempt={attempt} />}
        {tab === 'log' && <LogTab log={log} page={page} />}
        {tab === 'checks' && <ChecksTab page={page} />}
        {tab === 'messages' && <MessagesTab page={page} />}
        {tab === 'details' && <DetailsTab page={page} />}
      </div>
    </article>
  );
}

/** Asks again whenever what it depends on has changed. */
function useAnswer<T>(path: string, key: string): { answer: T | undefined; refusal: Refusal | undefined } {
  const [answer, setAnswer] = useState<T>();
  const [refusal, setRefusal] = useState<Refusal>();
  useEffect(() => {
    const stop = new AbortController();
    get<T>(path, stop.signal).then(
      (found) => {
        setAnswer(found);
        setRefusal(undefined);
      },
      (error: unknown) => {
        if (error instanceof Refusal) setRefusal(error);
        else if (!stop.signal.aborted) throw error;
      },
    );
    return () => stop.abort();
  }, [path, key]);
  return { answer, refusal };
}

/** What a bead looks like from the outside: when it changes, its story has gone on. */
const changes = ({ state, status }: Bead): string =>
  `${status} ${state?.agent ?? ''} ${state?.attemptCount ?? 0} ${state?.story.length ?? 0} ${state?.story.at(-1)?.at ?? 0} ${state?.messages.length ?? 0} ${state?.notes.length ?? 0}`;

function StoryTab({ page }: { page: Bead }): JSX.Element {
  const { answer, refusal } = useAnswer<StoryAnswer>(`/beads/${page.bead}/story`, changes(page));
  const attempts =
    page.state === undefined
      ? []
      : [...page.state.attempts, ...(page.state.current === undefined ? [] : [page.state.current])];
  return (
    <div class="story-tab">
      {attempts.length > 0 && (
        <section class="attempts" aria-label="attempts">
          <h2>Attempts</h2>
          <ol>
            {attempts.map((attempt) => {
              const ended = 'endedAt' in attempt ? attempt.endedAt : undefined;
              const outcome = 'outcome' in attempt ? attempt.outcome : undefined;
              const reason =
                'activity' in attempt ? attempt.activity : 'reason' in attempt ? attempt.reason : undefined;
              return (
                <li key={attempt.id} class={`attempt o-${outcome ?? 'running'}`}>
                  <div class="row wrap">
                    <strong>{attempt.number}</strong>
                    <span class="badge">{outcome ?? page.state?.agent ?? 'running'}</span>
                    <For since={attempt.startedAt} until={ended} />
                    {attempt.host !== undefined && (
                      <span class="quiet">
                        <Words text={attempt.host} />
                      </span>
                    )}
                    {attempt.adoptions > 0 && <span class="quiet">adopted {plural(attempt.adoptions, 'time')}</span>}
                    <span class="quiet">{plural(attempt.heartbeats, 'signal')}</span>
                    <span class="grow" />
                    <Link to={`/bead/${page.bead}?tab=diff&attempt=${attempt.id}`}>diff</Link>
                    <Link to={`/bead/${page.bead}?tab=log&attempt=${attempt.id}`}>log</Link>
                  </div>
                  {reason !== undefined && (
                    <p class="quiet">
                      <Words text={reason} />
                    </p>
                  )}
                </li>
              );
            })}
          </ol>
        </section>
      )}
      <section aria-label="story">
        <h2>Story</h2>
        {refusal !== undefined && <Trouble message={refusal.message} next={refusal.next} />}
        {answer?.cut === true && (
          <p class="quiet">It begins later than the bead: older runs are no longer on the server.</p>
        )}
        {answer === undefined && refusal === undefined && <p class="loading">Reading its history …</p>}
        {answer?.story.length === 0 && <Empty>nothing has happened yet</Empty>}
        <ol class="timeline">
          {answer?.story.map(({ at, text }, index) => (
            <li key={`${at} ${index}`}>
              <time dateTime={new Date(at).toISOString()} title={exact(at)}>
                {new Date(at).toLocaleTimeString()}
              </time>
              <Words text={text} />
            </li>
          ))}
        </ol>
      </section>
    </div>
  );
}

function ChecksTab({ page }: { page: Bead }): JSX.Element {
  const { answer, refusal } = useAnswer<ChecksAnswer>(`/beads/${page.bead}/checks`, changes(page));
  if (refusal !== undefined) return <Trouble message={refusal.message} next={refusal.next} />;
  if (answer === undefined) return <p class="loading">Asking its rig …</p>;
  if (answer.rig === undefined)
    return <Empty>it has no rig: its work is pushed to a branch of its own, and neither checked nor merged</Empty>;
  const { checks, merging, ended, output, elsewhere, strategy } = answer;
  return (
    <div>
      <p class="quiet">
        {answer.rig}, {strategy}:{' '}
        {checks.length === 0 ? 'no checks' : checks.map(({ name, command }) => `${name} (${command})`).join(', ')}
      </p>
      {merging !== undefined && (
        <p>
          <strong>{merging.resting ? 'rests' : 'now'}</strong>: <Words text={merging.text} /> on{' '}
          <Words text={merging.host} />
          {merging.lastFailure !== undefined && (
            <span class="warn">
              {' '}
              <Words text={merging.lastFailure} />
            </span>
          )}
        </p>
      )}
      <ol class="timeline">
        {ended.map(({ at, text, merged }) => (
          <li key={at} class={merged ? '' : 'warn'}>
            <Ago at={at} />
            <Words text={text} />
          </li>
        ))}
      </ol>
      {ended.length === 0 && merging === undefined && output === undefined && elsewhere === undefined && (
        <Empty>nothing of it has been checked yet</Empty>
      )}
      {elsewhere !== undefined && (
        <p class="warn">
          <Words text={elsewhere} />
        </p>
      )}
      {output !== undefined && (
        <section aria-label="output of the checks">
          <h2>Output</h2>
          <p class="quiet">
            <code>
              <Words text={output.path} />
            </code>
          </p>
          <div class="log" tabIndex={0} role="log" aria-label="output of the checks">
            {output.lines.map((line, at) => (
              <LogLine key={at} line={line} />
            ))}
          </div>
        </section>
      )}
    </div>
  );
}

function MessagesTab({ page }: { page: Bead }): JSX.Element {
  const { state } = page;
  if (state === undefined) return <Empty>its messages are known when a worker answers: heartbead up starts one</Empty>;
  return (
    <div class="two">
      <section aria-label="messages">
        <h2>Messages not yet acknowledged</h2>
        {state.messages.length === 0 && <Empty>the agent has acknowledged all that was sent</Empty>}
        <ul class="notes">
          {state.messages.map(({ id, text, from, at, deliveredTo }) => (
            <li key={id}>
              <span class="quiet">
                {from}, <Ago at={at} />,{' '}
                {deliveredTo === undefined ? 'not delivered yet' : `delivered to attempt ${deliveredTo}`}
              </span>
              <pre>
                <Words text={text} />
              </pre>
            </li>
          ))}
        </ul>
      </section>
      <section aria-label="notes">
        <h2>Notes for the next attempt</h2>
        {state.notes.length === 0 && <Empty>no attempt has left any</Empty>}
        <ul class="notes">
          {state.notes.map((note, at) => (
            <li key={at}>
              <pre>
                <Words text={note} />
              </pre>
            </li>
          ))}
        </ul>
        {state.summary !== undefined && (
          <>
            <h2>The agent’s own summary</h2>
            <pre>
              <Words text={state.summary} />
            </pre>
          </>
        )}
      </section>
    </div>
  );
}

function DetailsTab({ page }: { page: Bead }): JSX.Element {
  const { state } = page;
  const rows: [string, string | undefined][] =
    state === undefined
      ? []
      : [
          ['repository', state.repo],
          ['base', state.base],
          ['agent', [state.agentSpec.adapter, state.agentSpec.command].filter(Boolean).join(': ')],
          ['branch', state.branch],
          ['commit', state.sha],
          ['merged as', state.landing?.mergedSha],
          [
            'checkpoint',
            state.checkpoint === undefined ? undefined : `${state.checkpoint.sha} at ${state.checkpoint.ref}`,
          ],
          [
            'tokens',
            page.usage === undefined
              ? undefined
              : `${page.usage.inputTokens} in (${page.usage.cachedTokens} from a cache), ${page.usage.outputTokens} out, ${page.usage.turns} turns`,
          ],
          ['cost', page.usage === undefined || page.costUsd === 0 ? undefined : money(page.costUsd)],
        ];
  return (
    <div>
      <dl class="facts-list">
        {rows.map(([name, value]) =>
          value === undefined || value === '' ? null : (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <Words text={value} />
              </dd>
            </div>
          ),
        )}
      </dl>
      <ul class="plain">
        {page.details.map((line, at) => (
          <li key={at}>
            <Words text={line} />
          </li>
        ))}
      </ul>
    </div>
  );
}
