import type { Colors } from 'picocolors/types.js';
import type { FleetItem } from '../../client/fleet.js';
import { durationText } from '../../domain/words.js';
import { oneLine, table } from './format.js';

/** @returns rigs or convoys as a table. */
export const fleetTable = (head: string, items: readonly FleetItem[], now: number, c: Colors): string =>
  table(
    [head, 'STATE', 'AGE', ''],
    items.map(({ id, execution, startedAt, title }) => [
      id,
      execution.toLowerCase(),
      durationText(now - startedAt),
      oneLine(title ?? '', 80),
    ]),
    c,
  );
