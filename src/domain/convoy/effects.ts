/** What a convoy's state asks of its workflow. The workflow carries it out, and decides nothing. @module */
import type { ConvoyBeadState, ConvoyState } from '../../contract/index.js';
import type { RunLength } from '../run-length.js';
import { mergedNeeds, readyBeads } from './ready.js';

/** So many effects are under way at once before no further bead is started: each start is a request or two. */
const startsAtOnce = 20;

/** What the state does not say: how long the run is, and the keys of what it has under way. */
export interface ConvoyRun {
  length: RunLength;
  underWay: ReadonlySet<string>;
}

/** What has to be done now. Each has a key; while one is under way it is not begun again. */
export type ConvoyEffect =
  /** Ask the rig, and make the integration branch. */
  | { do: 'prepare'; key: string }
  | { do: 'start'; key: string; bead: ConvoyBeadState; needs: string[] }
  | { do: 'cancelBead'; key: string; id: string }
  /** These three share a key: an order must not overtake another. */
  | { do: 'land'; key: string; contains: { id: string; sha: string }[] }
  | { do: 'withdraw'; key: string; sha: string }
  | { do: 'verify'; key: string; sha: string; target: string };

const freshRun: ConvoyRun = { length: 'fine', underWay: new Set() };

/**
 * @returns what the state asks for and is not under way. A run that is to end begins nothing: all effects are short,
 * and what is not begun is in the state and begun by the next run.
 */
export function convoyEffects(s: ConvoyState, { length, underWay }: ConvoyRun = freshRun): ConvoyEffect[] {
  if (length !== 'fine') return [];
  let room = startsAtOnce - underWay.size;
  return asked(s).filter(({ do: what, key }) => {
    if (underWay.has(key) || (what === 'start' && room <= 0)) return false;
    room -= 1;
    return true;
  });
}

function asked(s: ConvoyState): ConvoyEffect[] {
  if (s.endedAt !== undefined) return [];
  const idle = s.staged || s.paused || s.ending !== undefined;
  const effects: ConvoyEffect[] = [];
  if (!idle && !s.prepared && s.trouble === undefined) effects.push({ do: 'prepare', key: 'prepare' });
  for (const bead of [...readyBeads(s), ...s.beads.filter(({ status }) => status === 'starting')]) {
    effects.push({ do: 'start', key: `start ${bead.id}`, bead, needs: mergedNeeds(s, bead) ?? [] });
  }
  for (const { id, status, removing, cancelTold } of s.beads) {
    if (status === 'running' && cancelTold !== true && (s.ending !== undefined || removing === true))
      effects.push({ do: 'cancelBead', key: `cancel ${id}`, id });
  }
  const { landing } = s;
  const key = 'landing';
  if (landing?.step === 'wanted' && !idle)
    effects.push({
      do: 'land',
      key,
      contains: s.beads.flatMap(({ id, sha }) => (sha === undefined ? [] : [{ id, sha }])),
    });
  if (landing?.queuedSha !== undefined && s.ending !== undefined && landing.withdrawTold !== true)
    effects.push({ do: 'withdraw', key, sha: landing.queuedSha });
  if (landing?.step === 'verifying')
    effects.push({ do: 'verify', key, sha: landing.sha ?? '', target: landing.target ?? '' });
  return effects;
}
