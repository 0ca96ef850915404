import type { CellSettings } from './settings.js';
import type { CellNetwork } from './types.js';

/** What a bead or its rig asks of its agent's network, and what comes to every list by itself. */
export interface NetworkAsked {
  /** The only hosts that it wants to reach; absent: what its host usually lets it. */
  network?: readonly string[] | undefined;
  /** Where its program's models are: without these it could do nothing. */
  provider?: readonly string[] | undefined;
}

/**
 * @returns the network of an attempt. A rig gets the list that it asks for as far as its host's settings reach; beyond
 * them it gets no attempt at all. Pure.
 */
export function networkOf(
  { network, groups }: Pick<CellSettings, 'network' | 'groups'>,
  { network: asked, provider = [] }: NetworkAsked,
): CellNetwork | { refused: string } {
  const unknown = [...(asked ?? []), ...(typeof network === 'object' ? network.allow : [])].find(
    (entry) => entry.startsWith('@') && groups[entry.slice(1)] === undefined,
  );
  if (unknown !== undefined)
    return {
      refused: `cell.json of this host has no \`groups\` named ${unknown.slice(1)}, which a list of hosts names`,
    };
  const plain = (entries: readonly string[]): string[] =>
    entries.flatMap((entry) => (entry.startsWith('@') ? (groups[entry.slice(1)] ?? []) : [entry]));
  const listed = (entries: readonly string[]): CellNetwork => ({
    allow: [...new Set([...plain(entries), ...provider])],
  });
  if (asked === undefined) return typeof network === 'object' ? listed(network.allow) : network;
  if (network === 'all') return listed(asked);
  if (network === 'none') {
    if (asked.length === 0) return 'none';
    return { refused: 'the bead asks for a list of hosts, but cell.json of this host lets agents reach none' };
  }
  const beyond = plain(asked).find((entry) => !plain(network.allow).some((wide) => covers(wide, entry)));
  if (beyond !== undefined)
    return {
      refused: `the bead asks for the way out to ${beyond}, which \`network\` in cell.json of this host does not list`,
    };
  return listed(asked);
}

/** @returns whether everything that an entry lets out to is within another. Pure. */
export function covers(wide: string, narrow: string): boolean {
  const [a, b] = [parts(wide), parts(narrow)];
  if (a.port !== undefined && a.port !== b.port) return false;
  if (a.name === '*' || a.name === b.name) return true;
  return a.name.startsWith('*.') && b.name.endsWith(a.name.slice(1));
}

/** @returns what an entry of a list of hosts names; without a port it means every one. Pure. */
export function parts(entry: string): { name: string; port: number | undefined } {
  const [, name = '', port] = /^(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
  return { name, port: port === undefined ? undefined : Number(port) };
}
