import { clip } from './limits.js';
import type { CauseGone, Granted, MergeEnded, GrantRefused } from './rig.js';

const record = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;

/**
 * Reads a `granted` signal without trusting it and without throwing. @returns the grant, or what is wrong with it as
 * text.
 */
export function readGranted(payload: unknown): Granted | string {
  const p = record(payload);
  const settings = record(p?.['settings']);
  if (p === undefined || typeof p['bead'] !== 'string' || typeof p['version'] !== 'number') return 'not a grant';
  if (settings === undefined || typeof settings['repo'] !== 'string' || record(settings['agent']) === undefined)
    return 'a grant without settings';
  return p as unknown as Granted;
}

/** Reads a `causeGone` signal, likewise. */
export function readCauseGone(payload: unknown): CauseGone | string {
  const p = record(payload);
  const bead = p?.['bead'];
  if (typeof bead !== 'string') return 'not the end of a cause';
  return { bead, ordered: p?.['ordered'] === true ? true : undefined };
}

/** Reads the refusal of a grant, likewise. */
export function readGrantRefused(payload: unknown): GrantRefused | string {
  const p = record(payload);
  if (typeof p?.['bead'] !== 'string' || typeof p['reason'] !== 'string') return 'not the refusal of a grant';
  return { bead: p['bead'], reason: clip(p['reason'], 500), full: p['full'] === true };
}

const keysOf = (value: unknown): string[] | undefined =>
  Array.isArray(value) && value.every((key) => typeof key === 'string') ? value : undefined;

/** Reads a `mergeEnded` signal, likewise. @returns the answer, or what is wrong with it as text. */
export function readMergeEnded(payload: unknown): MergeEnded | string {
  const p = record(payload);
  const result = record(p?.['result']);
  if (p === undefined || typeof p['item'] !== 'string' || typeof p['sha'] !== 'string' || result === undefined)
    return 'not the end of a merge';
  const texts = (...names: string[]): boolean => names.every((name) => typeof result[name] === 'string');
  switch (result['outcome']) {
    case 'merged':
      return texts('sha', 'target', 'strategy') ? (p as unknown as MergeEnded) : 'a merge without its commit';
    case 'conflict':
      return texts('target', 'targetSha') && Array.isArray(result['paths'])
        ? (p as unknown as MergeEnded)
        : 'a conflict without its paths';
    case 'unrelated':
      return texts('target', 'targetSha') && (result['lost'] === undefined || texts('lost'))
        ? (p as unknown as MergeEnded)
        : 'an unrelated branch without its target';
    case 'checks_failed':
      return texts('check', 'logTail') ? (p as unknown as MergeEnded) : 'a failed check without its name';
    case 'changes_requested':
      return texts('url', 'text') ? (p as unknown as MergeEnded) : 'a review without its text';
    case 'push_rejected':
    case 'error':
      return {
        ...(p as unknown as MergeEnded),
        result: {
          ...(result as unknown as { outcome: 'error' }),
          reason: clip(String(result['reason'] ?? 'no reason given')),
          approvers: keysOf(result['approvers']),
        } as MergeEnded['result'],
      };
    default:
      return 'an unknown outcome of a merge';
  }
}
