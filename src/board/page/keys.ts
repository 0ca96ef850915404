/** The keys of the board, as `?` shows them. @module */
import { beadKeys, downKey, helpKeys, upKey } from '../../operator/bead-keys.js';

export const keys: readonly (readonly [keys: string, what: string])[] = [
  [`${downKey} ${upKey}, arrows`, 'down and up, to the next column'],
  ['Enter', 'show the bead'],
  ...Object.values(beadKeys).map(({ key, what }) => [key, what] as const),
  ['d', 'its diff'],
  ['a', 'approve it (on its page)'],
  ['1 to 6', 'the parts of a bead’s page'],
  ['/', 'filter the cards'],
  ['f g +', 'fleet, charts, sling'],
  ['Escape', 'back to the fleet'],
  [helpKeys.join(' '), 'these keys'],
];
