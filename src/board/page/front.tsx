import type { JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import { byLetter, downKey, upKey } from '../../operator/bead-keys.js';
import type { Card } from '../api-types.js';
import { beadActions } from './bead-keys.js';
import { CardView, moveFocus, useKeptFocus, useOnScreen } from './cards.js';
import { columnOf, columns, drawnAtFirst, filtersOf, inOrder, matches } from './columns.js';
import type { Column, Filters } from './columns.js';
import { useFleet } from './fleet-state.js';
import { NeedsMe } from './needs.js';
import { Convoys, Hosts, Rigs } from './side.js';
import { searchOf } from './text.js';
import { Empty, TroubleNote, useAct, useKeys, useShell } from './ui.js';

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
    const query = searchOf({ ...next });
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
    [downKey]: step(1, 0),
    [upKey]: step(-1, 0),
    ArrowDown: step(1, 0),
    ArrowUp: step(-1, 0),
    ArrowRight: step(0, 1),
    ArrowLeft: step(0, -1),
    ...byLetter({
      show: onCard(({ bead }) => shell.go(`/bead/${bead}`)),
      logs: onCard(({ bead }) => shell.go(`/bead/${bead}?tab=log`)),
      nudge: onCard((_, { nudge }) => nudge()),
      pause: onCard(({ agent }, { pause, resume }) => (agent === 'paused' ? resume() : pause())),
      retry: onCard((_, { retry }) => retry()),
      cancel: onCard((_, { cancel }) => cancel()),
    }),
    d: onCard(({ bead }) => shell.go(`/bead/${bead}?tab=diff`)),
    '/': () => search.current?.focus(),
  });

  if (fleet === undefined)
    return trouble === undefined ? <p class="loading">Looking at the fleet …</p> : <TroubleNote {...trouble} />;
  const { front } = fleet;
  const filtered = Object.values(filters).some((value) => value !== '');
  return (
    <div class="front">
      <h1 class="hidden">The fleet</h1>
      {trouble !== undefined && <TroubleNote {...trouble} />}
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
        {front.reading ? (
          <span class="quiet">older beads are still being read …</span>
        ) : (
          front.more && <span class="quiet">only the newest 5,000 beads are shown</span>
        )}
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
