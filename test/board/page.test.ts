import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'node:http';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { addressWithToken } from '../../src/board/serve.js';
import type { ServedBoard } from '../../src/board/serve.js';
import type { About, BeadPage, Card, ChartsAnswer, DiffAnswer, DiffHunk, DiffLine } from '../../src/board/api-types.js';
import { BoardTown } from './support/board-town.js';
import {
  TestBrowser,
  axeFindings,
  button,
  card,
  countShifts,
  desk,
  focusedBead,
  look,
  phone,
  picture,
  scriptedEvents,
  soon,
  tell,
  tooWide,
} from './support/browser.js';
import { frontOf } from './support/fleet.js';

/** A town without a worker: what the page does by itself needs none. */
let town: BoardTown;
let board: ServedBoard;
let browser: TestBrowser;

beforeAll(async () => {
  [town, browser] = await Promise.all([BoardTown.start(inject('devServer'), { worker: false }), TestBrowser.start()]);
  board = await town.board();
});
afterAll(async () => {
  await browser?.close();
  await town?.end();
});

const shiftsOf = async (tab: Page): Promise<[number, string[]]> =>
  (await tab.evaluate('[window.shifted, window.shifts]')) as [number, string[]];

/** A front of our own making, told by events of our own. */
async function scripted(...more: Parameters<TestBrowser['opened']>[1][]): Promise<Page> {
  const tab = await browser.tab(more[0], scriptedEvents, countShifts);
  await tab.goto(addressWithToken(board));
  return tab;
}

describe('the front', () => {
  test('of 5,000 beads draws a part, while older ones are read too, and filters all', async () => {
    const now = Date.now();
    const cards = Array.from({ length: 5_000 }, (_, at): Card => ({
      bead: `many-${at}`,
      title: `Piece of work ${at}`,
      status: at % 10 === 0 ? 'in_progress' : 'open',
      agent: at % 10 === 0 ? 'working' : 'none',
      startedAt: now - at * 1_000,
    }));
    const front = { ...frontOf(0, now), problems: [], rigs: [], convoys: [] };
    const tab = await scripted();
    await tell(tab, 'front', { ...front, reading: true, cards: cards.slice(0, 200) });
    await tab.locator('.c-open .count', { hasText: '180' }).waitFor();
    await tab.getByText('older beads are still being read').waitFor();
    const first = await tab.locator('.c-open [data-bead]').first().getAttribute('data-bead');
    await tell(tab, 'cards', { cards: cards.slice(200), gone: [], landedToday: 0, more: true, reading: false });
    await tab.locator('.c-open .count', { hasText: '4500' }).waitFor();
    expect(await tab.locator('.column [data-bead]').count()).toBe(120);
    // What is on the screen stays where it is when older ones come.
    expect(await tab.locator('.c-open [data-bead]').first().getAttribute('data-bead')).toBe(first);
    expect((await shiftsOf(tab))[0]).toBeLessThan(0.1);
    await tab.getByText('only the newest 5,000 beads are shown').waitFor();
    await tab.locator('.filters input').fill('work 4321');
    await card(tab, 'many-4321', 'open').waitFor();
    expect(await tab.locator('.column [data-bead]').count()).toBe(1);
    await tab.context().close();
  });

  test.each([
    ['desk', 'light', desk],
    ['desk', 'dark', desk],
    ['phone', 'light', phone],
  ] as const)('of 200 beads is readable on a %s (%s), and nothing on it jumps', async (name, colorScheme, viewport) => {
    const tab = await scripted({ viewport, colorScheme });
    const front = frontOf(200, Date.now());
    await tell(tab, 'front', front);
    await soon(() => tab.locator('.column [data-bead]').count()).toBe(200);
    expect(await tooWide(tab)).toEqual([]);
    if (name === 'desk') {
      // All columns, what needs a person, and the hosts are on the screen at once.
      for (const part of ['.needs', '.c-open h2', '.c-landed h2', '.side section']) {
        const box = await tab.locator(part).first().boundingBox();
        expect(box, part).not.toBeNull();
        expect((box?.x ?? -1) >= 0 && (box?.x ?? 0) + (box?.width ?? 0) <= desk.width, part).toBe(true);
        expect((box?.y ?? -1) >= 0 && (box?.y ?? 0) < desk.height, part).toBe(true);
      }
    }
    await look(tab, `200-${name}-${colorScheme}`);
    if (name === 'desk' && colorScheme === 'light') await picture(tab, 'board-front');
    // An agent says something else, and costs more: nothing moves but the words.
    const changed = front.cards
      .filter(({ more }) => more !== undefined)
      .slice(0, 40)
      .map((one) => ({ ...one, more: { ...one.more, doing: 'something else entirely', costUsd: 12.5 } }));
    await tell(tab, 'cards', { cards: changed, gone: [], landedToday: 0, more: false, reading: false });
    await soon(() => tab.locator('.doing', { hasText: 'something else entirely' }).count()).toBe(
      changed.filter(({ closedAt }) => closedAt === undefined).length,
    );
    const [shifted, shifts] = await shiftsOf(tab);
    expect(shifted, shifts.join('\n')).toBeLessThan(0.1);
    expect(await axeFindings(tab)).toEqual([]);
    await tab.context().close();
  });

  test('a card says paused only when its host has confirmed it', async () => {
    const front = frontOf(8, Date.now());
    const tab = await scripted();
    const told = (pauseUnheard?: true): Card[] =>
      front.cards
        .filter(({ agent }) => agent === 'working')
        .slice(0, 1)
        .map((one) => ({ ...one, agent: 'paused', more: one.more && { ...one.more, pauseUnheard } }));
    await tell(tab, 'front', { ...front, cards: told(true) });
    const words = tab.locator('.card .agent');
    await soon(() => words.allTextContents()).toEqual(['to be paused']);
    await tell(tab, 'cards', { cards: told(), gone: [], landedToday: 0, more: false, reading: false });
    await soon(() => words.allTextContents()).toEqual(['paused']);
    await tab.context().close();
  });

  test('keeps the focus on a card that changes, moves to another column, or stands among new ones', async () => {
    const tab = await scripted();
    const front = frontOf(16, Date.now());
    await tell(tab, 'front', front);
    const bead = 'piece-2';
    await card(tab, bead, 'in_progress').focus();
    const [before] = front.cards.filter((one) => one.bead === bead);
    const news = { gone: [], landedToday: 0, more: false, reading: false };
    await tell(tab, 'cards', {
      ...news,
      cards: [{ ...before, title: 'Another title' }, ...frontOf(40, 0).cards.slice(20)],
    });
    await card(tab, bead).getByText('Another title').waitFor();
    expect(await focusedBead(tab)).toBe(bead);
    await tell(tab, 'cards', { ...news, cards: [{ ...before, status: 'in_review', agent: 'none' }] });
    await card(tab, bead, 'in_review').waitFor();
    expect(await focusedBead(tab)).toBe(bead);
    await tab.context().close();
  });

  test('says what to do when there is nothing: no bead, no rig, no worker, no card that passes', async () => {
    const tab = await scripted();
    const front = frontOf(0, Date.now());
    await tell(tab, 'front', { ...front, problems: [], rigs: [], convoys: [], hosts: { hosts: [], taskQueue: 'q' } });
    for (const words of ['Nothing needs a person', 'heartbead rig add', 'no worker polls q', 'heartbead sling'])
      await tab.getByText(words).first().waitFor();
    await tab.locator('.filters input').fill('nobody has this');
    await tab.getByText('no card passes the filter').first().waitFor();
    // The filter is in the address, and comes back from there.
    expect(new URL(tab.url()).searchParams.get('text')).toBe('nobody has this');
    await button(tab, 'Show all').click();
    expect(new URL(tab.url()).search).toBe('');
    await tab.context().close();
  });

  test('a time is relative, and exact where the pointer rests', async () => {
    const tab = await scripted();
    const now = Date.now();
    const front = frontOf(8, now);
    await tell(tab, 'front', front);
    const time = card(tab, 'piece-6', 'landed').locator('time');
    await soon(() => time.innerText()).toMatch(/^1 min ago$/);
    expect(await time.getAttribute('title')).toContain(String(new Date(front.cards[6]?.closedAt ?? 0).getFullYear()));
    expect(await time.getAttribute('datetime')).toBe(new Date(front.cards[6]?.closedAt ?? 0).toISOString());
    await tab.context().close();
  });
});

test('the address of one line of a diff marks it and brings it onto the screen, whatever comes live', async () => {
  const bead = 'long-work';
  const attempt = '1-aaaaaaaa';
  const lines = (count: number): DiffLine[] =>
    Array.from({ length: count }, (_, at) => ({ kind: '+', text: `line ${at + 1}`, new: at + 1 }));
  /** More hunks than before: a line that is shown already is drawn anew. */
  const hunksOf = (all: DiffLine[], first: number): DiffHunk[] =>
    [all.slice(0, first), all.slice(first)]
      .filter(({ length }) => length > 0)
      .map((some) => ({ head: '', lines: some }));
  const diffOf = (count: number): DiffAnswer => {
    const file = { change: 'added', added: count, removed: 0, binary: false } as const;
    return {
      attempt,
      source: 'branch',
      base: 'a'.repeat(40),
      head: 'b'.repeat(40),
      // The longer one is folded at first.
      files: [
        { ...file, path: 'first.ts', hunks: [{ head: '', lines: lines(60) }] },
        { ...file, path: 'lib/far away: long.ts', hunks: hunksOf(lines(count), count === 600 ? count : 300) },
      ],
      moreFiles: 0,
      added: count,
      removed: 0,
    };
  };
  const page = (sha: string): BeadPage => ({
    now: Date.now(),
    bead,
    title: 'Long work',
    status: 'in_review',
    verdict: 'in review',
    why: [],
    details: [],
    notes: [],
    problems: [],
    refusals: {},
    state: {
      sha,
      attempts: [],
      messages: [],
      notes: [],
      createdAt: 1,
      agent: 'none',
      priority: 1,
    } as unknown as NonNullable<BeadPage['state']>,
    costUsd: 0,
  });
  const tab = await browser.tab({}, scriptedEvents);
  let count = 600;
  await tab.route('**/api/v1/beads/*/diff?*', (route) => route.fulfill({ json: diffOf(count) }));
  await tab.goto(addressWithToken(board));
  const path = (name: string): string =>
    `/bead/${bead}?${new URLSearchParams({ tab: 'diff', attempt, line: name }).toString()}`;
  const marked = tab.locator('.diff [aria-current=location]');
  const onScreen = async (): Promise<boolean> => {
    const box = await marked.boundingBox();
    return box !== null && box.y >= 0 && box.y + box.height <= desk.height;
  };
  const scrolled = (): Promise<unknown> => tab.evaluate('Math.round(scrollY)');
  const open = async (name: string): Promise<void> => {
    await tab.goto(new URL(path(name), board.url).href);
    await tell(tab, 'bead', page('one'));
  };
  await open('lib/far away: long.ts:500');
  await soon(() => marked.innerText()).toContain('line 500');
  await soon(onScreen).toBe(true);
  expect(await scrolled()).toBeGreaterThan(5_000);

  // Who has read on stays there when the diff is told anew; the mark stays too.
  await tab.evaluate('scrollTo(0, 100)');
  count = 601;
  await tell(tab, 'bead', page('two'));
  await tab.locator('.diff .code td', { hasText: /^.?line 601$/ }).waitFor();
  await soon(() => marked.innerText()).toContain('line 500');
  expect(await scrolled()).toBe(100);

  // The number of a line is its link: what can be seen stays where it is.
  await tab
    .locator('.diff .file', { hasText: 'first.ts' })
    .getByRole('link', { name: 'link to line 4', exact: true })
    .click();
  await soon(() => marked.innerText()).toMatch(/line 4$/);
  expect(await scrolled()).toBe(100);
  expect(new URL(tab.url()).searchParams.get('line')).toBe('first.ts:4');
  await tab.goBack();
  await soon(() => marked.innerText()).toContain('line 500');
  await soon(onScreen).toBe(true);
  await tab.reload();
  await tell(tab, 'bead', page('two'));
  await soon(() => marked.innerText()).toContain('line 500');
  await soon(onScreen).toBe(true);

  await open('first.ts:61');
  await tab.getByText('is not in this diff').waitFor();
  expect(await marked.count()).toBe(0);
  await tab.context().close();
});

test('charts show the sums that the board tells, for a day and for a week by their own addresses', async () => {
  const hour = 3_600_000;
  const to = Date.now();
  const answer = (days: number): ChartsAnswer => {
    const steps = days === 1 ? 24 : 84;
    return {
      from: to - days * 24 * hour,
      to,
      step: (days * 24 * hour) / steps,
      agents: Array.from({ length: steps }, (_, at) => (at % 4 === 0 ? 4 : 2)),
      landed: Array.from({ length: steps }, (_, at) => (at < 3 ? 2 : 0)),
      costs: [
        { rig: 'app', costUsd: 3.25, tokens: 120_000, beads: 4 },
        { rig: 'lib', costUsd: 0, tokens: 900, beads: 1 },
      ],
      shares: { waiting: hour, working: 2 * hour, inReview: hour, blocked: 0 },
      asked: 5,
      beads: 7,
    };
  };
  const tab = await browser.tab({}, scriptedEvents);
  await tab.route('**/api/v1/charts?*', (route) =>
    route.fulfill({ json: answer(route.request().url().endsWith('days=7') ? 7 : 1) }),
  );
  await tab.goto(addressWithToken(board));
  await tab.goto(new URL('/charts', board.url).href);
  const text = (): Promise<string> => tab.locator('.charts').innerText();
  await soon(text).toContain('6 landed in all');
  expect(await text()).toContain('2.5 on average, 4.0 at most');
  expect(await text()).toMatch(/50 %, 2 h/);
  expect(await text()).toMatch(/25 %, 1 h/);
  expect(await text()).toContain('$3.25, 120k tok, 4 beads');
  expect(await text()).toContain('times and costs are those of 5 of 7 beads');
  await tab.locator('.plot canvas').first().waitFor();
  await tab.goto(new URL('/charts?days=7', board.url).href);
  await tab.getByRole('heading', { name: 'The last week' }).waitFor();
  await soon(text).toContain('Landed per two hours');
  await look(tab, 'charts');
  await tab.context().close();
});

test('nothing is asked of the server while nobody looks; five who look share one look', async () => {
  const own = await town.board();
  const authorization = `Bearer ${own.token}`;
  const about = async (): Promise<About> =>
    (await (await fetch(new URL('/api/v1/about', own.url), { headers: { authorization } })).json()) as About;
  const counted = async (ms: number): Promise<number> => {
    const { requests } = await about();
    await sleep(ms);
    return (await about()).requests - requests;
  };
  const leave: AbortController[] = [];
  const listen = async (): Promise<void> => {
    const stop = new AbortController();
    leave.push(stop);
    const url = new URL(`/api/v1/events?watch=front&looker=l${leave.length}`, own.url);
    const { body } = await fetch(url, { headers: { authorization }, signal: stop.signal });
    const reader = body?.getReader();
    // Everything comes first; what follows is left in the socket.
    const first = new TextDecoder().decode((await reader?.read())?.value);
    expect(first).toMatch(/^event: front\n/);
  };
  await about();
  expect(await counted(1_000)).toBe(0);
  await listen();
  const one = await counted(3_000);
  expect(one).toBeGreaterThan(0);
  for (let more = 0; more < 4; more += 1) await listen();
  expect((await about()).lookers).toBe(5);
  expect(await counted(3_000)).toBeLessThan(2 * one + 10);
  for (const stop of leave) stop.abort();
  await soon(async () => (await about()).lookers).toBe(0);
  await soon(() => counted(1_000)).toBe(0);
  await own.close();
});

test('a board that goes away is told on the page; its next start has another token, and the page says so', async () => {
  const own = await town.board();
  const tab = await browser.opened(own);
  await own.close();
  await soon(() => tab.locator('.trouble').innerText()).toContain('the board does not answer');
  const next = await town.board({ port: own.port });
  await tab.getByRole('heading', { name: 'The board does not know you' }).waitFor();
  await tab.goto(addressWithToken(next));
  await tab.locator('.columns').waitFor();
  await tab.context().close();
  await next.close();
});

test('a read-only board refuses changes; another host, another origin and no token are refused', async () => {
  const rig = `quiet-${Math.random().toString(36).slice(2, 8)}`;
  await town.rig(rig);
  const own = await town.board({ readOnly: true });
  const status = (path: string, method: string, headers: Record<string, string>): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port: own.port, path, method, headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.once('error', reject);
      sent.end(method === 'POST' ? '{}' : undefined);
    });
  const mine = { authorization: `Bearer ${own.token}`, 'content-type': 'application/json' };
  expect(await status('/api/v1/front', 'GET', mine)).toBe(200);
  expect(await status('/api/v1/front', 'GET', {})).toBe(401);
  expect(await status('/', 'GET', { host: `evil.example:${own.port}` })).toBe(421);
  expect(await status('/api/v1/front', 'GET', { ...mine, origin: 'http://evil.example' })).toBe(403);
  expect(await status(`/api/v1/rigs/${rig}/pause`, 'POST', mine)).toBe(403);
  const tab = await browser.opened(own);
  await tab.goto(new URL('/sling', own.url).href);
  expect(await button(tab, 'Make the draft').getAttribute('aria-disabled')).toBe('true');
  await tab.context().close();
  await own.close();
});

test('who has no token is told what to do; a token of another start is none', async () => {
  const tab = await browser.tab();
  await tab.goto(board.url);
  await tab.getByRole('heading', { name: 'The board does not know you' }).waitFor();
  // The page loads itself anew, tries the token, and takes it out of its address.
  await tab.goto(`${board.url}#token=${'x'.repeat(32)}`);
  await soon(() => tab.url()).not.toContain('token');
  await tab.getByRole('heading', { name: 'The board does not know you' }).waitFor();
  await tab.goto(addressWithToken(board));
  await tab.locator('.columns').waitFor();
  expect(tab.url()).not.toContain('token');
  expect(await tab.context().cookies()).toEqual([expect.objectContaining({ httpOnly: true, sameSite: 'Strict' })]);
  // The files of the first view, as they went over the wire.
  const bytes =
    await tab.evaluate(`[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .filter(({ name }) => !name.includes('/api/'))
    .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)`);
  expect(bytes).toBeGreaterThan(10_000);
  expect(bytes).toBeLessThanOrEqual(300_000);
  await tab.context().close();
});

test('the browser has complained about nothing', () => {
  expect(browser.complaints).toEqual([]);
});
