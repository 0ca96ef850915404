import { demoDirectory, hostIdOf } from '../client/home.js';
import type { BeadView } from '../contract/index.js';
import { AttemptDir } from '../runner/attempt/attempt-dir.js';

/** What is known of an attempt's place. */
export interface AttemptPlace {
  attempt: string;
  number: number;
  host?: string;
  /** Its folder, when it is on this machine. */
  dir?: AttemptDir;
  /** The other host that has it, which can be asked. */
  remote?: string;
  /** Why there is none to be read, in a sentence. */
  elsewhere?: string;
  /** Whether it is the bead's current attempt. */
  current: boolean;
}

/** @returns the newest attempt of a bead, or the one with that id; undefined when it has had none. */
export async function attemptPlace(
  home: string,
  view: BeadView,
  wanted: string | undefined,
): Promise<AttemptPlace | undefined> {
  const { current, attempts } = view;
  const all = [...attempts, ...(current === undefined ? [] : [current])];
  const record = wanted === undefined ? all.at(-1) : all.find(({ id }) => id === wanted);
  if (record === undefined) return undefined;
  const place: AttemptPlace = {
    attempt: record.id,
    number: record.number,
    host: record.host,
    current: record.id === current?.id,
  };
  const homes = [home, demoDirectory(home)];
  for (const at of homes) {
    const dir = AttemptDir.of(at, view.bead, record.id);
    if (await dir.exists()) return { ...place, dir };
  }
  const here = (await Promise.all(homes.map((at) => hostIdOf(at)))).filter((id) => id !== undefined);
  if (record.host === undefined) return { ...place, elsewhere: 'no host has taken this attempt yet' };
  if (!here.includes(record.host)) return { ...place, remote: record.host };
  return {
    ...place,
    elsewhere: 'its folder was cleaned up after its work was safe, or it ended before an agent was started',
  };
}
