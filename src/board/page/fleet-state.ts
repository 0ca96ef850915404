import { useState } from 'preact/hooks';
import type { Card, Front } from '../api-types.js';
import { useListening } from './live.js';
import type { Told } from './live.js';

export interface FleetState {
  cards: ReadonlyMap<string, Card>;
  front: Omit<Front, 'cards'>;
}

/** The fleet as the board sends it. */
export function useFleet(): { fleet: FleetState | undefined; trouble: Told | undefined } {
  const [fleet, setFleet] = useState<FleetState>();
  const change =
    <K extends keyof Front>(key: K) =>
    (data: Front[K]): void =>
      setFleet((before) => before && { ...before, front: { ...before.front, [key]: data } });
  const trouble = useListening(['front'], {
    front: ({ cards, ...front }: Front) => setFleet({ cards: new Map(cards.map((card) => [card.bead, card])), front }),
    cards: ({ cards, gone, ...rest }: Pick<Front, 'cards' | 'landedToday' | 'more' | 'reading'> & { gone: string[] }) =>
      setFleet((before) => {
        if (before === undefined) return before;
        const next = new Map(before.cards);
        for (const card of cards) next.set(card.bead, card);
        for (const bead of gone) next.delete(bead);
        return { cards: next, front: { ...before.front, ...rest } };
      }),
    problems: change('problems'),
    hosts: change('hosts'),
    rigs: change('rigs'),
    convoys: change('convoys'),
  });
  return { fleet, trouble };
}
