import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { cellWords } from '../../domain/words.js';
import type { Card } from '../api-types.js';
import { looker, post } from './api.js';
import { money, tokens } from './text.js';
import { Ago, Agent, For, Link, StatusMark, Words } from './ui.js';

/** Tells the board which cards are on the screen: only they are asked for more than visibility knows. */
export function useOnScreen(drawn: readonly string[]): void {
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
export function useKeptFocus(): void {
  const focused = useRef<string | undefined>(undefined);
  useEffect(() => {
    const note = (event: FocusEvent): void => {
      // A question about a card is no leave of it.
      if ((event.target as HTMLElement).closest('dialog') !== null) return;
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

/** To the next card of the column, or to the one beside it. */
export function moveFocus(down: number, right: number): void {
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

export function CardView({ card }: { card: Card }): JSX.Element {
  const { more } = card;
  const facts = [card.rig, card.adapter === 'rig' ? undefined : card.adapter].filter((fact) => fact !== undefined);
  const used = more === undefined ? '' : money(more.costUsd) || tokens(more.tokens);
  const ended = card.closedAt !== undefined;
  const state = card.agent !== 'none' || (ended && card.status !== 'closed');
  const time = ended ? <Ago at={card.closedAt ?? card.startedAt} /> : <For since={more?.since ?? card.startedAt} />;
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
      {state && (
        <span class="facts">
          <Agent agent={card.agent} unheard={more?.pauseUnheard} />
          {ended && card.status !== 'closed' && <StatusMark status={card.status} />}
          <span class="grow" />
          {time}
        </span>
      )}
      {!ended && more !== undefined && (
        <span class="doing">
          <Words text={more.doing} />
        </span>
      )}
      <span class="facts">
        <span class="whose">{facts.join(' · ')}</span>
        <span class="grow" />
        {more?.attempt !== undefined && more.attempt > 1 && <span class="warn">attempt {more.attempt}</span>}
        {used !== '' && <span>{used}</span>}
        {!state && time}
      </span>
    </Link>
  );
}
