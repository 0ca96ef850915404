import { AsyncLocalStorage } from 'node:async_hooks';
import { defaultPayloadConverter } from '@temporalio/common';
import type { Payload } from '@temporalio/common';

/** What stands in the place of a value whose key is not there. */
interface Mark {
  sealedWith: string;
}

const marking = new AsyncLocalStorage<true>();

/**
 * Reads a list: what no key opens is marked in it instead of failing it, since one bead that is encrypted with another
 * key must not take all others away.
 */
export const markingSealed = <T>(read: () => Promise<T>): Promise<T> => marking.run(true, read);

/** @returns a mark in the place of what is sealed with a key, where somebody reads a list; else undefined. */
export function markInstead(key: string): Payload | undefined {
  const mark: Mark = { sealedWith: key };
  return marking.getStore() === true ? defaultPayloadConverter.toPayload(mark) : undefined;
}

/** @returns the id of the key that a value of a list is sealed with, or undefined when it was opened. */
export function markedAs(value: unknown): string | undefined {
  const key = (value as Partial<Mark> | null | undefined)?.sealedWith;
  return typeof value === 'object' && typeof key === 'string' ? key : undefined;
}
