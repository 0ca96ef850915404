/** The keys that act on the chosen bead: one declaration for `heartbead top` and the board. @module */

interface BeadKey {
  key: string;
  /** In the foot of a screen. */
  name: string;
  /** In the help. */
  what: string;
}

export const beadKeys = {
  show: { key: 's', name: 'show', what: 'show it: why it is where it is, and what comes next' },
  logs: { key: 'l', name: 'logs', what: 'the log of its agent' },
  nudge: { key: 'n', name: 'nudge', what: 'nudge its agent: a message' },
  pause: { key: 'p', name: 'pause', what: 'pause it, or resume it' },
  retry: { key: 'r', name: 'retry', what: 'retry it: start a blocked bead again, or end its back-off' },
  cancel: { key: 'c', name: 'cancel', what: 'cancel it; asks first' },
} as const satisfies Record<string, BeadKey>;
export type BeadKeyAct = keyof typeof beadKeys;

/** The other keys that mean the same in both. */
export const downKey = 'j';
export const upKey = 'k';
export const helpKeys = ['?', 'h'] as const;

const acts = Object.keys(beadKeys) as BeadKeyAct[];

/** @returns what a letter does to the chosen bead. */
export const beadKeyAct = (letter: string): BeadKeyAct | undefined => acts.find((act) => beadKeys[act].key === letter);

/** @returns the same by letters; none of the keys can be left out. */
export const byLetter = <T>(of: Record<BeadKeyAct, T>): Record<string, T> =>
  Object.fromEntries(acts.map((act) => [beadKeys[act].key, of[act]]));
