import axe from 'axe-core';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { expect } from 'vitest';
import { findChromium, startChromium } from '../../../src/lab/bench/chromium.js';
import { addressWithToken } from '../../../src/board/serve.js';
import type { ServedBoard } from '../../../src/board/serve.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
/** `npm run test:ui` names the folder; otherwise no picture is taken. */
const pictures = process.env['HEARTBEAD_SCREENSHOTS'];
/** `HEARTBEAD_LOOK` names a folder for pictures of each page, for whoever wants to see them all. */
const looks = process.env['HEARTBEAD_LOOK'];

/** For what a page waits for, on a machine that may be busy with others. */
const patience = 45_000;

export const desk = { width: 1_280, height: 800 };
export const phone = { width: 390, height: 844 };

type ContextOptions = NonNullable<Parameters<Browser['newContext']>[0]>;

/** A browser, and what it has complained about: a policy that was broken, a script that failed. */
export class TestBrowser {
  readonly complaints: string[] = [];
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async start(): Promise<TestBrowser> {
    return new TestBrowser(await startChromium(await findChromium()));
  }

  /** @param scripts run in the page before its own. @returns a tab of a visitor who has never been here. */
  async tab(options: ContextOptions = {}, ...scripts: string[]): Promise<Page> {
    const own = await this.#browser.newContext({
      viewport: desk,
      colorScheme: 'light',
      // Where there is no language, as in a container, the browser makes one up that it does not take itself.
      locale: 'en-US',
      ...options,
    });
    for (const script of scripts) await own.addInitScript(script);
    const tab = await own.newPage();
    tab.setDefaultTimeout(patience);
    tab.on('pageerror', (error) => this.complaints.push(error.message));
    tab.on('console', (message) => {
      if (/Content Security Policy|Trusted/i.test(message.text())) this.complaints.push(message.text());
    });
    return tab;
  }

  /** @returns a tab that shows the front of a board. */
  async opened(board: ServedBoard, options: ContextOptions = {}, ...scripts: string[]): Promise<Page> {
    const tab = await this.tab(options, ...scripts);
    await tab.goto(addressWithToken(board));
    await tab.locator('.columns, .unknown, .trouble').first().waitFor();
    return tab;
  }

  close(): Promise<void> {
    return this.#browser.close();
  }
}

type Locator = ReturnType<Page['locator']>;

export const card = (tab: Page, bead: string, column?: string): Locator =>
  tab.locator(`${column === undefined ? '.column' : `.c-${column}`} [data-bead="${bead}"]`);
export const button = (tab: Page, name: string | RegExp): Locator =>
  tab.getByRole('button', { name, exact: typeof name === 'string' });
/** Asks until the answer is as wanted, on a machine that may be busy with others. */
export const soon = <T>(look: () => T): ReturnType<typeof expect.poll<T>> => expect.poll(look, { timeout: patience });
export const focusedBead = (tab: Page): Promise<unknown> =>
  tab.evaluate("document.activeElement?.getAttribute('data-bead')");

/** For the documentation. */
export async function picture(tab: Page, name: string): Promise<void> {
  if (pictures !== undefined) await tab.screenshot({ path: join(root, pictures, `${name}.png`) });
}
export async function look(tab: Page, name: string): Promise<void> {
  if (looks !== undefined) await tab.screenshot({ path: join(looks, `${name.replace(/\W+/g, '-')}.png`) });
}

/** @returns what is wider than the screen, in words; empty when nothing is. */
export async function tooWide(tab: Page): Promise<string[]> {
  return (await tab.evaluate(`(() => {
    const width = document.documentElement.clientWidth;
    const wrong = [];
    if (document.documentElement.scrollWidth > width)
      wrong.push('the page is ' + document.documentElement.scrollWidth + ' px wide');
    const clipped = (element) => {
      for (let at = element.parentElement; at !== null; at = at.parentElement)
        if (getComputedStyle(at).overflowX !== 'visible') return true;
      return false;
    };
    for (const element of document.querySelectorAll('body *')) {
      const { right, width: own } = element.getBoundingClientRect();
      if (own > 1 && right > width + 1 && !clipped(element))
        wrong.push(element.tagName + '.' + element.className + ' ends at ' + Math.round(right) + ' px');
    }
    return wrong.slice(0, 5);
  })()`)) as string[];
}

/** @returns what axe finds serious or critical on the page as it is. */
export async function axeFindings(tab: Page): Promise<string[]> {
  await tab.evaluate(axe.source);
  const { violations } = (await tab.evaluate(`axe.run(document, { resultTypes: ['violations'] })`)) as axe.AxeResults;
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes
          .map(({ html, failureSummary }) => `${html} ${failureSummary ?? ''}`)
          .join(' | ')
          .slice(0, 600)}`,
    );
}

/** Counts how far things on a page jump without anybody having touched it (cumulative layout shift). */
export const countShifts = `
  window.shifted = 0;
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue;
      window.shifted += entry.value;
      window.shifts.push(entry.value.toFixed(4) + ' ' + 
        entry.sources.map(({ node }) => node?.className ?? node?.nodeName).join(', '));
    }
  }).observe({ type: 'layout-shift', buffered: true });
`;
/** In place of the board's events: `tell(event, data)` in the page is what the board would send. */
export const scriptedEvents = `
  window.EventSource = class {
    #on = new Map();
    constructor() {
      window.tell = (event, data) => this.#on.get(event)?.({ data: JSON.stringify(data) });
      setTimeout(() => this.onopen?.());
    }
    addEventListener(event, take) { this.#on.set(event, take); }
    close() {}
  };
`;
export const tell = (tab: Page, event: string, data: unknown): Promise<unknown> =>
  tab.evaluate(`(async () => {
    for (let tries = 0; window.tell === undefined && tries < 200; tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 50));
    window.tell(${JSON.stringify(event)}, ${JSON.stringify(data)});
  })()`);
