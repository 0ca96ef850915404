import type { JSX } from 'preact';
import { shortSha } from '../../domain/words.js';
import { ItemLink } from './side.js';
import { useLook } from './live.js';
import { Ago, Button, Empty, For, Link, TroubleNote, Words, useAct } from './ui.js';

export function RigPage({ rig }: { rig: string }): JSX.Element {
  const { view, trouble } = useLook('rig', rig);
  const act = useAct();
  if (view === undefined)
    return trouble === undefined ? <p class="loading">Asking {rig} …</p> : <TroubleNote {...trouble} />;
  const { settings } = view;
  return (
    <article class="bead">
      {trouble !== undefined && <TroubleNote {...trouble} />}
      <header class="bead-head">
        <h1>Rig {rig}</h1>
        <p class="quiet">
          <Words text={settings.repo} />, {settings.base ?? 'default branch'}, {settings.strategy}
          {settings.approval ? ', a person approves' : ''}, at most {settings.maxAgents} agents, settings version{' '}
          {view.version}
        </p>
        {view.breaker.open && (
          <p class="warn">
            Its breaker is open: <Words text={view.breaker.reason ?? 'losses in a row'} />
          </p>
        )}
        {view.attention === 'stopped' &&
          (view.stops ?? []).map(({ reason, met }) => (
            <p class="warn" key={reason}>
              It starts no agents: <Words text={reason} /> ({met.length} met it, {view.waiting.length} wait)
            </p>
          ))}
        <div class="row actions">
          {view.attention === 'stopped' && !view.paused && (
            <Button label="Try again" kind="main" onPress={() => act(`/rigs/${rig}/resume`)} />
          )}
          <Button
            label={view.paused ? 'Resume' : 'Pause'}
            kind={view.paused ? 'main' : ''}
            onPress={() => act(`/rigs/${rig}/${view.paused ? 'resume' : 'pause'}`)}
          />
          <Link class="button" to={`/?rig=${rig}`}>
            Its cards
          </Link>
          <Link class="button" to={`/sling?rig=${rig}`}>
            Sling for it
          </Link>
        </div>
      </header>
      <div class="two">
        <section aria-label="merge queue">
          <h2>Merge queue</h2>
          {view.merging.length + view.queue.length === 0 && <Empty>nothing waits for its merge</Empty>}
          <ol class="merges">
            {view.merging.map(({ item, title, startedAt, target }) => (
              <li key={item} class="now">
                <ItemLink item={item} title={title} /> into {target === '' ? 'the default branch' : target},{' '}
                <For since={startedAt} />
              </li>
            ))}
            {view.queue.map(({ item, title, lastReason, queuedAt }) => (
              <li key={item}>
                <ItemLink item={item} title={title} /> <For since={queuedAt} />
                {lastReason !== undefined && (
                  <p class="warn">
                    <Words text={lastReason} />
                  </p>
                )}
              </li>
            ))}
          </ol>
          <h2>Merged last</h2>
          {view.merged.length === 0 && <Empty>nothing yet</Empty>}
          <ul class="plain">
            {view.merged
              .slice(-20)
              .reverse()
              .map(({ item, sha, at }) => (
                <li key={`${item} ${sha}`}>
                  <ItemLink item={item} title={item} /> <code>{shortSha(sha)}</code> <Ago at={at} />
                </li>
              ))}
          </ul>
          {view.notMerged.length > 0 && <h2>Not merged</h2>}
          <ul class="plain">
            {view.notMerged
              .slice(-20)
              .reverse()
              .map(({ item, at, outcome, reason }) => (
                <li key={`${item} ${at}`}>
                  <ItemLink item={item} title={item} /> {outcome.replace('_', ' ')} <Ago at={at} />
                  <p class="quiet">
                    <Words text={reason} />
                  </p>
                </li>
              ))}
          </ul>
        </section>
        <section aria-label="agents">
          <h2>Agents at work</h2>
          {view.grants.length === 0 && <Empty>none</Empty>}
          <ul class="plain">
            {view.grants.map(({ bead, grantedAt }) => (
              <li key={bead}>
                <ItemLink item={bead} title={bead} /> <For since={grantedAt} />
              </li>
            ))}
          </ul>
          <h2>Wait for an agent</h2>
          {view.waiting.length === 0 && <Empty>none</Empty>}
          <ol class="plain">
            {view.waiting.slice(0, 100).map(({ bead, since, priority }) => (
              <li key={bead}>
                <ItemLink item={bead} title={bead} /> <span class="quiet">priority {priority}</span>{' '}
                <For since={since} />
              </li>
            ))}
          </ol>
          <h2>Checks</h2>
          {settings.checks.length === 0 && <Empty>none: what the agent reports is merged</Empty>}
          <ul class="plain">
            {settings.checks.map(({ name, command }) => (
              <li key={name}>
                {name}:{' '}
                <code>
                  <Words text={command} />
                </code>
              </li>
            ))}
          </ul>
        </section>
      </div>
    </article>
  );
}
