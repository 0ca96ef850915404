/** One line of a diff has a name, which its comment and its address share. @module */
import type { DiffFile, DiffLine } from '../api-types.js';

/** @returns `PATH:12` as the line is after the change; `PATH:-12` for one that the change takes away. */
export const lineName = (path: string, { kind, old, new: after }: DiffLine): string =>
  `${path}:${kind === '-' ? -(old ?? 0) : (after ?? 0)}`;

/** @returns whether a file of a diff shows the line of this name. */
export const showsLine = ({ path, hunks }: DiffFile, name: string): boolean =>
  name.startsWith(`${path}:`) &&
  hunks?.some(({ lines }) => lines.some((line) => lineName(path, line) === name)) === true;

/** @returns the address of a line in what one attempt has changed: another attempt may have moved it. */
export const linePath = (bead: string, attempt: string, name: string): string =>
  `/bead/${bead}?${new URLSearchParams({ tab: 'diff', attempt, line: name }).toString()}`;
