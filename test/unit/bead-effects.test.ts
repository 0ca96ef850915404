import { expect, it } from 'vitest';
import { beadEffects, defaultClocks, initialBead, restIsOver, stepBead } from '../../src/domain/index.js';
import type { BeadEvent } from '../../src/domain/index.js';
import type { BeadInput, BeadState } from '../../src/contract/index.js';

const input: BeadInput = { bead: 'b', title: 'A bead', repo: '/r', agent: { adapter: 'demo' } };
const after = (state: BeadState, ...events: BeadEvent[]): BeadState =>
  events.reduce((before, event) => stepBead(before, event, 1_000), state);
const asked = (state: BeadState): string[] => beadEffects(state).map(({ do: what }) => what);

const dispatched = after(initialBead(input, 0), { type: 'dispatched', attempt: '1-aaaaaaaa' });
const working = after(dispatched, { type: 'heartbeat', signal: { attempt: '1-aaaaaaaa', host: 'h1', kind: 'start' } });

it('a bead asks for its attempt, and its attempt for what it has to be told', () => {
  expect(asked(initialBead(input, 0))).toEqual(['dispatch']);
  expect(beadEffects(dispatched)).toMatchObject([{ do: 'start', adoptOn: undefined }]);
  expect(asked(working)).toEqual(['start']);
  const told = after(
    working,
    { type: 'pause' },
    { type: 'nudge', message: { id: 'm1', from: 'operator', at: 0, text: 'go on' } },
  );
  expect(asked(told)).toEqual(['start', 'tellPause', 'deliver']);
  const suspect = after(told, { type: 'silent', attempt: '1-aaaaaaaa' });
  expect(beadEffects(suspect)).toMatchObject([{ do: 'start', adoptOn: 'h1' }]);
  expect(asked(after(suspect, { type: 'cancel' }))).toEqual(['stop']);
});

it('between attempts it asks for one thing at a time, and for nothing while it rests', () => {
  const refused = after(working, {
    type: 'ended',
    result: {
      attempt: '1-aaaaaaaa',
      host: 'h1',
      outcome: 'push_refused',
      reason: 'no',
      branch: 'x',
      sha: 'a'.repeat(40),
    },
  });
  const retried = after(refused, { type: 'retry', now: false });
  expect([asked(refused), asked(retried), restIsOver(refused, retried)]).toEqual([[], ['offer'], true]);
  expect(asked(after(retried, { type: 'offered', answer: { pushed: true, branch: 'x' } }))).toEqual(['verify']);
});

it('the rig is asked once to let go of a queued merge', () => {
  const queued: BeadState = {
    ...initialBead({ ...input, rig: 'r' }, 0),
    wait: { for: 'merge', since: 0, text: 'waits' },
    landing: { grant: 'none', approval: false, queuedSha: 'a'.repeat(40) },
  };
  const cancelled = after(queued, { type: 'cancel' });
  expect(beadEffects(cancelled)).toMatchObject([{ do: 'tellRig', word: 'withdraw' }]);
  expect(asked(after(cancelled, { type: 'withdrawTold' }))).toEqual([]);
});

it('a suspicion that is told ahead of its outage leaves nothing of the outage in the clocks of the agent', () => {
  const hours = 8 * 3_600_000;
  const late = stepBead(working, { type: 'silent', attempt: '1-aaaaaaaa' }, hours);
  const known = stepBead(late, { type: 'outage', ms: hours - 2_000, suspected: true }, hours);
  const back = stepBead(
    known,
    { type: 'heartbeat', signal: { attempt: '1-aaaaaaaa', host: 'h1', kind: 'adopted' } },
    hours,
  );
  expect(stepBead(back, { type: 'tick' }, hours + defaultClocks.beatEvery).current?.stopping).toBeUndefined();
});
