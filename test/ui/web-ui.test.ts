import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findChromium, startChromium } from '../../src/lab/bench/chromium.js';
import { UiTown } from './support/town.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** `npm run test:ui` names the folder; otherwise no picture is taken. */
const pictures = process.env['HEARTBEAD_SCREENSHOTS'];
/** The queries that the operators' page recommends for saved views. */
const savedViews = [
  ...readFileSync(join(root, 'docs', 'operators.md'), 'utf8').matchAll(
    /^\| ([\w ]+) \| `(ExecutionStatus[^`]+|WorkflowType[^`]+)` \|$/gm,
  ),
].map(([, name = '', query = '']) => ({ name, query }));

describe('the Web UI in a real browser', () => {
  let town: UiTown;
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    [town, browser] = await Promise.all([UiTown.start(), findChromium().then(startChromium)]);
    page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: 'light' });
    page.setDefaultTimeout(20_000);
  });
  afterAll(async () => {
    await browser?.close();
    await town?.end();
  });

  const open = (path: string): Promise<unknown> => page.goto(`${town.uiAddress}/namespaces/default/${path}`);
  const query = (text: string): Promise<unknown> => open(`workflows?query=${encodeURIComponent(text)}`);
  /** All that is to be read: the UI shows what we wrote in Markdown in frames of their own. */
  const allText = async (): Promise<string> =>
    (
      await Promise.all(
        page.frames().map((frame) =>
          frame
            .locator('body')
            .innerText()
            .catch(() => ''),
        ),
      )
    ).join('\n');
  const eventually = <T>(read: () => Promise<T>) => expect.poll(read, { timeout: 60_000, interval: 250 });
  const row = (id: string) => page.getByRole('row').filter({ has: page.getByRole('link', { name: id, exact: true }) });
  const picture = async (name: string): Promise<void> => {
    if (pictures === undefined) return;
    mkdirSync(join(root, pictures), { recursive: true });
    // The pulse beside "Running" and the like: two runs should give the same picture.
    await page.screenshot({ path: join(root, pictures, `${name}.png`), animations: 'disabled' });
  };
  /** Opens a bead's page; the UI adds the run by itself. */
  const openBead = async (id: string, tab?: string): Promise<void> => {
    await open(`workflows/bead-${id}`);
    // Which tab comes first differs from version to version; the run is in the address of all of them.
    await page.waitForURL(/\/workflows\/[^/]+\/[0-9a-f-]{36}/);
    if (tab !== undefined) await page.getByTestId(`${tab}-tab`).click();
  };
  /** The UI's own form for updates. */
  const sendUpdate = async (name: string, input: string, shot?: string): Promise<void> => {
    await page.getByRole('button', { name: 'More Actions' }).click();
    await page.getByRole('menuitem', { name: 'Send an Update' }).click();
    await page.locator('[data-testid=update-select-button]:visible').click();
    await page
      .locator('[role=option]:visible')
      .filter({ hasText: new RegExp(`^\\s*${name}\\b`) })
      .first()
      .click();
    await page.locator('.cm-content:visible').first().click();
    await page.keyboard.insertText(input);
    if (shot !== undefined) await picture(shot);
    await page.getByRole('button', { name: 'Submit' }).last().click();
    await page.getByText('Update successful').first().waitFor();
  };

  test('the list has columns for status, agent, rig and attention', async () => {
    await open('workflows');
    await page.getByTestId('workflows-summary-table-configuration-button').click();
    for (const column of ['Run ID', 'End', 'Start'])
      await page.getByRole('button', { name: `Remove ${column} column` }).click();
    for (const column of ['BeadStatus', 'AgentStatus', 'Rig', 'Attention'])
      await page.getByRole('button', { name: `Add ${column} column` }).click();
    await page.getByRole('button', { name: 'Close Workflows Table configuration' }).click();
    await eventually(() => row('bead-parser').innerText()).toMatch(/in_progress\s+working/);
    expect(await row('bead-docs').innerText()).toMatch(/blocked\s+none\s+.*blocked/s);
    expect(await row('bead-typo').innerText()).toMatch(/closed\s+none\s+app/);
    await picture('ui-list');
  });

  test.each(savedViews)('the saved view "$name" is a query that the server takes', async ({ query: text }) => {
    await query(text);
    await page.getByTestId('workflow-count').waitFor();
    expect(
      await page
        .getByText(/invalid|error/i)
        .filter({ visible: true })
        .count(),
    ).toBe(0);
  });

  test('the view of what needs a person has the blocked bead, and nothing that goes well', async () => {
    await query(savedViews.find(({ name }) => name === 'Needs a person')?.query ?? '');
    await row('bead-docs').waitFor();
    expect(await row('bead-parser').count()).toBe(0);
    await picture('ui-attention');
  });

  test("a bead's page has its title, and what it is at right now", async () => {
    await openBead('parser', 'user-metadata');
    await eventually(allText).toMatch(/verdict\s+working/);
    expect(await allText()).toContain('Write the parser of the new grammar');
    expect(await allText()).toMatch(/without progress until then the agent counts as stalled/);
    // The story is a list, as its Markdown says.
    const items = await Promise.all(
      page.frames().map((frame) => frame.getByRole('listitem').filter({ hasText: 'agent up on' }).count()),
    );
    expect(Math.max(...items)).toBe(1);
    await picture('ui-bead');
  });

  test('its pending activity tells in words what the agent does', async () => {
    await openBead('parser', 'pending-activities');
    await eventually(allText).toMatch(/running for .*last output .*writes the parser/);
    await picture('ui-activity');
  });

  test('its timeline names attempts and timers', async () => {
    await openBead('parser');
    await eventually(allText).toMatch(/startAgent • attempt 1/);
    expect(await allText()).toMatch(/stalled \(attempt 1\)/);
    // The picture is of one that has ended: it has every kind of step, and fewer signs of life.
    await openBead('typo');
    await eventually(allText).toMatch(/verifyWork/);
    // Only for the picture; newer versions have the history in a tab of its own.
    if (pictures !== undefined)
      await page
        .getByRole('heading', { name: 'Event History' })
        .first()
        .evaluate((heading: { scrollIntoView(): void }) => heading.scrollIntoView());
    await picture('ui-timeline');
  });

  test('a nudge from its own form reaches the agent', async () => {
    await openBead('parser');
    await sendUpdate('nudge', '{"text": "finish, please"}', 'ui-nudge');
    expect(await town.until('parser', ({ status }) => status === 'closed')).toMatchObject({
      attemptCount: 1,
      messages: [],
    });
  });

  test('a retry from its own form starts a blocked bead again', async () => {
    await openBead('docs');
    await sendUpdate('retry', '{}');
    expect(
      (await town.until('docs', ({ attemptCount, status }) => attemptCount === 2 && status === 'blocked')).attempts,
    ).toHaveLength(2);
  });
});
