import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { addressWithToken } from '../../src/board/serve.js';
import type { ServedBoard } from '../../src/board/serve.js';
import { findChromium, startChromium } from '../../src/bench/chromium.js';
import { BoardTown, commit } from './support/board-town.js';

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

/** Works until it has heard "finish". */
const patient =
  'until heartbead agent messages --json | grep -q finish; do heartbead agent heartbeat "reads the grammar" >/dev/null; sleep 2; done; heartbead agent messages --ack >/dev/null';
const done = 'heartbead agent done ok';
/** Does as the comment says, if there is one: a shell agent reads its task from standard input. */
const obedient = `case "$(cat)" in *'greeting.txt:2: louder'*) words=HELLO;; *) words=hello;; esac; printf 'one\\n%s\\n' "$words" > greeting.txt; git add -A && git -c user.name=A -c user.email=a@localhost commit -qm greet; ${done}`;

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
const picture = async (name: string): Promise<void> => {
  if (pictures !== undefined) await page.screenshot({ path: join(root, pictures, `${name}.png`) });
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
      `printf '%s\\n' '${evil}' && printf '\\033[31mred\\033[0m \\033[2J\\033]0;title\\007 plain\\n' && head -c 1000000 /dev/zero | tr '\\0' x && echo`,
      `heartbead agent heartbeat '${evil}' >/dev/null; heartbead agent note '${evil} note'`,
      `printf '%s\\n' '${evil}' > '<script>name' && head -c 1000000 /dev/zero | tr '\\0' y > long.txt && git add -A && git -c user.name=A -c user.email=a@localhost commit -qm x`,
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

  test('who has no token is told what to do; a token of another start is none', async () => {
    const stranger = await browser.newContext();
    const tab = await stranger.newPage();
    await tab.goto(board.url);
    await tab.getByRole('heading', { name: 'The board does not know you' }).waitFor();
    await tab.goto(`${board.url}#token=${'x'.repeat(32)}`);
    await tab.reload();
    await tab.getByRole('heading', { name: 'The board does not know you' }).waitFor();
    await stranger.close();
    // The token has left the address of who has one.
    expect(page.url()).not.toContain('token');
    const cookies = await context.cookies();
    expect(cookies).toEqual([expect.objectContaining({ httpOnly: true, sameSite: 'Strict' })]);
  });
});
