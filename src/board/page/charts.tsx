import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ChartsAnswer } from '../api-types.js';
import { BoardError, get } from './api.js';
import { lasting, money, plural, tokens } from './text.js';
import { Empty, Link, TroubleNote, Words } from './ui.js';

const shareNames = { working: 'working', waiting: 'waiting', inReview: 'in review', blocked: 'blocked' } as const;

export function ChartsPage({ search }: { search: string }): JSX.Element {
  const days = new URLSearchParams(search).get('days') === '7' ? 7 : 1;
  const [charts, setCharts] = useState<ChartsAnswer>();
  const [refusal, setRefusal] = useState<BoardError>();
  useEffect(() => {
    const stop = new AbortController();
    setCharts(undefined);
    get<ChartsAnswer>(`/charts?days=${days}`, stop.signal).then(
      (found) => {
        setCharts(found);
        setRefusal(undefined);
      },
      (error: unknown) => {
        if (error instanceof BoardError) setRefusal(error);
        else if (!stop.signal.aborted) throw error;
      },
    );
    return () => stop.abort();
  }, [days]);
  return (
    <article class="charts">
      <header class="row wrap">
        <h1>The last {days === 1 ? 'day' : 'week'}</h1>
        <Link class="button" to="/charts" aria-current={days === 1 ? 'page' : undefined}>
          Day
        </Link>
        <Link class="button" to="/charts?days=7" aria-current={days === 7 ? 'page' : undefined}>
          Week
        </Link>
        {charts !== undefined && charts.asked < charts.beads && (
          <span class="quiet">
            times and costs are those of {charts.asked} of {charts.beads} beads, the newest that answered
          </span>
        )}
      </header>
      {refusal !== undefined && <TroubleNote message={refusal.message} next={refusal.next} />}
      {charts === undefined && refusal === undefined && <p class="loading">Asking the beads of this time …</p>}
      {charts !== undefined && charts.beads === 0 && <Empty>no bead was at work in this time</Empty>}
      {charts !== undefined && charts.beads > 0 && (
        <div class="chart-grid">
          <Plot title="Agents at work" charts={charts} values={charts.agents} bars={false} unit="agents" />
          <Plot
            title={days === 1 ? 'Landed per hour' : 'Landed per two hours'}
            charts={charts}
            values={charts.landed}
            bars
            unit="landed"
          />
          <Shares charts={charts} />
          <Costs charts={charts} />
        </div>
      )}
    </article>
  );
}

function Plot({
  title,
  charts,
  values,
  bars,
  unit,
}: {
  title: string;
  charts: ChartsAnswer;
  values: number[];
  bars: boolean;
  unit: string;
}): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let plot: { destroy: () => void; setSize: (size: { width: number; height: number }) => void } | undefined;
    let over = false;
    const at = place.current;
    if (at === null) return;
    const resize = new ResizeObserver(() => plot?.setSize({ width: at.clientWidth, height: 180 }));
    void import('uplot').then(({ default: UPlot }) => {
      if (over) return;
      const style = getComputedStyle(at);
      const ink = style.getPropertyValue('--quiet');
      const line = style.getPropertyValue('--line');
      const accent = style.getPropertyValue('--accent');
      const axis = {
        stroke: ink,
        grid: { stroke: line, width: 1 },
        ticks: { stroke: line, width: 1 },
        font: '11px system-ui',
      };
      plot = new UPlot(
        {
          width: at.clientWidth,
          height: 180,
          legend: { show: false },
          cursor: { show: false },
          scales: { y: { range: (_, __, max) => [0, Math.max(max * 1.1, 1)] } },
          axes: [axis, { ...axis, size: 36 }],
          series: [
            {},
            {
              stroke: accent,
              fill: `${accent.trim()}33`,
              width: 1.5,
              points: { show: false },
              paths: bars ? UPlot.paths.bars?.({ size: [0.7, 40] }) : UPlot.paths.stepped?.({ align: 1 }),
            },
          ],
        },
        [values.map((_, index) => (charts.from + (index + (bars ? 0.5 : 0)) * charts.step) / 1_000), values],
        at,
      );
      resize.observe(at);
    });
    return () => {
      over = true;
      resize.disconnect();
      plot?.destroy();
    };
  }, [charts, values]);
  const sum = values.reduce((total, value) => total + value, 0);
  const most = Math.max(...values);
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <p class="quiet">
        {bars
          ? `${Math.round(sum)} ${unit} in all`
          : `${(sum / values.length).toFixed(1)} on average, ${most.toFixed(1)} at most`}
      </p>
      <div class="plot" ref={place} aria-hidden="true" />
      <table class="hidden">
        <caption>{title}</caption>
        <tbody>
          {values.map((value, at) => (
            <tr key={at}>
              <th>{new Date(charts.from + at * charts.step).toLocaleString()}</th>
              <td>
                {value.toFixed(1)} {unit}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Shares({ charts }: { charts: ChartsAnswer }): JSX.Element {
  const total = Object.values(charts.shares).reduce((sum, value) => sum + value, 0);
  const shares = (Object.keys(shareNames) as (keyof typeof shareNames)[]).map((key) => ({
    key,
    ms: charts.shares[key],
    part: total === 0 ? 0 : charts.shares[key] / total,
  }));
  return (
    <section aria-label="shares of time">
      <h2>Where the time went</h2>
      <p class="quiet">of {plural(charts.asked, 'bead')}, from sling to end</p>
      <div class="shares">
        {shares.map(({ key, ms, part }) => (
          <div key={key} class="share">
            <span>{shareNames[key]}</span>
            <meter class={`m-${key}`} min={0} max={1} value={part} aria-label={shareNames[key]} />
            <span class="quiet">
              {Math.round(part * 100)} %, {lasting(ms)}
            </span>
          </div>
        ))}
      </div>
    </section>
  );
}

function Costs({ charts }: { charts: ChartsAnswer }): JSX.Element {
  const most = Math.max(...charts.costs.map(({ costUsd }) => costUsd), 0.000001);
  return (
    <section aria-label="cost per rig">
      <h2>Cost per rig</h2>
      <p class="quiet">as far as agent programs tell it</p>
      <div class="shares">
        {charts.costs.map(({ rig, costUsd, tokens: count, beads }) => (
          <div key={rig} class="share">
            <span>
              <Words text={rig} />
            </span>
            <meter min={0} max={most} value={costUsd} aria-label={`cost of ${rig}`} />
            <span class="quiet">
              {[money(costUsd) || '$0', tokens(count), plural(beads, 'bead')].filter(Boolean).join(', ')}
            </span>
          </div>
        ))}
      </div>
    </section>
  );
}
