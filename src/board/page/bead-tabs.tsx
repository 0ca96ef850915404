import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { cellWords } from '../../domain/words.js';
import type { BeadPage as Bead, StoryAnswer } from '../api-types.js';
import type { ChecksAnswer } from '../checks.js';
import { BoardError, get } from './api.js';
import { LogLine } from './log.js';
import { exact, money, plural } from './text.js';
import { Ago, Empty, For, Link, TroubleNote, Words } from './ui.js';

/** Asks again whenever what it depends on has changed. */
function useAnswer<T>(path: string, key: string): { answer: T | undefined; refusal: BoardError | undefined } {
  const [answer, setAnswer] = useState<T>();
  const [refusal, setRefusal] = useState<BoardError>();
  useEffect(() => {
    const stop = new AbortController();
    get<T>(path, stop.signal).then(
      (found) => {
        setAnswer(found);
        setRefusal(undefined);
      },
      (error: unknown) => {
        if (error instanceof BoardError) setRefusal(error);
        else if (!stop.signal.aborted) throw error;
      },
    );
    return () => stop.abort();
  }, [path, key]);
  return { answer, refusal };
}

/** What a bead looks like from the outside: when it changes, its story has gone on. */
const changes = ({ state, status }: Bead): string =>
  `${status} ${state?.agent ?? ''} ${state?.attemptCount ?? 0} ${state?.story.length ?? 0} ` +
  `${state?.story.at(-1)?.at ?? 0} ${state?.messages.length ?? 0} ${state?.notes.length ?? 0}`;

export function StoryTab({ page }: { page: Bead }): JSX.Element {
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
                    {attempt.cell !== undefined && (
                      <span class={attempt.cell === 'none' ? 'warn' : 'quiet'}>{cellWords[attempt.cell]}</span>
                    )}
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
        {refusal !== undefined && <TroubleNote message={refusal.message} next={refusal.next} />}
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

export function ChecksTab({ page }: { page: Bead }): JSX.Element {
  const { answer, refusal } = useAnswer<ChecksAnswer>(`/beads/${page.bead}/checks`, changes(page));
  if (refusal !== undefined) return <TroubleNote message={refusal.message} next={refusal.next} />;
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
            {output.host !== undefined && (
              <>
                on host <Words text={output.host} />,{' '}
              </>
            )}
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

export function MessagesTab({ page }: { page: Bead }): JSX.Element {
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

export function DetailsTab({ page }: { page: Bead }): JSX.Element {
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
              : `${page.usage.inputTokens} in (${page.usage.cachedTokens} from a cache), ` +
                `${page.usage.outputTokens} out, ${page.usage.turns} turns`,
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
