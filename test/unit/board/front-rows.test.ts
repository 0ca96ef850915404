import { expect, test } from 'vitest';
import { cardOf } from '../../../src/board/front-rows.js';
import type { BeadView } from '../../../src/contract/index.js';
import { initialBead, stepBead } from '../../../src/domain/index.js';
import type { BeadEvent } from '../../../src/domain/index.js';

test('a card is not paused before its host has confirmed it: the agent may work on', () => {
  const attempt = '1-aaaaaaaa';
  let now = 1_000_000;
  let state = initialBead({ bead: 'b', title: 'A bead', repo: '/r', agent: { adapter: 'demo' } }, now);
  const card = (...events: BeadEvent[]): [string, boolean | undefined] => {
    for (const event of events) state = stepBead(state, event, (now += 1_000));
    const view: BeadView = { ...state, now, body: '' } as BeadView;
    const { agent } = state;
    const { more } = cardOf({ bead: 'b', title: 'A bead', status: state.status, agent, startedAt: 1 }, view);
    return [agent, more?.pauseUnheard];
  };
  expect(
    card(
      { type: 'dispatched', attempt },
      { type: 'accepted', signal: { attempt, host: 'h1' } },
      { type: 'heartbeat', signal: { attempt, host: 'h1', kind: 'start' } },
    ),
  ).toEqual(['working', undefined]);
  expect(card({ type: 'pause' })).toEqual(['paused', true]);
  expect(card({ type: 'pauseTold', attempt, paused: true })).toEqual(['paused', undefined]);
});
