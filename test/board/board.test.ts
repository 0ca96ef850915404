import axe from 'axe-core';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { addressWithToken } from '../../src/board/serve.js';
import type { ServedBoard } from '../../src/board/serve.js';
import { findChromium, startChromium } from '../../src/bench/chromium.js';
import type { About, Card, Front } from '../../src/board/api-types.js';
import { BoardTown, commit } from './support/board-town.js';
import { Way } from './support/outage.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** `npm run test:ui` names the folder; otherwise no picture is taken. */
const pictures = process.env['HEARTBEAD_SCREENSHOTS'];
const mark = randomBytes(3).toString('hex');
const [app, lib] = [`app-${mark}`, `lib-${mark}`];
const id = (name: string): string => `${name}-${mark}`;

/** What no page may ever run. */
const evil = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>';
/** Turns the direction of writing, and looks like another name. */
const turned = 'gpj.\u202etxt.exe';

/** Works until it has heard a word. */
const patientTo = (word: string): string =>
  `until heartbead agent messages --json | grep -q ${word}; do heartbead agent heartbeat "reads the grammar" ` +
  '>/dev/null; sleep 2; done; heartbead agent messages --ack >/dev/null';
const patient = patientTo('finish');
const done = 'heartbead agent done ok';
/** Does as the comment says, if there is one: a shell agent reads its task from standard input. */
const obedient =
  "case \"$(cat)\" in *'greeting.txt:2: louder'*) words=HELLO;; *) words=hello;; esac; printf 'one\\n%s\\n' " +
  `"$words" > greeting.txt; git add -A && git -c user.name=A -c user.email=a@localhost commit -qm greet; ${done}`;

let town: BoardTown;
let board: ServedBoard;
let browser: Browser;
let context: BrowserContext;
let page: Page;
/** What the browser complained about: a policy that was broken, a script that failed. */
const complaints: string[] = [];

async function opened(from: ServedBoard = board, options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
  const own = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    colorScheme: 'light',
    // Where there is no language, as in a container, the browser makes one up that it does not take itself.
    locale: 'en-US',
    ...options,
  });
  const tab = await own.newPage();
  tab.setDefaultTimeout(45_000);
  tab.on('pageerror', (error) => complaints.push(error.message));
  tab.on('console', (message) => {
    if (/Content Security Policy|Trusted/i.test(message.text())) complaints.push(message.text());
  });
  await tab.goto(addressWithToken(from));
  await tab.locator('.columns, .unknown, .trouble').first().waitFor();
  return tab;
}
const go = async (path: string, tab = page): Promise<void> => {
  await tab.goto(new URL(path, board.url).href);
};
const card = (bead: string, column?: string, tab = page): ReturnType<Page['locator']> =>
  tab.locator(`${column === undefined ? '.column' : `.c-${column}`} [data-bead="${bead}"]`);
const button = (name: string | RegExp, tab = page): ReturnType<Page['locator']> =>
  tab.getByRole('button', { name, exact: typeof name === 'string' });
/** Asks until the answer is as wanted, on a machine that may be busy with others. */
const soon = <T>(look: () => T): ReturnType<typeof expect.poll<T>> => expect.poll(look, { timeout: 45_000 });
const picture = async (name: string, tab = page): Promise<void> => {
  if (pictures !== undefined) await tab.screenshot({ path: join(root, pictures, `${name}.png`) });
};
/** `HEARTBEAD_LOOK` names a folder for pictures of each page, for whoever wants to see them all. */
const look = async (name: string, tab: Page): Promise<void> => {
  const folder = process.env['HEARTBEAD_LOOK'];
  if (folder !== undefined) await tab.screenshot({ path: join(folder, `${name.replace(/\W+/g, '-')}.png`) });
};

beforeAll(async () => {
  [town, browser] = await Promise.all([BoardTown.start(inject('devServer')), findChromium().then(startChromium)]);
  board = await town.board();
  await town.rig(app, { approval: true, agent: { adapter: 'shell', command: obedient } });
  await town.rig(lib, {
    agent: { adapter: 'demo' },
    checks: [{ name: 'no conflict markers', command: "! git grep -q -e '^<<<<<<< '", timeout: 60_000 }],
  });
  page = await opened();
  context = page.context();
});
afterAll(async () => {
  await browser?.close();
  await town?.end();
});

describe('the board in a real browser', () => {
  test('a blocked bead is freed by its one button, and its card goes its way', async () => {
    const bead = await town.sling(
      id('docs'),
      'Describe the grammar',
      '--base',
      `late-${mark}`,
      '--command',
      `${commit('docs.md', 'words')}; ${done}`,
    );
    await go('/');
    await card(bead, 'blocked').waitFor();
    const problem = page.locator('.needs .problem', { hasText: bead });
    await soon(() => problem.innerText()).toContain(`no branch "late-${mark}"`);
    town.git('branch', `late-${mark}`, 'main');
    await problem.getByRole('button', { name: 'Retry' }).click();
    await card(bead, 'landed').waitFor();
    await soon(() => problem.count()).toBe(0);
  });

  test('a comment on a line of the diff reaches the agent with path and line, and comes back as a commit', async () => {
    const bead = await town.sling(id('greeting'), 'Greet', '--rig', app);
    await go('/');
    const problem = page.locator('.needs .problem', { hasText: bead });
    await problem.getByRole('link', { name: 'See the diff' }).click();
    await page.locator('.diff .file', { hasText: 'greeting.txt' }).waitFor();
    await button('comment line 2').click();
    await page.getByLabel('comment on this line').fill('louder');
    await button('Comment').click();
    await picture('board-diff');
    await button('Request changes').last().click();
    await page.locator('.diff .added', { hasText: /HELLO/ }).waitFor({ timeout: 90_000 });
    expect((await town.beads.view(bead)).attemptCount).toBe(2);
    await button('Approve').click();
    await town.until(bead, ({ status }) => status === 'closed');
    await page.getByText('landed', { exact: true }).first().waitFor();
    expect(town.git('show', 'main:greeting.txt')).toBe('one\nHELLO');
  });

  test('title, note, log and file name of an agent are text, whatever they hold', async () => {
    const say = [
      `printf '%s\\n' '${evil}' && printf '\\033[31mred\\033[0m \\033[2J\\033]0;title\\007 plain\\n' && head ` +
        "-c 1000000 /dev/zero | tr '\\0' x && echo",
      `heartbead agent heartbeat '${evil}' >/dev/null; heartbead agent note '${evil} note'`,
      `printf '%s\\n' '${evil}' > '<script>name' && head -c 1000000 /dev/zero | tr '\\0' y > long.txt && git ` +
        'add -A && git -c user.name=A -c user.email=a@localhost commit -qm x',
      `cp long.txt "$(printf 'gpj.\\342\\200\\256txt.exe')"`,
      patient,
      `git add -A && git -c user.name=A -c user.email=a@localhost commit -qm y; ${done}`,
    ].join('; ');
    const bead = await town.sling(id('evil'), `${evil} ${turned}`, '--command', say);
    await go('/');
    await soon(() => card(bead, 'in_progress').locator('.title').innerText()).toContain(
      '<script>window.owned=1</script>',
    );
    await soon(() => card(bead).locator('.title').innerText()).toContain('\\u202e');
    await go(`/bead/${bead}?tab=log`);
    await page.locator('.log .ansi-red', { hasText: 'red' }).waitFor();
    await soon(() => page.locator('.log').innerText()).toContain(evil);
    await soon(() => page.locator('.log').innerText()).toContain('more characters');
    await page.getByRole('tab', { name: 'Messages and notes' }).click();
    await page.getByText(`${evil} note`).first().waitFor();
    await page.getByRole('tab', { name: 'Diff' }).click();
    await soon(() => page.locator('.diff').innerText()).toContain('the working tree as it is now');
    await soon(() => page.locator('.diff .path').allInnerTexts()).toEqual(
      expect.arrayContaining(['<script>name', 'long.txt', turned.replace('\u202e', '\\u202e')]),
    );
    expect(await page.evaluate('window.owned')).toBeUndefined();
    // The agent is nudged with the keyboard alone.
    await page.locator('h1').focus();
    await page.keyboard.press('n');
    await page.getByLabel('A message for its agent').fill('finish');
    await page.keyboard.press('Control+Enter');
    await town.until(bead, ({ status }) => status === 'closed');
    await page.getByRole('tab', { name: 'Story' }).click();
    await soon(() => page.locator('.timeline').innerText()).toContain('finish');
  });

  test('keys: cards, help, a bead and back; the focus stays on a card that moves to another column', async () => {
    const bead = await town.sling(
      id('keys'),
      'By keyboard',
      '--command',
      `${patient}; ${commit('keys', 'x')}; ${done}`,
    );
    await go('/');
    await card(bead, 'in_progress').waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('keyboard');
    await page.keyboard.press('Escape');
    await soon(() => page.locator('.column [data-bead]').count()).toBe(1);
    await page.keyboard.press('j');
    const focused = (): Promise<unknown> => page.evaluate("document.activeElement?.getAttribute('data-bead')");
    expect(await focused()).toBe(bead);
    await town.beads.nudge(bead, 'finish');
    await card(bead, 'landed').waitFor();
    await soon(focused).toBe(bead);
    await page.keyboard.press('?');
    await page.getByRole('dialog').getByText('nudge its agent').waitFor();
    await page.keyboard.press('Escape');
    await card(bead).focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/bead/${bead}`);
    await page.locator('h1', { hasText: 'By keyboard' }).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.columns').waitFor();
  });

  test('two browsers at once see the same, and what one does the other sees', async () => {
    const other = await opened();
    await go('/');
    const rig = (tab: Page): ReturnType<Page['locator']> => tab.locator('.rig', { hasText: lib });
    await rig(page).getByRole('button', { name: 'Pause' }).click();
    await rig(other).getByRole('button', { name: 'Resume' }).waitFor();
    await other
      .locator('.needs .problem', { hasText: `rig ${lib} is paused` })
      .getByRole('button', { name: 'Resume' })
      .click();
    await rig(page).getByRole('button', { name: 'Pause' }).waitFor();
    await other.context().close();
  });

  test('a convoy that conflicts is watched from its first card until all of it has landed', async () => {
    const convoy = id('greeting');
    const agent = (seed: number): string =>
      `{adapter: demo, options: {seed: ${seed}, steps: 4, stepMs: 300, commits: 2, shared: shared/words.md, ` +
      'mergeFrom: main}}';
    const waiting = await town.sling(id('review'), 'Greet whoever comes back', '--rig', app);
    await go(`/?convoy=${convoy}`);
    await page.locator('.columns').waitFor();
    await town.until(waiting, ({ wait }) => wait?.for === 'approval');
    await town.convoy(`convoy: ${convoy}
title: A better greeting
rig: ${lib}
beads:
  - {id: words, title: Write the words, agent: ${agent(1)}}
  - {id: page, title: Show them on the page, agent: ${agent(2)}}
  - {id: last, title: Read it all once more, needs: [words, page], agent: ${agent(3)}}
`);
    await card(`${convoy}-words`).waitFor();
    const other = await opened();
    await other.locator('.c-in_progress [data-bead]').first().waitFor();
    await picture('board-front', other);
    await go(`/convoy/${convoy}`, other);
    await other.locator('.graph, svg').first().waitFor();
    for (const bead of ['words', 'page', 'last'])
      await card(`${convoy}-${bead}`, 'landed').waitFor({ timeout: 120_000 });
    await other.getByText('3 of 3 merged').waitFor();
    await picture('board-convoy', other);
    await other.context().close();
    // Whichever came second had a conflict in what both write, and its agent was sent back once.
    const views = await Promise.all(['words', 'page'].map((bead) => town.beads.view(`${convoy}-${bead}`)));
    const reworked = views.find(({ attemptCount }) => attemptCount === 2);
    expect(reworked?.story.map(({ text }) => text).join('\n')).toMatch(/rework 1: conflict with main/);
    await go(`/bead/${reworked?.bead ?? ''}`);
    await soon(() => page.locator('.timeline').innerText()).toContain('conflict');
  });

  test('log and diff of an attempt on another host come live from there, and a host that is away is named', async () => {
    const far = await town.farBoard();
    const bead = await town.sling(
      id('far'),
      'Far away',
      '--command',
      "printf '%s\n' \"said by $PWD\" | sed 's/said by .*/said far away/'; printf 'new\n' > far.txt; " +
        `${patient}; echo 'heard it'; ${commit('far.txt', 'new')}; ${patientTo('end')}; ${done}`,
    );
    const tab = await opened(far);
    await tab.goto(new URL(`/bead/${bead}?tab=log`, far.url).href);
    await tab.locator('.log', { hasText: 'said far away' }).waitFor();
    const { current } = await town.beads.view(bead);
    await tab
      .getByText(`on host ${current?.host ?? '?'}`)
      .first()
      .waitFor();
    await tab.getByRole('tab', { name: 'Diff' }).click();
    await soon(() => tab.locator('.diff').innerText()).toContain(`on host ${current?.host ?? '?'}`);
    expect(await tab.locator('.diff .path').allInnerTexts()).toEqual(['far.txt']);
    await tab.getByRole('tab', { name: 'Log' }).click();
    await tab.locator('.log', { hasText: 'said far away' }).waitFor();
    await town.beads.nudge(bead, 'finish');
    await tab.locator('.log', { hasText: 'heard it' }).waitFor();
    await town.killWorker();
    await tab.locator('.log-tab .warn', { hasText: /no worker answered|does not answer/ }).waitFor({ timeout: 90_000 });
    // What was read stays on the page.
    expect(await tab.locator('.log').innerText()).toContain('heard it');
    await town.startWorker();
    await soon(() => tab.locator('.log-tab .warn').count()).toBe(0);
    await town.beads.nudge(bead, 'end');
    await town.until(bead, ({ status }) => status === 'closed');
    await tab.context().close();
    // The checks of a bead that landed ran on that host too.
    const landed = await opened(far);
    await landed.goto(new URL(`/bead/${id('greeting')}-words?tab=checks`, far.url).href);
    await soon(() => landed.locator('.log').innerText()).toContain('check no conflict markers');
    expect(await landed.locator('.panel').innerText()).toContain(`on host ${current?.host ?? '?'}`);
    await landed.context().close();
    await far.close();
  });

  test('a server that goes away is told on the page, and its return is seen', async () => {
    const way = await Way.to(town.server.address);
    const own = await town.board({ env: town.cli.environment({ TEMPORAL_ADDRESS: way.address }) });
    const tab = await opened(own);
    const cards = await tab.locator('.column [data-bead]').count();
    expect(cards).toBeGreaterThan(0);
    await way.cut();
    await tab.locator('.trouble').waitFor();
    expect(await tab.locator('.column [data-bead]').count()).toBe(cards);
    await way.mend();
    await soon(() => tab.locator('.trouble').count()).toBe(0);
    await tab.context().close();
    await own.close();
    await way.cut();
  });

  test('a board that goes away is told on the page too; its next start has another token, and the page says so', async () => {
    const own = await town.board();
    const tab = await opened(own);
    await own.close();
    await soon(() => tab.locator('.trouble').innerText()).toContain('the board does not answer');
    const next = await town.board({ port: own.port });
    await tab.getByRole('heading', { name: 'The board does not know you' }).waitFor();
    await tab.goto(addressWithToken(next));
    await tab.locator('.columns').waitFor();
    await tab.context().close();
    await next.close();
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
    const look = async (): Promise<void> => {
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
    expect(await counted(2_000)).toBe(0);
    await look();
    const one = await counted(4_000);
    expect(one).toBeGreaterThan(0);
    for (let more = 0; more < 4; more += 1) await look();
    expect((await about()).lookers).toBe(5);
    expect(await counted(4_000)).toBeLessThan(2 * one + 10);
    for (const stop of leave) stop.abort();
    await soon(async () => (await about()).lookers).toBe(0);
    await soon(() => counted(1_500)).toBe(0);
    await own.close();
  });

  test('a page of 5,000 beads draws a part of them, and filters all', async () => {
    const now = Date.now();
    const front: Front = {
      now,
      more: true,
      landedToday: 0,
      problems: [],
      hosts: { hosts: [], taskQueue: town.queue },
      rigs: [],
      convoys: [],
      cards: Array.from({ length: 5_000 }, (_, at): Card => ({
        bead: `many-${at}`,
        title: `Piece of work ${at}`,
        status: at % 10 === 0 ? 'in_progress' : 'open',
        agent: at % 10 === 0 ? 'working' : 'none',
        startedAt: now - at * 1_000,
      })),
    };
    const tab = await context.newPage();
    tab.setDefaultTimeout(45_000);
    let told = false;
    await tab.route('**/api/v1/events?*', async (route) => {
      // The second stream stays silent.
      if (told) return;
      told = true;
      await route.fulfill({
        contentType: 'text/event-stream',
        body: `event: front\ndata: ${JSON.stringify(front)}\n\n`,
      });
    });
    await tab.goto(board.url);
    await tab.locator('.c-open .count', { hasText: '4500' }).waitFor();
    expect(await tab.locator('.column [data-bead]').count()).toBe(120);
    await tab.getByText('only the newest 5,000 beads are shown').waitFor();
    await tab.locator('.filters input').fill('work 4321');
    await card('many-4321', 'open', tab).waitFor();
    expect(await tab.locator('.column [data-bead]').count()).toBe(1);
    await tab.close();
  });

  test.each(['light', 'dark'] as const)(
    'no page has a serious finding of axe (%s), and none is wider than a phone',
    async (colorScheme) => {
      const tab = await opened(board, { colorScheme });
      const bead = id('greeting');
      // What the colours decide is on few of them.
      const tabs =
        colorScheme === 'light' ? ['story', 'diff', 'log', 'checks', 'messages', 'details'] : ['diff', 'story'];
      const pages = [
        '/',
        ...tabs.map((name) => `/bead/${bead}?tab=${name}`),
        `/convoy/${id('greeting')}`,
        `/rig/${app}`,
        '/charts',
        ...(colorScheme === 'light' ? ['/sling', '/bead/there-is-none', '/nowhere'] : []),
      ];
      const findings: string[] = [];
      for (const path of pages) {
        await go(path, tab);
        await tab.locator('main :is(article, section, form, .empty, .trouble)').first().waitFor();
        await soon(() => tab.locator('.loading').count()).toBe(0);
        await tab.evaluate(axe.source);
        const { violations } = (await tab.evaluate(
          `axe.run(document, { resultTypes: ['violations'] })`,
        )) as axe.AxeResults;
        for (const { id: rule, impact, nodes } of violations)
          if (impact === 'serious' || impact === 'critical')
            findings.push(
              `${path}: ${rule}: ${nodes
                .map(({ html, failureSummary }) => `${html} ${failureSummary ?? ''}`)
                .join(' | ')
                .slice(0, 600)}`,
            );
        await tab.setViewportSize({ width: 390, height: 844 });
        const wide = await tab.evaluate('document.documentElement.scrollWidth');
        if (Number(wide) > 390) findings.push(`${path}: ${String(wide)} px wide on a phone`);
        await look(`${colorScheme}-phone${path}`, tab);
        await tab.setViewportSize({ width: 1_280, height: 800 });
        await look(`${colorScheme}${path}`, tab);
      }
      await tab.context().close();
      expect(findings).toEqual([]);
    },
  );

  test('a read-only board refuses changes; another host, another origin and no token are refused', async () => {
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
    expect(await status(`/api/v1/rigs/${lib}/pause`, 'POST', mine)).toBe(403);
    const tab = await opened(own);
    const pause = tab.locator('.rig', { hasText: lib }).getByRole('button', { name: 'Pause' });
    expect(await pause.getAttribute('aria-disabled')).toBe('true');
    await tab.context().close();
    await own.close();
  });

  test('a proxy that is trusted says who looks, and who has asked for changes; nobody else needs no token', async () => {
    const own = await town.board({ trustProxy: true });
    const front = new URL('/api/v1/about', own.url);
    expect((await fetch(front)).status).toBe(401);
    const proxied = { 'x-forwarded-host': 'board.example.org', 'x-forwarded-user': 'ada' };
    expect(await (await fetch(front, { headers: proxied })).json()).toMatchObject({ user: 'ada' });
    const bead = id('review');
    const sent = await fetch(new URL(`/api/v1/beads/${bead}/request-changes`, own.url), {
      method: 'POST',
      headers: { ...proxied, 'content-type': 'application/json', origin: 'https://board.example.org' },
      body: JSON.stringify({ text: 'more words' }),
    });
    expect([sent.status, await sent.text()]).toEqual([200, expect.any(String)]);
    await soon(async () => (await town.beads.view(bead)).story.map(({ text }) => text).join('\n')).toMatch(/ada/);
    await own.close();
  });

  test('the forms and the buttons of a bead do in Temporal what they say; cancel asks first', async () => {
    await go('/sling');
    await page.getByLabel('Title').fill('Slung by form');
    await page.getByLabel('Repository').fill(town.repository.path);
    await page.getByLabel('Command').fill(patient);
    await button('Sling').click();
    await page.locator('h1', { hasText: 'Slung by form' }).waitFor();
    const bead = new URL(page.url()).pathname.split('/').at(-1) ?? '';
    await town.until(bead, ({ agent, title }) => agent === 'working' && title === 'Slung by form');
    await button('Pause').click();
    await town.until(bead, ({ paused }) => paused);
    await button('Resume').click();
    await town.until(bead, ({ paused }) => !paused);
    await button('Cancel …').click();
    const asked = page.getByRole('dialog');
    await asked.waitFor();
    expect((await town.beads.view(bead)).cancelling).toBeFalsy();
    await asked.getByRole('button', { name: /^Cancel/ }).click();
    await soon(async () => (await town.beads.describe(bead)).execution).toBe('CANCELLED');

    await go('/sling');
    const convoy = id('drafted');
    await page
      .getByLabel('Its file, YAML or JSON')
      .fill(`convoy: ${convoy}\ntitle: Drafted by form\nrig: ${lib}\nbeads:\n  - {id: one, title: The first}\n`);
    await button('Make the draft').click();
    await page.waitForURL(`**/convoy/${convoy}`);
    await soon(async () => (await town.fleet.convoy(convoy)).staged).toBe(true);
    await town.fleet.cancelConvoy(convoy);
  });

  test('who has no token is told what to do; a token of another start is none', async () => {
    const stranger = await browser.newContext();
    const tab = await stranger.newPage();
    await tab.goto(board.url);
    await tab.getByRole('heading', { name: 'The board does not know you' }).waitFor();
    // The page loads itself anew, tries the token, and takes it out of its address.
    await tab.goto(`${board.url}#token=${'x'.repeat(32)}`);
    await soon(() => tab.url()).not.toContain('token');
    await tab.getByRole('heading', { name: 'The board does not know you' }).waitFor();
    await stranger.close();
    // The token has left the address of who has one.
    expect(page.url()).not.toContain('token');
    const cookies = await context.cookies();
    expect(cookies).toEqual([expect.objectContaining({ httpOnly: true, sameSite: 'Strict' })]);
  });

  test('the browser has complained about nothing', () => {
    expect(complaints).toEqual([]);
  });
});
