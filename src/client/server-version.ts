/** What Heartbead needs of a Temporal server, by the version that it says of itself. @module */

/** Fair and prioritised task queues came with this one; so did what the pause of an activity needs here. */
export const oldestServer = '1.29.0';
/** From here on a workflow hears that its town has another build. */
export const oldestWithVersions = '1.32.0';

/** @returns whether a server is older than another one; a version that cannot be read is not called old. */
export function isOlder(version: string | null | undefined, than: string): boolean {
  const [have, want] = [numbersOf(version ?? ''), numbersOf(than)];
  if (have === undefined || want === undefined) return false;
  const at = have.findIndex((part, i) => part !== want[i]);
  return at !== -1 && have[at]! < want[at]!;
}

const numbersOf = (version: string): number[] | undefined =>
  /^v?(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
