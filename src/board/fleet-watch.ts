import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hostAnswers, hostsOf } from '../operator/town-facts.js';
import type { Town } from '../client/connect.js';
import { ClientError } from '../client/errors.js';
import { FleetClient } from '../client/fleet.js';
import type { FleetItem } from '../client/fleet.js';
import { hostIdOf } from '../client/home.js';
import type { BeadSummary } from '../client/list.js';
import { billedTokens, noUsage } from '../contract/index.js';
import type { BeadView, ConvoyView, RigView } from '../contract/index.js';
import { problemsOf } from '../domain/telling/problems.js';
import type { TownFacts, TownHosts } from '../domain/telling/town-facts.js';
import type { Card, CardMore, ConvoyRow, Front, HostsPart, RigRow, ShownProblem } from './api-types.js';
import { BeadList } from './bead-list.js';
import { BeadViews } from './bead-views.js';
import { doing } from '../operator/doing.js';
import { answerOf, eachOf } from '../operator/asking.js';
import { shown } from './remedy.js';
import { troubleOf } from './town-link.js';
import type { TownLink, Trouble } from './town-link.js';

/** From the end of one look to the next: with what a look takes, a page is less than a second behind. */
const lookEvery = 500;
const deadline = 8_000;
/** Who works, and what the merge queues hold. */
const hostsEvery = 5_000;
const fleetEvery = 2_000;
const fleetListEvery = 10_000;
/** Rigs and convoys whose own account is asked for. */
const mostAsked = 25;
/** Beads in need of a person whose reason is asked for, the oldest first; the others stand in their column. */
const mostNeedy = 40;
/** Cards on the screens of all who look, whose own account is asked for. */
const mostOnScreen = 80;

/** What is told to those who look: everything at first, then what has changed. */
export type FleetNews =
  | { event: 'front'; data: Front }
  | { event: 'cards'; data: { cards: Card[]; gone: string[]; landedToday: number; more: boolean } }
  | { event: 'problems'; data: ShownProblem[] }
  | { event: 'hosts'; data: HostsPart }
  | { event: 'rigs'; data: RigRow[] }
  | { event: 'convoys'; data: ConvoyRow[] }
  | { event: 'trouble'; data: Trouble }
  | { event: 'fine'; data: Record<string, never> };

interface Looker {
  tell: (news: FleetNews) => void;
  onScreen: readonly string[];
  /** Whether it has been given everything. */
  begun: boolean;
}

/**
 * The fleet, looked at on behalf of all pages that show it, once for all of them; not at all when there is none.
 */
export class FleetWatch {
  readonly #link: TownLink;
  readonly #log: (line: string) => void;
  readonly #lookers = new Map<string, Looker>();
  readonly #list = new BeadList();
  readonly #views = new BeadViews();
  #cards = new Map<string, { card: Card; text: string }>();
  #rigs: { item: FleetItem; view?: RigView }[] = [];
  #convoys: { item: FleetItem; view?: ConvoyView }[] = [];
  #hosts: TownHosts = { up: [], free: [], merging: [], silent: [] };
  #parts = { problems: '', hosts: '', rigs: '', convoys: '' };
  #at = { hosts: -Infinity, fleet: -Infinity, fleetList: -Infinity };
  readonly #asking = new Map<string, Promise<void>>();
  /** What went wrong with a question that nobody waited for. */
  #failure: Error | undefined;
  /** Whether hosts, rigs and convoys have been asked since somebody came. */
  #complete = false;
  #trouble: string | undefined;
  #loop: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(link: TownLink, log: (line: string) => void) {
    this.#link = link;
    this.#log = log;
  }

  get lookers(): number {
    return this.#lookers.size;
  }

  /** @returns what ends it. */
  subscribe(id: string, tell: (news: FleetNews) => void): () => void {
    const looker: Looker = { tell, onScreen: [], begun: false };
    this.#lookers.set(id, looker);
    this.lookSoon();
    this.#loop ??= this.#run().finally(() => {
      this.#loop = undefined;
    });
    return () => {
      if (this.#lookers.get(id) === looker) this.#lookers.delete(id);
      if (this.#lookers.size === 0) this.lookSoon();
    };
  }

  /** Which cards a page has on its screen. */
  looking(id: string, beads: readonly string[]): void {
    const looker = this.#lookers.get(id);
    if (looker === undefined) return;
    looker.onScreen = beads;
    this.lookSoon();
  }

  /** After an action: what it changed is to be seen at once. */
  lookSoon(): void {
    this.#wake?.();
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.#lookers.clear();
    this.lookSoon();
    await this.#loop;
    await Promise.all([this.#list.settled(), ...this.#asking.values()]);
  }

  async #run(): Promise<void> {
    // Who came back after a while without anybody looking begins with what is true now.
    this.#list.forget();
    this.#complete = false;
    this.#at = { hosts: -Infinity, fleet: -Infinity, fleetList: -Infinity };
    while (this.#lookers.size > 0 && !this.#ended) {
      try {
        await this.#look();
        if (this.#trouble !== undefined) this.#tell({ event: 'fine', data: {} });
        this.#trouble = undefined;
      } catch (error) {
        const trouble = troubleOf(error, this.#log);
        this.#trouble = trouble.message;
        this.#tell({ event: 'trouble', data: trouble });
        await this.#link.look(error);
      }
      await this.#pause(this.#trouble === undefined ? lookEvery : 2 * lookEvery);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
    });
  }

  async #look(): Promise<void> {
    const town = await this.#link.town();
    const now = Date.now();
    // What answers slowly must not hold up what visibility shows: it is asked beside, and is there with a later look.
    const beside = [
      this.#beside('fleet', () => this.#lookAtFleet(town, now)),
      this.#beside('hosts', () => this.#lookAtHosts(town, now)),
    ];
    if (!this.#complete) await Promise.all(beside);
    this.#complete = true;
    await this.#list.look(town, deadline);
    await this.#publish(town);
    void this.#beside('views', async () => {
      const wanted = this.#wanted();
      this.#views.keepOnly(new Set(wanted.map(({ bead }) => bead)));
      if (this.#hosts.up.length === 0) return;
      if (await this.#views.refresh(town, wanted, deadline)) await this.#lookForSilent(town);
    });
    const failure = this.#failure;
    if (failure !== undefined) {
      this.#failure = undefined;
      throw failure;
    }
  }

  /** Runs one question of a kind at a time. What goes wrong with it is met by the next look. */
  #beside(kind: string, ask: () => Promise<void>): Promise<void> {
    const running = this.#asking.get(kind);
    if (running !== undefined) return running;
    const asking = ask()
      .catch((error: unknown) => {
        this.#failure = error instanceof Error ? error : new Error(String(error));
      })
      .finally(() => this.#asking.delete(kind));
    this.#asking.set(kind, asking);
    return asking;
  }

  /** What is asked for its own account: what needs a person, and what is on a screen. */
  #wanted(): BeadSummary[] {
    const needy = [...this.#list.beads.values()]
      .filter(needsLook)
      .sort((a, b) => a.startedAt - b.startedAt)
      .slice(0, mostNeedy);
    const wanted = new Map(needy.map((bead) => [bead.bead, bead]));
    let left = mostOnScreen;
    for (const id of new Set([...this.#lookers.values()].flatMap(({ onScreen }) => onScreen))) {
      const bead = this.#list.beads.get(id);
      if (bead === undefined || wanted.has(id)) continue;
      if ((left -= 1) < 0) break;
      wanted.set(id, bead);
    }
    return [...wanted.values()];
  }

  async #lookAtHosts(town: Town, now: number): Promise<void> {
    if (now - this.#at.hosts < hostsEvery) return;
    this.#at.hosts = now;
    this.#hosts = { ...(await hostsOf(town, deadline)), silent: this.#hosts.silent };
    await this.#lookForSilent(town);
  }

  /** A host that has an attempt, does not poll the town's queues, and not its own either. */
  async #lookForSilent(town: Town): Promise<void> {
    const busy = [...this.#hostsOfAttempts().keys()].filter((host) => !this.#hosts.up.includes(host));
    const silent = await eachOf(busy, 4, async (host) => ((await hostAnswers(town, host, deadline)) ? [] : [host]));
    this.#hosts = { ...this.#hosts, silent: silent.flat() };
  }

  #hostsOfAttempts(): Map<string, string[]> {
    const hosts = new Map<string, string[]>();
    for (const bead of this.#list.beads.keys()) {
      const host = this.#views.get(bead)?.current?.host;
      if (host !== undefined) hosts.set(host, [...(hosts.get(host) ?? []), bead]);
    }
    return hosts;
  }

  async #lookAtFleet(town: Town, now: number): Promise<void> {
    const fleet = new FleetClient(town, deadline);
    if (now - this.#at.fleetList >= fleetListEvery) {
      this.#at.fleetList = now;
      const options = { all: false, limit: 200, taskQueue: town.taskQueue };
      const [rigs, convoys] = await Promise.all([fleet.list('rig', options), fleet.list('convoy', options)]);
      const known = <T extends { item: FleetItem }>(before: T[], items: FleetItem[]): (T | { item: FleetItem })[] =>
        items.map((item) => before.find((other) => other.item.id === item.id) ?? { item });
      this.#rigs = known(this.#rigs, rigs);
      this.#convoys = known(this.#convoys, convoys);
      this.#at.fleet = -Infinity;
    }
    if (now - this.#at.fleet < fleetEvery || (this.#hosts.up.length === 0 && this.#at.hosts !== -Infinity)) return;
    this.#at.fleet = now;
    const asker = new FleetClient(town, 3_000);
    const [rigs, convoys] = await Promise.all([
      eachOf(this.#rigs.slice(0, mostAsked), 4, ({ item }) => answerOf(() => asker.rig(item.id))),
      eachOf(this.#convoys.slice(0, mostAsked), 4, ({ item }) => answerOf(() => asker.convoy(item.id))),
    ]);
    this.#rigs = this.#rigs.map(({ item }, at) => ({ item, view: rigs[at] }));
    this.#convoys = this.#convoys.map(({ item }, at) => ({ item, view: convoys[at] }));
  }

  #problems(town: Town): ShownProblem[] {
    const facts: TownFacts = {
      now: Date.now(),
      taskQueue: town.taskQueue,
      beads: [...this.#list.beads.values()]
        .filter(({ bead, closedAt }) => closedAt === undefined && this.#views.has(bead))
        .map(({ bead, status }) => ({ bead, status, view: this.#views.get(bead) })),
      more: this.#list.more,
      rigs: this.#rigs.map(({ item, view }) => ({ rig: item.id, view })),
      convoys: this.#convoys.map(({ item, view }) => ({ convoy: item.id, view })),
      hosts: this.#hosts,
    };
    return shown(problemsOf(facts));
  }

  /** Tells everybody what has changed, and everything to whom has just come. */
  async #publish(town: Town): Promise<void> {
    const cards = new Map<string, { card: Card; text: string }>();
    const changed: Card[] = [];
    for (const summary of this.#list.beads.values()) {
      const card = cardOf(summary, this.#views.get(summary.bead));
      const text = JSON.stringify(card);
      cards.set(card.bead, { card, text });
      if (this.#cards.get(card.bead)?.text !== text) changed.push(card);
    }
    const gone = [...this.#cards.keys()].filter((bead) => !cards.has(bead));
    this.#cards = cards;
    const midnight = new Date().setHours(0, 0, 0, 0);
    const landedToday = [...this.#list.beads.values()].filter(
      ({ status, closedAt }) => status === 'closed' && (closedAt ?? 0) >= midnight,
    ).length;
    const front: Front = {
      now: Date.now(),
      cards: [],
      more: this.#list.more,
      landedToday,
      problems: this.#problems(town),
      hosts: await this.#hostsPart(town),
      rigs: this.#rigs.map(({ item, view }) => rigRow(item, view)),
      convoys: this.#convoys.map(({ item, view }) => convoyRow(item, view)),
    };
    const news: FleetNews[] = [];
    if (changed.length > 0 || gone.length > 0)
      news.push({ event: 'cards', data: { cards: changed, gone, landedToday, more: front.more } });
    for (const event of ['problems', 'hosts', 'rigs', 'convoys'] as const) {
      // How long something lasts is said in the sentences too; the page does not need a new one every second.
      const text = JSON.stringify(front[event]);
      if (this.#parts[event] === text) continue;
      this.#parts[event] = text;
      news.push({ event, data: front[event] } as FleetNews);
    }
    let everything: Front | undefined;
    for (const looker of this.#lookers.values()) {
      if (looker.begun) for (const one of news) looker.tell(one);
      else {
        looker.begun = true;
        everything ??= { ...front, cards: [...cards.values()].map(({ card }) => card) };
        looker.tell({ event: 'front', data: everything });
      }
    }
  }

  async #hostsPart({ home, taskQueue }: Town): Promise<HostsPart> {
    const here = await hostIdOf(home);
    const places = await placesHere(home);
    const attempts = this.#hostsOfAttempts();
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

  #tell(news: FleetNews): void {
    for (const { tell } of this.#lookers.values()) tell(news);
  }

  /** The front as it is now, for a script; asks only what no page has asked. */
  async front(): Promise<Front> {
    return new Promise((resolve, reject) => {
      const stop = this.subscribe(`script-${Math.random()}`, (news) => {
        if (news.event === 'front') resolve(news.data);
        else if (news.event === 'trouble') reject(new TroubleError(news.data.message, news.data.next ?? ''));
        else return;
        stop();
      });
    });
  }
}

/** What kept the board from looking, for whoever asks once. */
class TroubleError extends ClientError {}

const needsLook = ({ status, agent, attention, closedAt }: BeadSummary): boolean =>
  closedAt === undefined &&
  (status === 'blocked' || attention !== undefined || ['stalled', 'suspect', 'stopping', 'paused'].includes(agent));

function cardOf(summary: BeadSummary, view: BeadView | undefined): Card {
  const { repo: _, ...card } = summary;
  return view === undefined ? card : { ...card, more: moreOf(view) };
}

function moreOf(view: BeadView): CardMore {
  const usage = view.usage ?? noUsage;
  return {
    attempt: view.current?.number,
    attempts: view.attemptCount,
    host: view.current?.host,
    doing: doing(view),
    since: view.current?.startedAt,
    costUsd: usage.costUsd,
    tokens: billedTokens(usage),
  };
}

function rigRow({ id }: FleetItem, view: RigView | undefined): RigRow {
  if (view === undefined) return { rig: id };
  const { settings, merged } = view;
  const last = merged.at(-1);
  return {
    rig: id,
    view: {
      paused: view.paused,
      removed: view.removed,
      attention: view.attention,
      version: view.version,
      repo: settings.repo,
      base: settings.base,
      strategy: settings.strategy,
      maxAgents: settings.maxAgents,
      approval: settings.approval,
      breakerOpen: view.breaker.open,
      breakerReason: view.breaker.reason,
      running: view.grants.map(({ bead }) => bead),
      waiting: view.waiting.length,
      queue: view.queue.slice(0, 20).map(({ item, title, target, tries, lastReason, notBefore }) => ({
        item,
        title,
        target,
        tries,
        reason: lastReason,
        notBefore,
      })),
      merging: view.merging.map(({ item, title, target, startedAt }) => ({ item, title, target, since: startedAt })),
      lastMerged: last === undefined ? undefined : { item: last.item, at: last.at, sha: last.sha },
    },
  };
}

function convoyRow({ id, title }: FleetItem, view: ConvoyView | undefined): ConvoyRow {
  return {
    convoy: id,
    title: view?.title ?? title ?? id,
    view:
      view === undefined
        ? undefined
        : {
            status: view.status,
            reason: view.reason,
            progress: view.progress,
            rig: view.rig,
            paused: view.paused,
            staged: view.staged,
            attention: view.attention,
          },
  };
}

/** @returns how many agents this machine's own worker runs at most; undefined where none has ever run. */
async function placesHere(home: string): Promise<number | undefined> {
  try {
    const told = JSON.parse(await readFile(join(home, 'worker-state.json'), 'utf8')) as { maxAgents?: unknown };
    return typeof told.maxAgents === 'number' ? told.maxAgents : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
