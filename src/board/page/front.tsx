import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { cellWords } from '../../domain/words.js';
import type { Card, ConvoyRow, Front, HostsPart, RigRow, ShownProblem } from '../api-types.js';
import { looker, post } from './api.js';
import { beadActions } from './bead-keys.js';
import { useListening } from './live.js';
import type { Told } from './live.js';
import { money, plural, tokens } from './text.js';
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

const columns = [
  { id: 'open', name: 'Open', hint: 'nothing waits: heartbead sling, or “Sling” above' },
  { id: 'in_progress', name: 'In progress', hint: 'no agent is at work' },
  { id: 'in_review', name: 'In review', hint: 'nothing waits for a review or a merge' },
  { id: 'blocked', name: 'Blocked', hint: 'nobody waits for a person' },
  { id: 'landed', name: 'Landed today', hint: 'nothing has landed since midnight' },
] as const;
type Column = (typeof columns)[number]['id'];

/** Cards of a column that are drawn at first; the others come on demand. */
const drawnAtFirst = 60;

const columnOf = ({ status }: Card): Column => {
  switch (status) {
    case 'in_progress':
    case 'in_review':
    case 'blocked':
    case 'open':
      return status;
    default:
      return 'landed';
  }
};

interface Filters {
  text: string;
  rig: string;
  convoy: string;
  host: string;
}
const filtersOf = (search: string): Filters => {
  const query = new URLSearchParams(search);
  const of = (name: string): string => query.get(name) ?? '';
  return { text: of('text'), rig: of('rig'), convoy: of('convoy'), host: of('host') };
};

function matches(card: Card, { text, rig, convoy, host }: Filters): boolean {
  if (rig !== '' && card.rig !== rig) return false;
  if (convoy !== '' && card.convoy !== convoy) return false;
  if (host !== '' && card.more?.host !== host) return false;
  if (text === '') return true;
  const words =
    `${card.bead} ${card.title} ${card.rig ?? ''} ${card.adapter ?? ''} ${card.more?.doing ?? ''}`.toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => words.includes(word));
}

/** What moved last stands first; what waits longest stands first. */
function inOrder(column: Column, cards: Card[]): Card[] {
  const byAge = (a: Card, b: Card): number => a.startedAt - b.startedAt || (a.bead < b.bead ? -1 : 1);
  return column === 'landed'
    ? cards.sort((a, b) => (b.closedAt ?? 0) - (a.closedAt ?? 0) || byAge(a, b))
    : cards.sort(byAge);
}

export interface FleetState {
  cards: ReadonlyMap<string, Card>;
  front: Omit<Front, 'cards'>;
}

/** The fleet as the board sends it. */
function useFleet(): { fleet: FleetState | undefined; trouble: Told | undefined } {
  const [fleet, setFleet] = useState<FleetState>();
  const change =
    <K extends keyof Front>(key: K) =>
    (data: Front[K]): void =>
      setFleet((before) => before && { ...before, front: { ...before.front, [key]: data } });
  const trouble = useListening(['front'], {
    front: ({ cards, ...front }: Front) => setFleet({ cards: new Map(cards.map((card) => [card.bead, card])), front }),
    cards: ({ cards, gone, landedToday, more }: Pick<Front, 'cards' | 'landedToday' | 'more'> & { gone: string[] }) =>
      setFleet((before) => {
        if (before === undefined) return before;
        const next = new Map(before.cards);
        for (const card of cards) next.set(card.bead, card);
        for (const bead of gone) next.delete(bead);
        return { cards: next, front: { ...before.front, landedToday, more } };
      }),
    problems: change('problems'),
    hosts: change('hosts'),
    rigs: change('rigs'),
    convoys: change('convoys'),
  });
  return { fleet, trouble };
}

/** Tells the board which cards are on the screen: only they are asked for more than visibility knows. */
function useOnScreen(drawn: readonly string[]): void {
  const key = drawn.join(' ');
  useEffect(() => {
    const seen = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tell = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        void post('/looking', { looker, beads: [...seen].slice(0, 80) }).catch(() => undefined);
      }, 150);
    };
    const observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const bead = (target as HTMLElement).dataset['bead'] ?? '';
        if (isIntersecting) seen.add(bead);
        else seen.delete(bead);
      }
      tell();
    });
    for (const card of document.querySelectorAll('.column [data-bead]')) observer.observe(card);
    return () => {
      observer.disconnect();
      clearTimeout(timer);
    };
  }, [key]);
}

/** A card that moves to another column is another element: the focus goes with it. */
function useKeptFocus(): void {
  const focused = useRef<string | undefined>(undefined);
  useEffect(() => {
    const note = (event: FocusEvent): void => {
      const bead = (event.target as HTMLElement).closest<HTMLElement>('[data-bead]')?.dataset['bead'];
      if (bead !== undefined || event.target !== document.body) focused.current = bead;
    };
    document.addEventListener('focusin', note);
    return () => document.removeEventListener('focusin', note);
  }, []);
  useEffect(() => {
    if (focused.current === undefined || document.activeElement !== document.body) return;
    document.querySelector<HTMLElement>(`.column [data-bead="${CSS.escape(focused.current)}"]`)?.focus();
  });
}

export function FrontPage(): JSX.Element {
  const { fleet, trouble } = useFleet();
  const shell = useShell();
  const act = useAct();
  const [filters, setFilters] = useState(() => filtersOf(location.search));
  const [drawn, setDrawn] = useState<Partial<Record<Column, number>>>({});
  const search = useRef<HTMLInputElement>(null);
  useKeptFocus();

  const change = (more: Partial<Filters>): void => {
    const next = { ...filters, ...more };
    setFilters(next);
    const query = new URLSearchParams(Object.entries(next).filter(([, value]) => value !== ''));
    history.replaceState(null, '', query.size === 0 ? '/' : `/?${query.toString()}`);
  };
  const sorted = useMemo(() => {
    const of: Record<Column, Card[]> = { open: [], in_progress: [], in_review: [], blocked: [], landed: [] };
    for (const card of fleet?.cards.values() ?? []) if (matches(card, filters)) of[columnOf(card)].push(card);
    for (const { id } of columns) inOrder(id, of[id]);
    return of;
  }, [fleet?.cards, filters]);
  const choices = useMemo(() => {
    const of = (pick: (card: Card) => string | undefined): string[] =>
      [...new Set([...(fleet?.cards.values() ?? [])].map(pick).filter((name) => name !== undefined))].sort();
    return { rig: of(({ rig }) => rig), convoy: of(({ convoy }) => convoy), host: of(({ more }) => more?.host) };
  }, [fleet?.cards]);
  const shown = (column: Column): Card[] => sorted[column].slice(0, drawn[column] ?? drawnAtFirst);
  useOnScreen(columns.flatMap(({ id }) => shown(id).map(({ bead }) => bead)));

  const focused = (): Card | undefined => {
    const bead = document.activeElement?.closest<HTMLElement>('[data-bead]')?.dataset['bead'];
    return bead === undefined ? undefined : fleet?.cards.get(bead);
  };
  const step = (down: number, right: number) => (): void => moveFocus(down, right);
  const onCard = (run: (card: Card, actions: ReturnType<typeof beadActions>) => unknown) => (): void => {
    const card = focused();
    if (card === undefined) return shell.say('choose a card first: j and k go down and up');
    void run(card, beadActions(card.bead, card.title, act, shell.ask));
  };
  useKeys({
    j: step(1, 0),
    k: step(-1, 0),
    ArrowDown: step(1, 0),
    ArrowUp: step(-1, 0),
    ArrowRight: step(0, 1),
    ArrowLeft: step(0, -1),
    s: onCard(({ bead }) => shell.go(`/bead/${bead}`)),
    l: onCard(({ bead }) => shell.go(`/bead/${bead}?tab=log`)),
    d: onCard(({ bead }) => shell.go(`/bead/${bead}?tab=diff`)),
    n: onCard((_, { nudge }) => nudge()),
    p: onCard(({ agent }, { pause, resume }) => (agent === 'paused' ? resume() : pause())),
    r: onCard((_, { retry }) => retry()),
    c: onCard((_, { cancel }) => cancel()),
    '/': () => search.current?.focus(),
  });

  if (fleet === undefined)
    return trouble === undefined ? <p class="loading">Looking at the fleet …</p> : <Trouble {...trouble} />;
  const { front } = fleet;
  const filtered = Object.values(filters).some((value) => value !== '');
  return (
    <div class="front">
      <h1 class="hidden">The fleet</h1>
      {trouble !== undefined && <Trouble {...trouble} />}
      <NeedsMe problems={front.problems} />
      <div class="filters" role="search" aria-label="filter the cards">
        <input
          ref={search}
          type="search"
          aria-label="text"
          placeholder="Filter  /"
          value={filters.text}
          onInput={(event) => change({ text: event.currentTarget.value })}
          onKeyDown={(event) => {
            if (event.key === 'Escape') event.currentTarget.blur();
          }}
        />
        {(['rig', 'convoy', 'host'] as const).map((name) => (
          <select
            key={name}
            aria-label={name}
            value={filters[name]}
            onChange={(event) => change({ [name]: event.currentTarget.value })}
          >
            <option value="">every {name}</option>
            {[...new Set([...choices[name], ...(filters[name] === '' ? [] : [filters[name]])])].map((choice) => (
              <option key={choice} value={choice}>
                {choice}
              </option>
            ))}
          </select>
        ))}
        {filtered && (
          <button type="button" class="button" onClick={() => change({ text: '', rig: '', convoy: '', host: '' })}>
            Show all
          </button>
        )}
        {front.more && <span class="quiet">only the newest 5,000 beads are shown</span>}
      </div>
      <div class="board">
        <div class="columns">
          {columns.map(({ id, name, hint }) => (
            <section key={id} class={`column c-${id}`} aria-label={name}>
              <h2>
                {name} <span class="count">{sorted[id].length}</span>
              </h2>
              <div class="cards" tabIndex={-1}>
                {shown(id).map((card) => (
                  <CardView key={card.bead} card={card} />
                ))}
                {sorted[id].length === 0 && <Empty>{filtered ? 'no card passes the filter' : hint}</Empty>}
                {sorted[id].length > shown(id).length && (
                  <button
                    type="button"
                    class="button wide"
                    onClick={() => setDrawn({ ...drawn, [id]: (drawn[id] ?? drawnAtFirst) + 200 })}
                  >
                    {sorted[id].length - shown(id).length} more
                  </button>
                )}
              </div>
            </section>
          ))}
        </div>
        <aside class="side" aria-label="hosts, rigs and convoys">
          <Hosts part={front.hosts} />
          <Rigs rigs={front.rigs} />
          <Convoys convoys={front.convoys} />
        </aside>
      </div>
    </div>
  );
}

function moveFocus(down: number, right: number): void {
  const lists = [...document.querySelectorAll('.column')].map((column) => [
    ...column.querySelectorAll<HTMLElement>('[data-bead]'),
  ]);
  const at = document.activeElement?.closest<HTMLElement>('[data-bead]') ?? undefined;
  const column = at === undefined ? -1 : lists.findIndex((list) => list.includes(at));
  if (at === undefined || column < 0) {
    (lists[1]?.[0] ?? lists.find((list) => list.length > 0)?.[0])?.focus();
    return;
  }
  const row = lists[column]?.indexOf(at) ?? 0;
  if (right === 0) lists[column]?.[row + down]?.focus();
  else
    for (let next = column + right; lists[next] !== undefined; next += right) {
      const list = lists[next] ?? [];
      if (list.length === 0) continue;
      list[Math.min(row, list.length - 1)]?.focus();
      return;
    }
}

function CardView({ card }: { card: Card }): JSX.Element {
  const { more } = card;
  const facts = [card.rig, card.adapter === 'rig' ? undefined : card.adapter].filter((fact) => fact !== undefined);
  const used = more === undefined ? '' : money(more.costUsd) || tokens(more.tokens);
  const ended = card.closedAt !== undefined;
  return (
    <Link
      to={`/bead/${card.bead}`}
      class={`card ${card.attention === undefined ? '' : 'attention'}`}
      data-bead={card.bead}
      title={`${card.bead}: ${card.title}${more?.cell === undefined ? '' : ` (${cellWords[more.cell]})`}`}
    >
      <span class="title">
        <Words text={card.title} />
      </span>
      <span class="facts">
        <Agent agent={card.agent} />
        {ended && card.status !== 'closed' && <Status status={card.status} />}
        {facts.map((fact) => (
          <span key={fact}>{fact}</span>
        ))}
        {more?.attempt !== undefined && more.attempt > 1 && <span class="warn">attempt {more.attempt}</span>}
        <span class="grow" />
        {used !== '' && <span>{used}</span>}
        {ended ? <Ago at={card.closedAt ?? card.startedAt} /> : <For since={more?.since ?? card.startedAt} />}
      </span>
      {!ended && more !== undefined && (
        <span class="doing">
          <Words text={more.doing} />
        </span>
      )}
    </Link>
  );
}

const severityNames = { stuck: 'stands still', look: 'worth a look', know: 'as you wanted' } as const;

function NeedsMe({ problems }: { problems: ShownProblem[] }): JSX.Element {
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

function Hosts({ part }: { part: HostsPart }): JSX.Element {
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

function Rigs({ rigs }: { rigs: RigRow[] }): JSX.Element {
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

function Convoys({ convoys }: { convoys: ConvoyRow[] }): JSX.Element | null {
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
