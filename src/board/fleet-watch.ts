import type { TownConnection } from '../client/connect.js';
import { ClientError } from '../client/errors.js';
import type { BeadSummary } from '../client/list.js';
import { problemsOf } from '../domain/telling/problems.js';
import type { Front, ShownProblem } from './api-types.js';
import { BeadList } from './bead-list.js';
import { BeadViews } from './bead-views.js';
import { FleetAsked } from './fleet-asked.js';
import { FrontNews } from './front-news.js';
import type { FleetNews } from './front-news.js';
import { convoyRow, rigRow } from './front-rows.js';
import { Listened, restOf } from './listened.js';
import type { Listeners } from './listened.js';
import { shown } from './remedy.js';
import { troubleOf } from './town-link.js';
import type { TownLink } from './town-link.js';

/**
 * From the beginning of one look to the next: a page is less than a second behind also where looks take most of this.
 */
const lookEvery = 300;
const deadline = 8_000;
/** Beads in need of a person whose reason is asked for, the oldest first; the others stand in their column. */
const mostNeedy = 40;
/** Cards on the screens of all who look, whose own account is asked for. */
const mostOnScreen = 80;
/** There is one fleet. */
const fleet = 'the fleet';

/**
 * The fleet, looked at on behalf of all pages that show it, once for all of them; not at all when there is none.
 */
export class FleetWatch {
  readonly #link: TownLink;
  readonly #log: (line: string) => void;
  readonly #listened: Listened<FleetNews>;
  /** The cards on the screen of each page. */
  readonly #onScreen = new Map<string, readonly string[]>();
  readonly #list = new BeadList();
  readonly #views = new BeadViews();
  readonly #asked = new FleetAsked();
  readonly #asking = new Map<string, Promise<void>>();
  /** What the pages that are open now have been told. */
  #news: FrontNews | undefined;
  /** What went wrong with a question that nobody waited for. */
  #failure: Error | undefined;

  constructor(link: TownLink, log: (line: string) => void) {
    this.#link = link;
    this.#log = log;
    this.#listened = new Listened((_, listeners) => this.#begin(listeners), log);
  }

  /** @returns what ends it. */
  subscribe(id: string, tell: (news: FleetNews) => void): () => void {
    this.#onScreen.set(id, []);
    const stop = this.#listened.subscribe(fleet, tell);
    return () => {
      this.#onScreen.delete(id);
      stop();
    };
  }

  /** Which cards a page has on its screen. */
  showing(id: string, beads: readonly string[]): void {
    if (!this.#onScreen.has(id)) return;
    this.#onScreen.set(id, beads);
    this.lookSoon();
  }

  /** After an action: what it changed is to be seen at once. */
  lookSoon(): void {
    this.#listened.lookSoon(fleet);
  }

  async end(): Promise<void> {
    await this.#listened.end();
    await Promise.all([this.#list.settled(), ...this.#asking.values()]);
  }

  #begin(listeners: Listeners<FleetNews>): () => Promise<number> {
    // Who loads the page again, or comes back, begins with what is known, and with what has changed since.
    this.#list.resume();
    this.#asked.forget();
    const news = (this.#news = new FrontNews());
    let troubled = false;
    listeners.first = () => news.whole();
    return async () => {
      const startedAt = Date.now();
      try {
        for (const change of await this.#look(news)) listeners.tell(change);
        this.#tellFailure();
        if (troubled) listeners.tell({ event: 'fine', data: {} });
        troubled = false;
        return restOf(lookEvery, startedAt);
      } catch (error) {
        troubled = true;
        listeners.tell({ event: 'trouble', data: troubleOf(error, this.#log) });
        await this.#link.closeIfMoved(error);
        return 1_000;
      }
    };
  }

  /** @returns what is new since the last look; all of it at first. */
  async #look(news: FrontNews): Promise<FleetNews[]> {
    const town = await this.#link.town();
    const now = Date.now();
    // What answers slowly must not hold up what visibility shows: it is asked beside, and is there with a later look.
    const beside = [
      this.#beside('fleet', () => this.#asked.askFleet(town, deadline, now)),
      this.#beside('hosts', () => this.#asked.askHosts(town, deadline, now, () => this.#attemptHosts())),
    ];
    await Promise.all([this.#list.look(town, deadline), ...(news.whole() === undefined ? beside : [])]);
    const { beads, more, reading } = this.#list;
    const changes = news.take(beads, (bead) => this.#views.get(bead), {
      more,
      reading,
      problems: this.#problems(town),
      hosts: await this.#asked.hostsPart(town, this.#attemptHosts()),
      rigs: this.#asked.rigs.map(({ item, view }) => rigRow(item, view)),
      convoys: this.#asked.convoys.map(({ item, view }) => convoyRow(item, view)),
    });
    void this.#beside('views', () => this.#askViews(town));
    return changes;
  }

  #tellFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
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

  async #askViews(town: TownConnection): Promise<void> {
    const wanted = this.#wanted();
    this.#views.keepOnly(new Set(wanted.map(({ bead }) => bead)));
    // Without a worker nobody can answer: it would only be waited for.
    if (this.#asked.hosts.up.length === 0) return;
    if (await this.#views.refresh(town, wanted, deadline))
      await this.#asked.askSilent(town, deadline, this.#attemptHosts());
  }

  /** What is asked for its own account: what needs a person, and what is on a screen. */
  #wanted(): BeadSummary[] {
    const needy = [...this.#list.beads.values()]
      .filter(needsLook)
      .sort((a, b) => a.startedAt - b.startedAt)
      .slice(0, mostNeedy);
    const wanted = new Map(needy.map((bead) => [bead.bead, bead]));
    let left = mostOnScreen;
    for (const id of new Set([...this.#onScreen.values()].flat())) {
      const bead = this.#list.beads.get(id);
      if (bead === undefined || wanted.has(id)) continue;
      if ((left -= 1) < 0) break;
      wanted.set(id, bead);
    }
    return [...wanted.values()];
  }

  #attemptHosts(): Map<string, string[]> {
    const hosts = new Map<string, string[]>();
    for (const bead of this.#list.beads.keys()) {
      const host = this.#views.get(bead)?.current?.host;
      if (host !== undefined) hosts.set(host, [...(hosts.get(host) ?? []), bead]);
    }
    return hosts;
  }

  #problems({ taskQueue }: TownConnection): ShownProblem[] {
    return shown(
      problemsOf({
        now: Date.now(),
        taskQueue,
        beads: [...this.#list.beads.values()]
          .filter(({ bead, closedAt }) => closedAt === undefined && this.#views.has(bead))
          .map(({ bead, status }) => ({ bead, status, view: this.#views.get(bead) })),
        more: this.#list.more,
        rigs: this.#asked.rigs.map(({ item, view }) => ({ rig: item.id, view })),
        convoys: this.#asked.convoys.map(({ item, view }) => ({ convoy: item.id, view })),
        hosts: this.#asked.hosts,
      }),
    );
  }

  /** The front as it was seen last and in full, for a script; it is looked at when no page does so. */
  async front(): Promise<Front> {
    return new Promise((resolve, reject) => {
      let stop = (): void => undefined;
      let over = false;
      const end = (): void => {
        over = true;
        stop();
      };
      stop = this.subscribe(`script-${Math.random()}`, (news) => {
        if (news.event === 'trouble') reject(new TroubleError(news.data.message, news.data.next ?? ''));
        else {
          const whole = this.#news?.whole();
          if (whole?.event !== 'front' || whole.data.reading) return;
          resolve(whole.data);
        }
        end();
      });
      // Somebody else looks already, and the front was there at once.
      if (over) stop();
    });
  }
}

/** What kept the board from looking, for whoever asks once. */
class TroubleError extends ClientError {}

const needsLook = ({ status, agent, attention, closedAt }: BeadSummary): boolean =>
  closedAt === undefined &&
  (status === 'blocked' || attention !== undefined || ['stalled', 'suspect', 'stopping', 'paused'].includes(agent));
