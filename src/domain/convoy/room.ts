/** How much a convoy may hold, and how much of it is shown. @module */
import { clip } from '../../contract/index.js';
import type { ConvoyBead, ConvoyInput, ConvoyState, ConvoyView } from '../../contract/index.js';
import { utf8Bytes } from '../words.js';
import { convoyProgress, waitingReason } from './ready.js';

/** The server refuses payloads over 2 MiB. What follows from here on has to fit, too: reasons, commits, landing. */
const carriedBytes = 1_800_000;
/** An answer that would be longer leaves out what only the convoy itself needs. */
const shownBytes = 1_500_000;
/** Characters of a reason where there are too many of them. */
const shortReason = 100;

function fits(value: unknown, bytes: number): boolean {
  const text = JSON.stringify(value);
  // Most are small: to count takes longer than to make the text.
  return 3 * text.length <= bytes || utf8Bytes(text) <= bytes;
}
const shortened = (reason: string | undefined): string | undefined => reason && clip(reason, shortReason);

/** @returns why there is no room for one more bead, or undefined. */
export function convoyIsFull(s: ConvoyState, bead: ConvoyBead): string | undefined {
  return fits([s, bead], carriedBytes)
    ? undefined
    : 'the convoy has no room for it: its beads have more text and settings than one convoy may carry; make another ' +
        'convoy';
}

/** @returns what the next run begins with. The bodies are in the state: twice they could be more than fits. */
export function nextConvoyInput({ spec }: ConvoyInput, s: ConvoyState): ConvoyInput {
  const carried = fits(s, carriedBytes)
    ? s
    : { ...s, beads: s.beads.map((bead) => ({ ...bead, reason: shortened(bead.reason) })) };
  return { spec: { ...spec, beads: [] }, carried };
}

/** @returns the answer to whoever looks at a convoy; a large one without bodies, and with short reasons. */
export function convoyView(s: ConvoyState, now: number): ConvoyView {
  const waiting = s.beads.flatMap(({ id }) => {
    const text = waitingReason(s, id);
    return text === undefined ? [] : [{ id, text }];
  });
  const view: ConvoyView = { ...s, now, progress: convoyProgress(s), waiting };
  if (fits(view, shownBytes)) return view;
  return {
    ...view,
    beads: s.beads.map(({ body: _, agent: __, ...bead }) => ({ ...bead, reason: shortened(bead.reason) })),
    waiting: waiting.map(({ id, text }) => ({ id, text: clip(text, shortReason) })),
    shortened: true,
  };
}
