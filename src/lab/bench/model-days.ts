import { seeded } from '../../agents/seeded.js';
import type { AgentScript } from '../../testing/index.js';
import { playOnModel } from '../simulation/play.js';
import type { Script, Step } from '../simulation/script.js';
import { median } from './figures.js';
import type { Figure } from './figures.js';

const minute = 60_000;
const day = 24 * 60 * minute;
/** In five hosts one has trouble on such a day, and as many beads lose their runner. */
const hostsPerFault = 5;
/** Six hours of work and more. */
const beadsOfHost = 3;
/** Days with few hosts are over in a moment: the middle of several. */
const rounds = 5;

/**
 * How the model of `npm run simulate` takes large towns: a day with hundreds of hosts against the same day with few,
 * every rule looked at after every event.
 */
export async function modelDayFigures({
  say,
  hosts = 500,
  few = 10,
}: {
  say: (text: string) => void;
  hosts?: number | undefined;
  few?: number;
}): Promise<Figure[]> {
  const small: DayPlayed[] = [];
  for (let round = 0; round < rounds; round += 1) small.push(await played(dayOf(few)));
  say(`large: a day of ${hosts} hosts in the model`);
  const large = await played(dayOf(hosts));
  const perHost = median(small.map(({ seconds }) => seconds)) / few;
  return [
    {
      name: `model_day_of_${hosts}_hosts_s`,
      value: large.seconds,
      unit: 's',
      against: { what: `so many times one of the ${few} hosts of a small town`, value: perHost * hosts },
      ratio: large.seconds / (perHost * hosts),
      how:
        `a day of a town in the simulation's model, one agent a host, ${beadsOfHost} beads for each, of one to three ` +
        `and a half hours of work; one host in ${hostsPerFault} dies, is cut off or loses its worker for up to an ` +
        `hour, and as many runners are killed; every rule after every event: ${large.steps} events, ` +
        `${large.attempts} attempts for ${beadsOfHost * hosts} beads, of which all have ended or wait for a person; ` +
        `with ${few} hosts ${small[0]?.steps ?? 0} events in ${(perHost * few).toFixed(2)} s`,
      report: 'value',
    },
  ];
}

interface DayPlayed {
  seconds: number;
  steps: number;
  attempts: number;
}

/** @throws {Broken} when a rule does not hold. */
async function played(script: Script): Promise<DayPlayed> {
  const began = performance.now();
  const { steps, attempts } = await playOnModel(script);
  return { seconds: (performance.now() - began) / 1_000, steps, attempts };
}

/** @returns the day of a town with so many hosts, the same one for ever. */
export function dayOf(hosts: number): Script {
  const next = seeded(hosts);
  const whole = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  const beads = Array.from({ length: beadsOfHost * hosts }, (): AgentScript[] => [
    { coldStart: whole(5_000, 15 * minute), works: whole(60, 210) * minute, ends: 'done' },
  ]);
  const faults = Array.from({ length: Math.max(Math.round(hosts / hostsPerFault), 1) }).flatMap(() => {
    const [at, host, lasts] = [whole(0, day / 3), whole(0, hosts - 1), whole(minute, 60 * minute)];
    const [wrong, right] = troubles[whole(0, troubles.length - 1)] ?? troubles[0];
    return [
      { at, fault: wrong === 'partition' ? { do: wrong, host, remoteToo: false } : { do: wrong, host } },
      { at: at + lasts, fault: { do: right, host } },
      { at: whole(0, day / 3), fault: { do: 'killRunner' as const, bead: whole(0, beads.length - 1) } },
    ];
  });
  let now = 0;
  const steps = faults
    .sort((a, b) => a.at - b.at)
    .map(({ at, fault }): Step => {
      const after = at - now;
      now = at;
      return { after, fault };
    });
  return { seed: hosts, hosts, maxAgents: 1, beads, steps };
}

const troubles = [
  ['die', 'revive'],
  ['partition', 'heal'],
  ['killWorker', 'startWorker'],
  ['freezeWorker', 'thawWorker'],
] as const;
