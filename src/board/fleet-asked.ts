import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TownConnection } from '../client/connect.js';
import { FleetClient } from '../client/fleet.js';
import type { FleetItem } from '../client/fleet.js';
import { hostIdOf } from '../client/home.js';
import type { ConvoyView, RigView } from '../contract/index.js';
import type { TownHosts } from '../domain/telling/town-facts.js';
import { isMissing } from '../edge/errors.js';
import { answerOf, eachOf } from '../operator/asking.js';
import { hostAnswers, hostsOf } from '../operator/town-facts.js';
import type { HostsPart } from './api-types.js';

/** Who works, and what the merge queues hold. */
const hostsEvery = 5_000;
const fleetEvery = 2_000;
const fleetListEvery = 10_000;
/** Rigs and convoys whose own account is asked for. */
const mostAsked = 25;
const askedAtOnce = 4;
/** One that does not answer within this is shown without its own account. */
const answerWithin = 3_000;

/** A rig or a convoy of the list, and its own account as far as it answered. */
export interface Asked<View> {
  item: FleetItem;
  view?: View;
}

/** The hosts that have attempts, and which. */
export type AttemptHosts = ReadonlyMap<string, string[]>;

/** Hosts, rigs and convoys of a town: what no list of beads tells. */
export class FleetAsked {
  #rigs: Asked<RigView>[] = [];
  #convoys: Asked<ConvoyView>[] = [];
  #hosts: TownHosts = { up: [], free: [], merging: [], silent: [] };
  #at = { hosts: -Infinity, fleet: -Infinity, list: -Infinity };

  get rigs(): readonly Asked<RigView>[] {
    return this.#rigs;
  }
  get convoys(): readonly Asked<ConvoyView>[] {
    return this.#convoys;
  }
  get hosts(): TownHosts {
    return this.#hosts;
  }

  /** Everything is asked anew. */
  forget(): void {
    this.#at = { hosts: -Infinity, fleet: -Infinity, list: -Infinity };
  }

  async askHosts(town: TownConnection, deadline: number, now: number, attempts: () => AttemptHosts): Promise<void> {
    if (now - this.#at.hosts < hostsEvery) return;
    this.#at.hosts = now;
    this.#hosts = { ...(await hostsOf(town, deadline)), silent: this.#hosts.silent };
    await this.askSilent(town, deadline, attempts());
  }

  /** A host that has an attempt, does not poll the town's queues, and not its own either. */
  async askSilent(town: TownConnection, deadline: number, attempts: AttemptHosts): Promise<void> {
    const busy = [...attempts.keys()].filter((host) => !this.#hosts.up.includes(host));
    const silent = await eachOf(busy, askedAtOnce, async (host) =>
      (await hostAnswers(town, host, deadline)) ? [] : [host],
    );
    this.#hosts = { ...this.#hosts, silent: silent.flat() };
  }

  async askFleet(town: TownConnection, deadline: number, now: number): Promise<void> {
    if (now - this.#at.list >= fleetListEvery) {
      this.#at.list = now;
      await this.#list(new FleetClient(town, deadline), town.taskQueue);
      this.#at.fleet = -Infinity;
    }
    // Without a worker nobody can answer: it would only be waited for.
    const nobody = this.#hosts.up.length === 0 && this.#at.hosts !== -Infinity;
    if (now - this.#at.fleet < fleetEvery || nobody) return;
    this.#at.fleet = now;
    const fleet = new FleetClient(town, answerWithin);
    const [rigs, convoys] = await Promise.all([
      eachOf(this.#rigs.slice(0, mostAsked), askedAtOnce, ({ item }) => answerOf(() => fleet.rig(item.id))),
      eachOf(this.#convoys.slice(0, mostAsked), askedAtOnce, ({ item }) => answerOf(() => fleet.convoy(item.id))),
    ]);
    this.#rigs = this.#rigs.map(({ item }, at) => ({ item, view: rigs[at] }));
    this.#convoys = this.#convoys.map(({ item }, at) => ({ item, view: convoys[at] }));
  }

  async #list(fleet: FleetClient, taskQueue: string): Promise<void> {
    const options = { all: false, limit: 200, taskQueue };
    const [rigs, convoys] = await Promise.all([fleet.list('rig', options), fleet.list('convoy', options)]);
    const known = <View>(before: Asked<View>[], items: FleetItem[]): Asked<View>[] =>
      items.map((item) => before.find((other) => other.item.id === item.id) ?? { item });
    this.#rigs = known(this.#rigs, rigs);
    this.#convoys = known(this.#convoys, convoys);
  }

  /** @returns the hosts as the front shows them. */
  async hostsPart({ home, taskQueue }: TownConnection, attempts: AttemptHosts): Promise<HostsPart> {
    const here = await hostIdOf(home);
    const places = await placesHere(home);
    const { up, free, silent, queued } = this.#hosts;
    return {
      taskQueue,
      queued,
      hosts: [...new Set([...up, ...silent])].sort().map((host) => ({
        host,
        state: silent.includes(host) ? 'out of reach' : free.includes(host) ? 'has room' : 'full',
        beads: attempts.get(host) ?? [],
        places: host === here ? places : undefined,
        here: host === here,
      })),
    };
  }
}

/** @returns how many agents this machine's own worker runs at most; undefined where none has ever run. */
async function placesHere(home: string): Promise<number | undefined> {
  try {
    const told = JSON.parse(await readFile(join(home, 'worker-state.json'), 'utf8')) as { maxAgents?: unknown };
    return typeof told.maxAgents === 'number' ? told.maxAgents : undefined;
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
