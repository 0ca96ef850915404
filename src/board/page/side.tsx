import type { JSX } from 'preact';
import type { ConvoyRow, HostsPart, RigRow } from '../api-types.js';
import { plural } from './text.js';
import { Button, Empty, For, Link, Words, useAct } from './ui.js';

export function Hosts({ part }: { part: HostsPart }): JSX.Element {
  return (
    <section aria-label="hosts">
      <h2>Hosts</h2>
      {part.hosts.length === 0 && (
        <Empty>
          no worker polls {part.taskQueue}: <code>heartbead up</code> starts one
        </Empty>
      )}
      <ul class="rows">
        {part.hosts.map(({ host, state, beads, places, here }) => (
          <li key={host}>
            <Link to={`/?host=${encodeURIComponent(host)}`} class="name" title={here ? `${host}: this machine` : host}>
              <Words text={host} />
            </Link>
            <span class={`state h-${state.replaceAll(' ', '-')}`}>{state}</span>
            <span class="quiet">
              {places === undefined ? plural(beads.length, 'agent') : `${beads.length} of ${places}`}
            </span>
          </li>
        ))}
      </ul>
      {part.queued !== undefined && part.queued > 0 && <p class="quiet">{part.queued} wait for a place</p>}
    </section>
  );
}

export function Rigs({ rigs }: { rigs: RigRow[] }): JSX.Element {
  const act = useAct();
  return (
    <section aria-label="rigs and their merge queues">
      <h2>Rigs</h2>
      {rigs.length === 0 && (
        <Empty>
          <code>heartbead rig add</code> makes one: it grants agents and merges their work
        </Empty>
      )}
      {rigs.map(({ rig, view }) => (
        <div key={rig} class="rig">
          <div class="row">
            <Link to={`/rig/${rig}`} class="name">
              {rig}
            </Link>
            {view === undefined ? (
              <span class="quiet">does not answer</span>
            ) : (
              <>
                {view.breakerOpen && <span class="warn">breaker open</span>}
                {view.attention === 'stopped' && <span class="warn">stopped</span>}
                <span class="quiet" title="agents at work, of at most">
                  {view.running.length} of {view.maxAgents}
                  {view.waiting > 0 && `, ${view.waiting} wait`}
                </span>
                <span class="grow" />
                <Button
                  label={view.paused ? 'Resume' : 'Pause'}
                  kind={view.paused ? 'main' : ''}
                  onPress={() => act(`/rigs/${rig}/${view.paused ? 'resume' : 'pause'}`)}
                />
              </>
            )}
          </div>
          {view !== undefined && view.merging.length + view.queue.length > 0 && (
            <ol class="merges" aria-label={`merge queue of ${rig}`}>
              {view.merging.map(({ item, title, since }) => (
                <li key={item} class="now">
                  <ItemLink item={item} title={title} /> <For since={since} />
                </li>
              ))}
              {view.queue.slice(0, 5).map(({ item, title, reason }) => (
                <li key={item} title={reason}>
                  <ItemLink item={item} title={title} />
                </li>
              ))}
              {view.queue.length > 5 && <li class="quiet">{view.queue.length - 5} more</li>}
            </ol>
          )}
        </div>
      ))}
    </section>
  );
}

export const ItemLink = ({ item, title }: { item: string; title: string }): JSX.Element => (
  <Link
    to={item.startsWith('convoy-') ? `/convoy/${item.slice('convoy-'.length)}` : `/bead/${item}`}
    class="name"
    title={title}
  >
    {item}
  </Link>
);

export function Convoys({ convoys }: { convoys: ConvoyRow[] }): JSX.Element | null {
  if (convoys.length === 0) return null;
  return (
    <section aria-label="convoys">
      <h2>Convoys</h2>
      <ul class="rows">
        {convoys.map(({ convoy, title, view }) => (
          <li key={convoy}>
            <Link to={`/convoy/${convoy}`} class="name" title={title}>
              {convoy}
            </Link>
            {view === undefined ? (
              <span class="quiet">does not answer</span>
            ) : (
              <>
                <span class={`state ${view.attention === undefined ? '' : 'warn'}`} title={view.reason}>
                  {view.status}
                </span>
                <span class="quiet">
                  {view.progress.merged} of {view.progress.total}
                </span>
                <progress aria-label={`${convoy}: merged`} value={view.progress.merged} max={view.progress.total} />
              </>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
