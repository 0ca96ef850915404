import { Hono } from 'hono';
import type { Context as Call } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { HttpBindings } from '@hono/node-server';
import { adapters } from '../agents/index.js';
import { BeadClient } from '../client/beads.js';
import type { TownConnection } from '../client/connect.js';
import { ClientError } from '../client/errors.js';
import { FleetClient } from '../client/fleet.js';
import { readHistory } from '../client/history.js';
import { asClientError } from '../client/as-client-error.js';
import { beadIdProblem } from '../contract/index.js';
import type { ConvoyView, RigView } from '../contract/index.js';
import { storyOf } from '../domain/telling/story.js';
import type { About, ApiError, BeadPage, RigNames } from './api-types.js';
import { Actions, BadRequestError } from './actions.js';
import { attemptDiff } from './attempt-diff.js';
import { attemptPlace } from './attempts-here.js';
import { BeadLooks } from './bead-page.js';
import { Charts } from './charts.js';
import { checksAnswer } from './checks.js';
import { EventStream } from './event-stream.js';
import { FleetWatch } from './fleet-watch.js';
import { LogWatch, logOnce } from './log-watch.js';
import { Looks } from './looks.js';
import type { PageFiles } from './page-files.js';
import { securityHeaders } from './safety.js';
import type { RequestFacts, Safety } from './safety.js';
import { troubleOf } from './town-link.js';
import type { TownLink } from './town-link.js';

const deadline = 10_000;
/**
 * From the beginning of one look to the next: with what a look takes, a page about one thing is less than a second
 * behind.
 */
const lookEvery = 500;
/** No request of the page is larger; a convoy's file is the largest. */
const bodyBytes = 5 * 1024 * 1024;

type Env = { Bindings: HttpBindings };
type C = Call<Env>;

export interface BoardOptions {
  link: TownLink;
  safety: Safety;
  files: PageFiles;
  version: string;
  readOnly: boolean;
  /** State directory of this machine, for logs and mirrors. */
  home: string;
  log: (line: string) => void;
}

/** The board without its socket: the page's files, the JSON API, and the events. */
export class Board {
  readonly app = new Hono<Env>();
  readonly #options: BoardOptions;
  readonly #fleet: FleetWatch;
  readonly #beads: Looks<BeadPage>;
  readonly #convoys: Looks<ConvoyView>;
  readonly #rigs: Looks<RigView>;
  readonly #logs: LogWatch;
  readonly #charts = new Charts();
  readonly #streams = new Set<EventStream>();

  constructor(options: BoardOptions) {
    this.#options = options;
    const { link, log } = options;
    this.#fleet = new FleetWatch(link, log);
    this.#logs = new LogWatch(link, log);
    this.#beads = new Looks(
      link,
      {
        every: lookEvery,
        looker: (bead) => {
          const looks = new BeadLooks(bead);
          return (town) => looks.look(town, deadline);
        },
        stable: ({ now: _, state, ...page }) => [page, { ...state, now: 0 }],
      },
      log,
    );
    this.#convoys = new Looks(
      link,
      {
        every: lookEvery,
        looker: (convoy) => (town) => new FleetClient(town, deadline).convoy(convoy),
        stable: (view) => ({ ...view, now: 0 }),
      },
      log,
    );
    this.#rigs = new Looks(
      link,
      {
        every: lookEvery,
        looker: (rig) => (town) => new FleetClient(town, deadline).rig(rig),
        stable: (view) => ({ ...view, now: 0 }),
      },
      log,
    );
    this.#route();
  }

  async end(): Promise<void> {
    for (const stream of this.#streams) stream.close();
    await Promise.all([this.#fleet.end(), this.#beads.end(), this.#convoys.end(), this.#rigs.end(), this.#logs.end()]);
  }

  #route(): void {
    const { app } = this;
    const { safety, files, link } = this.#options;
    app.use(async (c, next) => {
      const refused = safety.refusal(askedOf(c));
      if (refused === undefined) await next();
      else c.res = failed(c, refused.status, refused.message, refused.next);
      for (const [name, value] of Object.entries(securityHeaders)) c.res.headers.set(name, value);
      if (!c.res.headers.has('cache-control')) c.res.headers.set('cache-control', 'no-store');
    });
    app.onError((error, c) => {
      const response = this.#failure(c, error);
      for (const [name, value] of Object.entries(securityHeaders)) response.headers.set(name, value);
      return response;
    });
    const api = new Hono<Env>();
    api.post('/session', async (c) => {
      const { token } = await bodyOf<{ token?: unknown }>(c);
      if (typeof token !== 'string' || !safety.isToken(token))
        return failed(c, 401, 'this is not the token of this start', 'open the address that was printed last');
      c.header('set-cookie', safety.cookie(c.req.header('x-forwarded-proto') === 'https'));
      return c.json({});
    });
    api.get('/about', async (c) => c.json(await this.#about(c)));
    api.get('/events', (c) => this.#events(c));
    api.post('/looking', async (c) => {
      const { looker, beads } = await bodyOf<{ looker?: unknown; beads?: unknown }>(c);
      if (typeof looker !== 'string' || !Array.isArray(beads))
        throw new BadRequestError('it takes {looker, beads: […]}');
      this.#fleet.showing(looker, beads.filter((bead) => typeof bead === 'string').slice(0, 200));
      return c.json({});
    });
    api.get('/front', async (c) => c.json(await this.#fleet.front()));
    api.get('/charts', async (c) =>
      c.json(await this.#charts.ask(await link.town(), c.req.query('days') === '7' ? 7 : 1, 30_000)),
    );
    api.get('/beads/:bead', async (c) => c.json(await new BeadLooks(beadOf(c)).look(await link.town(), deadline)));
    api.get('/beads/:bead/story', async (c) => {
      const { events, runs, cut } = await readHistory(await link.town(), beadOf(c), deadline);
      return c.json({ story: storyOf(events), runs, cut });
    });
    api.get('/beads/:bead/checks', async (c) => {
      const town = await link.town();
      return c.json(await checksAnswer(town, await this.#view(town, beadOf(c)), deadline));
    });
    api.get('/beads/:bead/diff', async (c) => {
      const town = await link.town();
      const view = await this.#view(town, beadOf(c));
      const place = await attemptPlace(town.home, view, c.req.query('attempt'));
      if (place === undefined) return failed(c, 404, 'there has been no such attempt', 'look again when one has begun');
      return c.json(
        await attemptDiff({ town, view, place, fetch: c.req.query('fetch') === '1', signal: c.req.raw.signal }),
      );
    });
    api.get('/beads/:bead/log', async (c) => {
      const town = await link.town();
      const view = await this.#view(town, beadOf(c));
      const answer = await logOnce(town, view, c.req.query('attempt'));
      if (answer === undefined)
        return failed(c, 404, 'there has been no such attempt', 'look again when one has begun');
      return c.json(answer);
    });
    api.post('/beads', async (c) =>
      this.#acted(c, undefined, async (actions) => ({ bead: await actions.sling(await bodyOf(c)) })),
    );
    api.post('/convoys', async (c) =>
      this.#acted(c, undefined, async (actions) => ({ convoy: await actions.draft(await bodyOf(c)) })),
    );
    api.post('/beads/:bead/:action', async (c) => {
      const bead = beadOf(c);
      return this.#acted(c, bead, async (actions) =>
        said(await actions.onBead(bead, c.req.param('action'), await bodyOf(c))),
      );
    });
    api.get('/rigs', async (c) => {
      const town = await link.town();
      const rigs = await new FleetClient(town, deadline).list('rig', {
        all: false,
        limit: 200,
        taskQueue: town.taskQueue,
      });
      return c.json({ rigs: rigs.map(({ id }) => id) } satisfies RigNames);
    });
    api.get('/rigs/:rig', async (c) =>
      c.json(await new FleetClient(await link.town(), deadline).rig(nameOf(c, 'rig'))),
    );
    api.post('/rigs/:rig/:action', async (c) =>
      this.#acted(c, undefined, async (actions) => said(await actions.onRig(nameOf(c, 'rig'), c.req.param('action')))),
    );
    api.get('/convoys/:convoy', async (c) =>
      c.json(await new FleetClient(await link.town(), deadline).convoy(nameOf(c, 'convoy'))),
    );
    api.post('/convoys/:convoy/:action', async (c) =>
      this.#acted(c, undefined, async (actions) =>
        said(await actions.onConvoy(nameOf(c, 'convoy'), c.req.param('action'), await bodyOf(c))),
      ),
    );
    api.all('*', (c) => failed(c, 404, `there is no ${c.req.path}`, 'docs/board.md names what there is'));
    app.route('/api/v1', api);
    app.all('/api/*', (c) => failed(c, 404, 'this board speaks /api/v1', 'docs/board.md names what there is'));
    app.get('*', async (c) => {
      const name = c.req.path.slice(1);
      // Every other path is a page of the one program.
      const file = await files.get(/\.\w+$/.test(name) ? name : 'index.html', c.req.header('accept-encoding') ?? '');
      return file === undefined ? c.text('there is no such file', 404) : c.body(file.body, 200, file.headers);
    });
  }

  async #about(c: C): Promise<About> {
    const { link, readOnly, version, safety } = this.#options;
    const town = await link.town();
    return {
      version,
      api: 'v1',
      readOnly,
      namespace: town.namespace,
      taskQueue: town.taskQueue,
      address: town.address,
      uiAddress: town.uiAddress,
      user: safety.user(askedOf(c)),
      agents: Object.keys(adapters),
      requests: link.requests,
      lookers: this.#streams.size,
      memory: process.memoryUsage.rss(),
    };
  }

  #view(town: TownConnection, bead: string): ReturnType<BeadClient['view']> {
    return new BeadClient(town, { deadline }).view(bead);
  }

  #who(c: C): string {
    return this.#options.safety.user(askedOf(c)) ?? 'somebody at the board';
  }

  async #acted(c: C, bead: string | undefined, act: (actions: Actions) => Promise<object>): Promise<Response> {
    const answer = await act(new Actions(await this.#options.link.town(), deadline, this.#who(c)));
    this.#fleet.lookSoon();
    if (bead !== undefined) this.#beads.lookSoon(bead);
    return c.json(answer);
  }

  /**
   * One stream for all that a page shows: `watch=front`, `watch=bead:ID`, `watch=convoy:ID`, `watch=rig:NAME`,
   * `watch=log:BEAD[:ATTEMPT]`.
   */
  #events(c: C): Response {
    const stream = new EventStream(/\bgzip\b/.test(c.req.header('accept-encoding') ?? ''));
    const stops: (() => void)[] = [];
    const looker = c.req.query('looker') ?? `unnamed-${Math.random()}`;
    const pass = ({ event, data }: { event: string; data: unknown }): void => stream.send(event, data);
    for (const watch of c.req.queries('watch') ?? []) {
      const [kind, id = '', attempt] = watch.split(':');
      if (kind === 'front') stops.push(this.#fleet.subscribe(looker, pass));
      if (id === '' || beadIdProblem(id) !== undefined) continue;
      if (kind === 'bead') stops.push(this.#beads.subscribe(id, renamed('bead', pass)));
      if (kind === 'convoy') stops.push(this.#convoys.subscribe(id, renamed('convoy', pass)));
      if (kind === 'rig') stops.push(this.#rigs.subscribe(id, renamed('rig', pass)));
      if (kind === 'log')
        stops.push(
          this.#logs.subscribe(id, attempt === '' ? undefined : attempt, (lines) => stream.send('log', lines)),
        );
    }
    this.#streams.add(stream);
    const over = (): void => {
      this.#streams.delete(stream);
      for (const stop of stops.splice(0)) stop();
      stream.close();
    };
    c.env.outgoing.once('close', over);
    return c.body(stream.body, 200, stream.headers);
  }

  #failure(c: C, error: Error): Response {
    const found = asClientError(error);
    const { message, next } = troubleOf(found, this.#options.log);
    return failed(c, found instanceof ClientError ? statusOf(found) : 500, message, next);
  }
}

const renamed =
  (name: string, pass: (news: { event: string; data: unknown }) => void) =>
  ({ event, data }: { event: string; data: unknown }): void =>
    pass({ event: event === 'look' ? name : event, data });

const askedOf = (c: C): RequestFacts => ({
  method: c.req.method,
  path: new URL(c.req.url).pathname,
  header: (name) => c.req.header(name),
});

function failed(c: C, status: ContentfulStatusCode, message: string, next?: string): Response {
  const body: ApiError = { error: { message, next } };
  return c.json(body, status);
}

function said(text: string | undefined): { text: string } {
  if (text === undefined) throw new BadRequestError('there is no such action');
  return { text };
}

async function bodyOf<T>(c: C): Promise<T> {
  const length = Number(c.req.header('content-length') ?? 0);
  if (length > bodyBytes) throw new BadRequestError('the body is too long', `it may have ${bodyBytes} bytes`);
  const text = await c.req.text();
  if (text.length > bodyBytes) throw new BadRequestError('the body is too long', `it may have ${bodyBytes} bytes`);
  try {
    return (text === '' ? {} : JSON.parse(text)) as T;
  } catch (error) {
    if (error instanceof SyntaxError) throw new BadRequestError('the body is not JSON');
    throw error;
  }
}

const beadOf = (c: C): string => nameOf(c, 'bead');

function nameOf(c: C, what: 'bead' | 'rig' | 'convoy'): string {
  const name = c.req.param(what) ?? '';
  const problem = beadIdProblem(name);
  if (problem !== undefined) throw new BadRequestError(problem.replace('a bead id', `the name of a ${what}`));
  return name;
}

function statusOf(error: ClientError): ContentfulStatusCode {
  switch (error.name) {
    case 'BadRequestError':
      return 400;
    case 'BeadNotFoundError':
    case 'FleetNotFoundError':
    case 'NoDiffError':
      return 404;
    case 'BeadExistsError':
    case 'FleetExistsError':
    case 'FleetEndedError':
    case 'FleetRefusedError':
    case 'BeadEndedError':
    case 'BeadRefusedError':
      return 409;
    case 'ServerRefusedError':
      return 502;
    default:
      return 503;
  }
}
