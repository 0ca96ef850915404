import fc from 'fast-check';
import { expect, it } from 'vitest';
import { beadStatuses, agentStatuses } from '../../src/contract/index.js';
import type { BeadState, ConvoyState, RigState } from '../../src/contract/index.js';
import { rigStatus } from '../../src/domain/index.js';
import type { BeadEvent } from '../../src/domain/index.js';
import { life as beadLife, live } from './support/bead-lives.js';
import { life as convoyLife, Walk } from './support/convoy-lives.js';
import { move, walk } from './support/rig-lives.js';
import type { Move } from './support/rig-lives.js';
import { machinePage } from './support/machine-page.js';
import type { Step } from './support/machine-page.js';

/** Always the same lives: what they reach is the page, and another page means another machine. */
const always = { seed: 7, numRuns: 1_500 };

/** As far as two states are told apart by what is theirs; what was dropped is counted, and a clock was looked at. */
const bare = ({ strays: _, story: __, ...state }: Partial<BeadState>): string => JSON.stringify(state);

/** What an event is called on the page. @returns undefined for the words of an attempt that is not the current one. */
function nameOf(event: BeadEvent, { current }: BeadState): string | undefined {
  const of =
    'attempt' in event && event.type !== 'dispatched'
      ? event.attempt
      : 'signal' in event
        ? event.signal.attempt
        : 'note' in event
          ? event.note.attempt
          : event.type === 'ended'
            ? event.result.attempt
            : undefined;
  if (of !== undefined && of !== current?.id) return undefined;
  switch (event.type) {
    case 'heartbeat':
      return `heartbeat: ${event.signal.kind ?? 'output'}`;
    case 'ended':
      return `ended: ${event.result.outcome}`;
    case 'evidence':
    case 'salvaged':
      return `${event.type}: ${event.evidence?.verdict ?? 'nothing'}`;
    case 'retry':
      return event.now ? 'retry --now' : 'retry';
    default:
      return event.type;
  }
}

function beadSteps(nameState: (state: BeadState) => string): Step[] {
  const steps: Step[] = [];
  for (const given of fc.sample(beadLife, always))
    live(given, ({ before, event, after }) => {
      const name = nameOf(event, before);
      if (name === undefined) return;
      steps.push({ from: nameState(before), event: name, to: nameState(after), nothing: bare(before) === bare(after) });
    });
  return steps;
}

function rigSteps(): Step[] {
  const steps: Step[] = [];
  /** What the properties of grants leave out: the end of a rig, and causes that stop it. */
  const rare: fc.Arbitrary<Move> = fc
    .tuple(move, fc.constantFrom('a', 'b', 'c', 'd'), fc.integer({ min: 0, max: 19 }))
    .map(([one, bead, n]) => ({
      ...one,
      event:
        n === 0
          ? { type: 'removed', reason: 'by an operator' }
          : {
              type: 'returned',
              end: {
                bead,
                infraLoss: false,
                progress: false,
                end: {
                  outcome: 'auth_failed',
                  reason: 'no login',
                  agent: 'rig',
                  host: 'h',
                  reached: 'nothing',
                  fruitless: 1,
                  usd: 0,
                },
              },
            },
    }));
  const moves = fc.array(fc.oneof({ weight: 9, arbitrary: move }, { weight: 1, arbitrary: rare }), { maxLength: 60 });
  const name = (state: RigState): string => rigStatus(state);
  for (const given of fc.sample(moves, always))
    walk(given, ({ state, before, event }) =>
      steps.push({
        from: name(before),
        event: event.type,
        to: name(state),
        nothing: JSON.stringify(before) === JSON.stringify(state),
      }),
    );
  return steps;
}

function convoySteps(): Step[] {
  const steps: Step[] = [];
  const name = ({ status }: ConvoyState): string => status;
  for (const given of fc.sample(convoyLife, always))
    void new Walk(given, (state, before, event) =>
      steps.push({
        from: name(before),
        event:
          event.type === 'report'
            ? `report: ${event.report.merged === true ? 'merged' : event.report.status}`
            : event.type,
        to: name(state),
        nothing: JSON.stringify(before) === JSON.stringify(state),
      }),
    );
  return steps;
}

it('docs/lifecycle.md shows how beads, rigs and convoys move', { timeout: 120_000 }, async () => {
  const page = [
    '# Lifecycles',
    '',
    'How beads, rigs and convoys move, as 1,500 random lives of each have shown it. This page is written by',
    '`npm run lifecycle`, and `npm test` compares it: a change of a machine that is not on it fails. The ' +
      'words are those of',
    'the [glossary](architecture.md#glossary); the events are those of `src/domain`. What an attempt says ' +
      'that is not the',
    "bead's current one does nothing anywhere but count as a stray, and is left out here.",
    '',
    '## The status of a bead',
    '',
    'This one has no rig. With a rig it waits in *open* for a grant, and in *in_review* for approval and ' +
      'merge; a merge that',
    'cannot be made sends it back to *open*, for rework.',
    '',
    machinePage({ name: 'A bead', states: beadStatuses, steps: beadSteps(({ status }) => status) }),
    '',
    "## The status of a bead's agent",
    '',
    machinePage({ name: 'An agent', states: agentStatuses, steps: beadSteps(({ agent }) => agent) }),
    '',
    '## A rig',
    '',
    machinePage({ name: 'A rig', states: ['active', 'paused', 'breaker', 'stopped', 'removed'], steps: rigSteps() }),
    '',
    '## A convoy',
    '',
    machinePage({ name: 'A convoy', states: [], steps: convoySteps() }),
    '',
  ].join('\n');
  await expect(page).toMatchFileSnapshot('../../docs/lifecycle.md');
});
