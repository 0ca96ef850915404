import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { ConvoyBeadState } from '../../contract/index.js';
import { useLook } from './live.js';
import { statusLabels } from './text.js';
import { Ago, Button, Link, StatusMark, TroubleNote, Words, useAct, useShell } from './ui.js';

const box = { width: 190, height: 54 };

interface Laid {
  width: number;
  height: number;
  nodes: { id: string; x: number; y: number }[];
  edges: { from: string; to: string; points: { x: number; y: number }[] }[];
}

/** Where each bead stands; computed anew only when the graph has changed, so that a status moves nothing. */
function useLayout(beads: readonly ConvoyBeadState[] | undefined): Laid | undefined {
  const [laid, setLaid] = useState<Laid>();
  const key = beads?.map(({ id, needs }) => `${id}<${needs.join(',')}`).join(' ');
  useEffect(() => {
    if (beads === undefined) return;
    let over = false;
    void import('@dagrejs/dagre').then(({ default: dagre }) => {
      const graph = new dagre.graphlib.Graph();
      graph.setGraph({ rankdir: 'LR', nodesep: 14, ranksep: 44, marginx: 4, marginy: 4 });
      graph.setDefaultEdgeLabel(() => ({}));
      for (const { id } of beads) graph.setNode(id, { ...box });
      for (const { id, needs } of beads) for (const need of needs) if (graph.hasNode(need)) graph.setEdge(need, id);
      dagre.layout(graph);
      if (over) return;
      const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
      setLaid({
        width,
        height,
        nodes: graph.nodes().map((id: string) => {
          const { x, y } = graph.node(id) as { x: number; y: number };
          return { id, x, y };
        }),
        edges: graph.edges().map((edge: { v: string; w: string }) => ({
          from: edge.v,
          to: edge.w,
          points: (graph.edge(edge) as { points: { x: number; y: number }[] }).points,
        })),
      });
    });
    return () => {
      over = true;
    };
  }, [key]);
  return laid;
}

const wordOf = ({ status, bead }: ConvoyBeadState): string =>
  status === 'running' && bead !== undefined ? (statusLabels[bead] ?? bead) : status;
const classOf = ({ status, bead }: ConvoyBeadState): string =>
  status === 'running' && bead !== undefined ? `s-${bead}` : `v-${status}`;

export function ConvoyPage({ convoy }: { convoy: string }): JSX.Element {
  const { view, trouble } = useLook('convoy', convoy);
  const act = useAct();
  const { ask } = useShell();
  const laid = useLayout(view?.beads);
  const waits = useMemo(() => new Map(view?.waiting.map(({ id, text }) => [id, text])), [view]);
  if (view === undefined)
    return trouble === undefined ? <p class="loading">Asking {convoy} …</p> : <TroubleNote {...trouble} />;
  const path = `/convoys/${convoy}`;
  const over = view.endedAt !== undefined;
  const held = view.paused || view.trouble !== undefined || view.landing?.step === 'stuck';
  const beads = new Map(view.beads.map((bead) => [bead.id, bead]));
  return (
    <article class="bead">
      {trouble !== undefined && <TroubleNote {...trouble} />}
      <header class="bead-head">
        <div class="row wrap">
          <StatusMark status={view.status} />
          <code>{convoy}</code>
          <Link to={`/rig/${view.rig}`}>{view.rig}</Link>
          <span class="quiet">policy {view.policy}</span>
          <span class="quiet">{view.target === 'integration' ? 'lands as a whole' : 'each bead lands by itself'}</span>
          <span class="grow" />
          <span class="quiet">
            made <Ago at={view.createdAt} />
          </span>
        </div>
        <h1>
          <Words text={view.title} />
        </h1>
        <p class="verdict">
          <strong>
            {view.progress.merged} of {view.progress.total} merged
          </strong>{' '}
          <Words text={view.reason} />
        </p>
        <div class="row actions" role="group" aria-label="actions">
          {view.staged && <Button label="Start" kind="main" onPress={() => act(`${path}/start`)} />}
          {!over && (
            <Button label={held ? 'Resume' : 'Pause'} onPress={() => act(`${path}/${held ? 'resume' : 'pause'}`)} />
          )}
          <Link class="button" to={`/?convoy=${convoy}`}>
            Its cards
          </Link>
          <span class="grow" />
          {!over && (
            <Button
              label="Cancel …"
              kind="danger"
              onPress={() =>
                ask({
                  title: `Cancel ${convoy}?`,
                  text: 'Its beads end first; what was merged stays merged.',
                  yes: 'Cancel the convoy',
                  danger: true,
                  then: () => void act(`${path}/cancel`),
                })
              }
            />
          )}
        </div>
      </header>
      <section aria-label="graph" class="graph-section">
        {laid === undefined ? (
          <p class="loading">Drawing …</p>
        ) : (
          <div class="graph" tabIndex={0} role="group" aria-label="what needs what">
            <svg
              width={laid.width}
              height={laid.height}
              viewBox={`0 0 ${laid.width} ${laid.height}`}
              role="group"
              aria-label={`the ${view.progress.total} beads of ${convoy}`}
            >
              {laid.edges.map(({ from, to, points }) => (
                <path
                  key={`${from} ${to}`}
                  class={beads.get(from)?.status === 'merged' ? 'edge done' : 'edge'}
                  d={points.map(({ x, y }, at) => `${at === 0 ? 'M' : 'L'}${x} ${y}`).join(' ')}
                />
              ))}
              {laid.nodes.map(({ id, x, y }) => {
                const bead = beads.get(id);
                return bead === undefined ? null : (
                  <GraphNode
                    key={id}
                    convoy={convoy}
                    bead={bead}
                    x={x}
                    y={y}
                    why={waits.get(id) ?? bead.reason ?? ''}
                  />
                );
              })}
            </svg>
          </div>
        )}
      </section>
      <section aria-label="beads">
        <h2>Beads</h2>
        <table class="list">
          <thead>
            <tr>
              <th>bead</th>
              <th>title</th>
              <th>status</th>
              <th>needs</th>
              <th>why</th>
            </tr>
          </thead>
          <tbody>
            {view.beads.map((bead) => (
              <tr key={bead.id}>
                <td>
                  <Link to={`/bead/${convoy}-${bead.id}`} title={bead.title}>
                    {bead.id}
                  </Link>
                </td>
                <td>
                  <Words text={bead.title} />
                </td>
                <td>
                  <span class={`badge ${classOf(bead)}`}>{wordOf(bead)}</span>
                </td>
                <td class="quiet">{bead.needs.join(', ')}</td>
                <td class="quiet">
                  <Words text={waits.get(bead.id) ?? bead.reason ?? ''} />
                  {(bead.status === 'failed' || bead.status === 'cancelled') && !over && (
                    <Button label="Retry" onPress={() => act(`${path}/retry`, { id: bead.id })} />
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </article>
  );
}

function GraphNode({
  convoy,
  bead,
  x,
  y,
  why,
}: {
  convoy: string;
  bead: ConvoyBeadState;
  x: number;
  y: number;
  why: string;
}): JSX.Element {
  const { go } = useShell();
  const to = `/bead/${convoy}-${bead.id}`;
  return (
    <a
      href={to}
      class={`node ${classOf(bead)}`}
      onClick={(event: MouseEvent) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        go(to);
      }}
    >
      <title>{[`${bead.id}, ${wordOf(bead)}: ${bead.title}`, why].filter(Boolean).join('\n')}</title>
      <rect x={x - box.width / 2} y={y - box.height / 2} width={box.width} height={box.height} rx="6" />
      <text x={x - box.width / 2 + 12} y={y - 5} class="node-name">
        {bead.id.length > 22 ? `${bead.id.slice(0, 21)}…` : bead.id}
      </text>
      <text x={x - box.width / 2 + 12} y={y + 14} class="node-status">
        {wordOf(bead)}
      </text>
    </a>
  );
}
