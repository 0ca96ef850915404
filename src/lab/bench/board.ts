import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import type { Browser, Page } from 'playwright-core';
import type { About } from '../../board/api-types.js';
import { addressWithToken } from '../../board/serve.js';
import { BeadClient } from '../../client/beads.js';
import { readRecord } from '../../client/records.js';
import type { BoardRecord } from '../../client/records.js';
import { compiledFile } from '../../package/compiled.js';
import type { DevServer } from '../../server/index.js';
import { findChromium, startChromium } from './chromium.js';
import { median, percentile } from './figures.js';
import type { Figure } from './figures.js';

export const boardSizes = [50, 5_000] as const;
const startedAtOnce = 24;
/** Beads whose way onto the screen is timed. */
const changes = 40;
/** Requests are counted for so long. */
const countFor = 20_000;
/** For what the page waits for, on a machine that is busy with others. */
const patience = 120_000;

interface Options {
  say: (text: string) => void;
  sizes: readonly number[];
}

/** The board in a real browser: what it shows, how soon, and what it asks of Temporal. */
export async function boardFigures(server: DevServer, { say, sizes }: Options): Promise<Figure[]> {
  const connection = await Connection.connect({ address: server.address });
  const beads = new BeadClient({ client: new Client({ connection }) }, { deadline: 60_000 });
  const browser = await startChromium(await findChromium());
  try {
    const figures: Figure[] = [];
    for (const size of sizes) {
      say(`board: ${size} beads`);
      figures.push(...(await withBeads(server, beads, browser, size)));
    }
    return figures;
  } finally {
    await browser.close();
    await connection.close();
  }
}

async function withBeads(server: DevServer, beads: BeadClient, browser: Browser, size: number): Promise<Figure[]> {
  const queue = `bench-board-${size}`;
  const sling = (bead: string): Promise<unknown> =>
    beads.start(
      { bead, title: `Piece of work ${bead}`, repo: '/srv/app', agent: { adapter: 'shell', command: 'true' } },
      queue,
    );
  const ids = Array.from({ length: size }, (_, at) => `b${size}-${at}`);
  await Promise.all(
    Array.from({ length: startedAtOnce }, async () => {
      for (let id = ids.pop(); id !== undefined; id = ids.pop()) await sling(id);
    }),
  );
  const home = mkdtempSync(join(tmpdir(), 'heartbead-bench-'));
  const { child, record } = await startBoard(server, home, queue);
  try {
    const idle = await requestsAMinute(record);
    const page = await newTab(browser);
    const firstCardAfter = await opened(page, record);
    const seen = await firstView(page);
    const filter = await interaction(page);
    const delays = await delaysOf(page, size, sling);
    const one = await requestsAMinute(record);
    const others = await Promise.all([1, 2, 3, 4].map(() => newTab(browser)));
    await Promise.all(others.map((tab) => opened(tab, record)));
    const five = await requestsAMinute(record);
    const { memory } = await about(record);
    for (const tab of [page, ...others]) await tab.context().close();
    const at = `with ${size.toLocaleString('en-US')} open beads`;
    const name = (what: string): string => `board_${what}_${size}`;
    return [
      {
        name: name('first_paint_ms'),
        value: seen.paint,
        unit: 'ms',
        how: `${at}: from the request to the first paint`,
      },
      {
        name: name('first_card_ms'),
        value: firstCardAfter,
        unit: 'ms',
        how: `${at}: to the first card, from a board that nobody looked at before`,
      },
      {
        name: name('first_card_again_ms'),
        value: seen.card,
        unit: 'ms',
        how: `${at}: to the first card of a page that is loaded again`,
      },
      {
        name: name('filter_ms'),
        value: filter,
        unit: 'ms',
        how: `${at}: from a letter in the filter to the drawn frame; median of 15`,
      },
      {
        name: name('kb'),
        value: seen.bytes / 1_000,
        unit: 'kB',
        how: `${at}: files of the first view as they go over the wire; the stream of events comes on top`,
      },
      {
        name: name('change_to_screen_p50_ms'),
        value: median(delays),
        unit: 'ms',
        how: `${at}: from the start request's answer for a new bead to its card in the page; ${changes} beads`,
      },
      {
        name: name('change_to_screen_p99_ms'),
        value: percentile(delays, 99),
        unit: 'ms',
        how: `${at}: the slowest of them`,
      },
      {
        name: name('requests_a_minute_idle'),
        value: idle,
        unit: 'requests',
        how: `${at}: to Temporal, while nobody looks; counted for ${countFor / 1_000} s`,
      },
      {
        name: name('requests_a_minute_1'),
        value: one,
        unit: 'requests',
        how: `${at}: one page looks at the front; no worker, so no bead is asked`,
      },
      { name: name('requests_a_minute_5'), value: five, unit: 'requests', how: `${at}: five pages look` },
      {
        name: name('rss_mb'),
        value: memory / 2 ** 20,
        unit: 'MB',
        how: `${at}: resident memory of the board's process, five pages looking`,
      },
    ];
  } finally {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
    rmSync(home, { recursive: true, force: true });
  }
}

async function startBoard(
  server: DevServer,
  home: string,
  queue: string,
): Promise<{ child: ChildProcess; record: BoardRecord }> {
  const child = spawn(process.execPath, [compiledFile('programs/board'), '--home', home], {
    env: { ...process.env, TEMPORAL_ADDRESS: server.address, HEARTBEAD_HOME: home, HEARTBEAD_TASK_QUEUE: queue },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  for (;;) {
    const record = await readRecord(home, 'board');
    if (record?.pid === child.pid && record !== undefined) return { child, record };
    if (child.exitCode !== null) throw new Error(`the board ended with ${child.exitCode}`);
    await sleep(50);
  }
}

async function about({ url, token }: BoardRecord): Promise<About> {
  return (await (
    await fetch(new URL('/api/v1/about', url), { headers: { authorization: `Bearer ${token}` } })
  ).json()) as About;
}

async function requestsAMinute(record: BoardRecord): Promise<number> {
  const before = await about(record);
  const from = performance.now();
  await sleep(countFor);
  return ((await about(record)).requests - before.requests) / ((performance.now() - from) / 60_000);
}

async function newTab(browser: Browser): Promise<Page> {
  const tab = await (await browser.newContext({ viewport: { width: 1_280, height: 800 } })).newPage();
  tab.setDefaultTimeout(patience);
  return tab;
}

/** @returns after how many milliseconds its first card was there. */
async function opened(tab: Page, record: BoardRecord): Promise<number> {
  const from = Date.now();
  await tab.goto(addressWithToken(record));
  await firstCard(tab);
  return Date.now() - from;
}

/** @throws Error with what the page says instead. */
async function firstCard(page: Page): Promise<void> {
  await page
    .locator('.column [data-bead]')
    .first()
    .waitFor()
    .catch(async (cause: unknown) => {
      throw new Error(`no card has come; the page says: ${(await page.locator('main').innerText()).slice(0, 500)}`, {
        cause,
      });
    });
}

/** Everything in the page is measured by its own clock, as text, since this program knows no browser's types. */
async function firstView(page: Page): Promise<{ paint: number; card: number; bytes: number }> {
  await page.goto('about:blank');
  const from = Date.now();
  await page.goBack();
  await firstCard(page);
  const card = Date.now() - from;
  const { paint, bytes } = (await page.evaluate(`({
    paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0,
    bytes: [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
      .filter(({ name }) => !name.includes('/api/'))
      .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0),
  })`)) as { paint: number; bytes: number };
  return { paint, card, bytes };
}

async function interaction(page: Page): Promise<number> {
  const times = (await page.evaluate(`(async () => {
    const field = document.querySelector('.filters input');
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
    const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    const times = [];
    for (let at = 0; at < 15; at += 1) {
      const from = performance.now();
      set.call(field, at % 2 === 0 ? 'work' : 'work b');
      field.dispatchEvent(new Event('input', { bubbles: true }));
      await frame();
      times.push(performance.now() - from);
    }
    set.call(field, '');
    field.dispatchEvent(new Event('input', { bubbles: true }));
    await frame();
    return times;
  })()`)) as number[];
  return median(times);
}

async function delaysOf(page: Page, size: number, sling: (bead: string) => Promise<unknown>): Promise<number[]> {
  const delays: number[] = [];
  // The newest stand last and would not be drawn: the filter brings them into sight.
  await page.locator('.filters input').fill('changed');
  for (let at = 0; at < changes; at += 1) {
    const bead = `changed-${size}-${at}`;
    const shown = page.locator(`[data-bead="${bead}"]`).waitFor({ state: 'attached' });
    await sling(bead);
    const from = performance.now();
    await shown;
    delays.push(performance.now() - from);
    // Not in step with the looks of the board.
    await sleep(37 * (at % 11));
  }
  await page.locator('.filters input').fill('');
  return delays;
}
