import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { billedTokens } from '../../src/contract/index.js';
import type { Usage } from '../../src/contract/index.js';
import { addressWithToken } from '../../src/board/serve.js';
import type { ServedBoard } from '../../src/board/serve.js';
import type { ChartsAnswer, StoryAnswer } from '../../src/board/api-types.js';
import { BoardTown, commit } from './support/board-town.js';
import type { BeadRun } from './support/board-town.js';
import {
  TestBrowser,
  axeFindings,
  button,
  card,
  desk,
  focusedBead,
  look,
  phone,
  picture,
  soon,
  tooWide,
} from './support/browser.js';
import { Way } from './support/outage.js';

const mark = randomBytes(3).toString('hex');
const [app, lib] = [`app-${mark}`, `lib-${mark}`];
/** A name of its own at each try, since that of a try before may be taken. */
const fresh = (name: string): string => `${name}-${randomBytes(3).toString('hex')}`;

/** What no page may ever run. */
const evil = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>';
/** Turns the direction of writing, and looks like another name. */
const turned = 'gpj.\u202etxt.exe';

/** Works until it has heard a word. */
const patientTo = (word: string): string =>
  `until heartbead agent messages --json | grep -q ${word}; do sleep 1; done; ` +
  'heartbead agent messages --ack >/dev/null';
const patient = patientTo('finish');
const done = 'heartbead agent done ok';
/** Does as the comment says, if there is one: a shell agent reads its task from standard input. */
const obedient =
  `case "$(cat)" in *'greeting.txt:2: louder'*) words=HELLO;; *) words=hello;; esac; ` +
  `printf 'one\\n%s\\n' "$words" > greeting.txt; ` +
  `git add -A && git -c user.name=A -c user.email=a@localhost commit -qm greet; ${done}`;

let town: BoardTown;
let board: ServedBoard;
let browser: TestBrowser;
/** What has landed, for whoever looks at it later. */
const landed: { greeting?: string; convoy?: string } = {};

const at = (path: string, { url }: ServedBoard = board): string => new URL(path, url).href;

beforeAll(async () => {
  [town, browser] = await Promise.all([BoardTown.start(inject('devServer'), { maxAgents: 8 }), TestBrowser.start()]);
  board = await town.board();
  await Promise.all([
    town.rig(app, { approval: true, agent: { adapter: 'shell', command: obedient } }),
    town.rig(lib, {
      agent: { adapter: 'demo' },
      checks: [{ name: 'no conflict markers', command: "! git grep -q -e '^<<<<<<< '", timeout: 60_000 }],
    }),
  ]);
});
afterAll(async () => {
  await browser?.close();
  await town?.end();
});

describe('beads on their way, in a real browser', () => {
  test('a blocked bead is freed by its one button, and its card goes its way', async () => {
    const tab = await browser.opened(board);
    const branch = fresh('late');
    const bead = await town.sling(fresh('docs'), 'Describe the grammar', {
      base: branch,
      command: `${commit(`${branch}.md`, 'words')}; ${done}`,
    });
    await card(tab, bead, 'blocked').waitFor();
    const problem = tab.locator('.needs .problem', { hasText: bead });
    await soon(() => problem.innerText()).toContain(`no branch "${branch}"`);
    town.git('branch', branch, 'main');
    await problem.getByRole('button', { name: 'Retry' }).click();
    await card(tab, bead, 'landed').waitFor();
    await soon(() => problem.count()).toBe(0);
    await tab.context().close();
  });

  test('a comment on a line of the diff reaches the agent with path and line, and comes back as a commit', async () => {
    const tab = await browser.opened(board);
    const bead = await town.sling(fresh('greeting'), 'Greet whoever comes back', { rig: app });
    const problem = tab.locator('.needs .problem', { hasText: bead });
    await problem.getByRole('link', { name: 'See the diff' }).click();
    await tab.locator('.diff .file', { hasText: 'greeting.txt' }).waitFor();
    // Nothing is left out above the first line of a new file.
    expect(await tab.locator('.diff .hunk').count()).toBe(0);
    await button(tab, 'comment line 2').click();
    await tab.getByLabel('comment on this line').fill('louder');
    await button(tab, 'Comment').click();
    await picture(tab, 'board-diff');
    await button(tab, 'Request changes').last().click();
    await tab.locator('.diff .added', { hasText: /HELLO/ }).waitFor({ timeout: 90_000 });
    expect((await town.beads.view(bead)).attemptCount).toBe(2);
    await button(tab, 'Approve').click();
    await town.until(bead, ({ status }) => status === 'closed');
    await tab.getByText('landed', { exact: true }).first().waitFor();
    expect(town.git('show', 'main:greeting.txt')).toBe('one\nHELLO');
    landed.greeting = bead;
    await tab.context().close();
  });

  test('what an agent writes is text; by the keyboard alone it is found, nudged and followed to its end', async () => {
    const tab = await browser.opened(board);
    const say = [
      `printf '%s\\n' '${evil}' && printf '\\033[31mred\\033[0m \\033[2J\\033]0;title\\007 plain\\n' && ` +
        "head -c 1000000 /dev/zero | tr '\\0' x && echo",
      `heartbead agent heartbeat '${evil}' >/dev/null; heartbead agent note '${evil} note'`,
      `printf '%s\\n' '${evil}' > '<script>name' && head -c 1000000 /dev/zero | tr '\\0' y > long.txt && ` +
        `git add -A && git -c user.name=A -c user.email=a@localhost commit -qm x`,
      `cp long.txt "$(printf 'gpj.\\342\\200\\256txt.exe')"`,
      patient,
      `git add -A && git -c user.name=A -c user.email=a@localhost commit -qm y; ${done}`,
    ].join('; ');
    const bead = await town.sling(fresh('evil'), `${evil} ${turned}`, { command: say });
    const title = card(tab, bead, 'in_progress').locator('.title');
    await soon(() => title.innerText()).toContain('<script>window.owned=1</script>');
    expect(await title.innerText()).toContain('\\u202e');
    await tab.goto(at(`/bead/${bead}?tab=log`));
    await tab.locator('.log .ansi-red', { hasText: 'red' }).waitFor();
    await soon(() => tab.locator('.log').innerText()).toContain(evil);
    await soon(() => tab.locator('.log').innerText()).toContain('more characters');
    await tab.getByRole('tab', { name: 'Messages and notes' }).click();
    await tab.getByText(`${evil} note`).first().waitFor();
    await tab.getByRole('tab', { name: 'Diff' }).click();
    await soon(() => tab.locator('.diff .path').allInnerTexts()).toEqual(
      expect.arrayContaining(['<script>name', 'long.txt', turned.replace('\u202e', '\\u202e')]),
    );
    expect(await tab.locator('.diff').innerText()).toContain('the working tree as it is now');
    expect(await tab.evaluate('window.owned')).toBeUndefined();

    await tab.keyboard.press('Escape');
    await card(tab, bead).waitFor();
    await tab.keyboard.press('/');
    await tab.keyboard.type(bead);
    await tab.keyboard.press('Escape');
    await soon(() => tab.locator('.column [data-bead]').count()).toBe(1);
    await tab.keyboard.press('j');
    expect(await focusedBead(tab)).toBe(bead);
    await tab.keyboard.press('n');
    await tab.getByLabel('A message for its agent').fill('finish');
    await tab.keyboard.press('Control+Enter');
    await card(tab, bead, 'landed').waitFor();
    await soon(() => focusedBead(tab)).toBe(bead);
    await tab.keyboard.press('?');
    await tab.getByRole('dialog').getByText('nudge its agent').waitFor();
    await tab.keyboard.press('Escape');
    await card(tab, bead).focus();
    await tab.keyboard.press('Enter');
    await tab.waitForURL(`**/bead/${bead}`);
    await soon(() => tab.locator('.timeline').innerText()).toContain('finish');
    expect(await tab.locator('.timeline').innerText()).toContain('by somebody at the board');
    await tab.context().close();
  });

  test('a convoy that conflicts is watched from its first card until all of it has landed', async () => {
    const convoy = fresh('greeting');
    const agent = (seed: number): string =>
      `{adapter: demo, options: {seed: ${seed}, steps: 4, stepMs: 300, commits: 2, ` +
      `shared: shared/${convoy}.md, mergeFrom: main}}`;
    const tab = await browser.tab();
    await tab.goto(`${at(`/?convoy=${convoy}`)}#token=${board.token}`);
    await tab.locator('.columns').waitFor();
    await town.convoy(`convoy: ${convoy}
title: A better greeting
rig: ${lib}
beads:
  - {id: words, title: Write the words, agent: ${agent(1)}}
  - {id: page, title: Show them on the page, agent: ${agent(2)}}
  - {id: last, title: Read it all once more, needs: [words, page], agent: ${agent(3)}}
`);
    await card(tab, `${convoy}-words`).waitFor();
    const other = await browser.opened(board);
    await other.locator('.c-in_progress [data-bead]').first().waitFor();
    await other.goto(at(`/convoy/${convoy}`));
    await other.locator('.graph, svg').first().waitFor();
    for (const bead of ['words', 'page', 'last'])
      await card(tab, `${convoy}-${bead}`, 'landed').waitFor({ timeout: 120_000 });
    await other.getByText('3 of 3 merged').waitFor();
    await picture(other, 'board-convoy');
    await other.context().close();
    // Whichever came second had a conflict in what both write, and its agent was sent back once.
    const views = await Promise.all(['words', 'page'].map((bead) => town.beads.view(`${convoy}-${bead}`)));
    const reworked = views.find(({ attemptCount }) => attemptCount === 2);
    expect(reworked?.story.map(({ text }) => text).join('\n')).toMatch(/rework 1: conflict with main/);
    await tab.goto(at(`/bead/${reworked?.bead ?? ''}`));
    await soon(() => tab.locator('.timeline').innerText()).toContain('conflict');
    landed.convoy = convoy;
    await tab.context().close();
  });

  test('behind a trusted proxy, forms and buttons do what they say, and the story names who pressed them', async () => {
    const own = await town.board({ trustProxy: true });
    expect((await fetch(at('/api/v1/about', own))).status).toBe(401);
    const proxied = { 'x-forwarded-host': '127.0.0.1', 'x-forwarded-user': 'ada' };
    const tab = await browser.tab({ extraHTTPHeaders: proxied });
    await tab.goto(at('/sling', own));
    const title = fresh('Slung by form');
    await tab.getByRole('textbox', { name: /^Title/ }).fill(title);
    await tab.getByRole('textbox', { name: /^Repository/ }).fill(town.repository.path);
    await tab.getByRole('textbox', { name: /^Command/ }).fill(patient);
    await button(tab, 'Sling').click();
    await tab.locator('h1', { hasText: title }).waitFor();
    const bead = new URL(tab.url()).pathname.split('/').at(-1) ?? '';
    await town.until(bead, ({ agent }) => agent === 'working');
    await button(tab, 'Nudge …').click();
    await tab.getByLabel('A message for its agent').fill('take your time');
    await button(tab, 'Send').click();
    await town.until(bead, ({ messages }) => messages.some(({ text }) => text === 'take your time'));
    await button(tab, 'Pause').click();
    await town.until(bead, ({ paused }) => paused);
    await button(tab, 'Resume').click();
    await town.until(bead, ({ paused }) => !paused);
    await button(tab, 'Cancel …').click();
    const asked = tab.getByRole('dialog');
    await asked.waitFor();
    expect((await town.beads.view(bead)).cancelling).toBeFalsy();
    await asked.getByRole('button', { name: /^Cancel/ }).click();
    await soon(async () => (await town.beads.describe(bead)).execution).toBe('CANCELLED');
    const answer = await fetch(at(`/api/v1/beads/${bead}/story`, own), { headers: proxied });
    const told = ((await answer.json()) as StoryAnswer).story
      .map(({ text }) => text)
      .filter((text) => /ada/.test(text));
    expect(told).toEqual([
      'an operator nudged the agent (by ada): take your time',
      'an operator paused it (by ada)',
      'an operator let it go on (by ada)',
      'its cancellation was asked for (by ada)',
    ]);

    const convoy = fresh('drafted');
    await tab.goto(at('/sling', own));
    await tab
      .getByRole('textbox', { name: /^Its file/ })
      .fill(`convoy: ${convoy}\ntitle: Drafted by form\nrig: ${lib}\nbeads:\n  - {id: one, title: The first}\n`);
    await button(tab, 'Make the draft').click();
    await tab.waitForURL(`**/convoy/${convoy}`);
    await soon(async () => (await town.fleet.convoy(convoy)).staged).toBe(true);
    await town.fleet.cancelConvoy(convoy);
    await tab.context().close();
    await own.close();
  });
});

describe('a town that is looked at', () => {
  test('two browsers at once see the same, and what one does the other sees', async () => {
    const [one, other] = await Promise.all([browser.opened(board), browser.opened(board)]);
    const rig = (tab: typeof one): ReturnType<typeof one.locator> => tab.locator('.rig', { hasText: lib });
    await rig(one).getByRole('button', { name: 'Pause' }).click();
    await rig(other).getByRole('button', { name: 'Resume' }).waitFor();
    await other
      .locator('.needs .problem', { hasText: `rig ${lib} is paused` })
      .getByRole('button', { name: 'Resume' })
      .click();
    await rig(one).getByRole('button', { name: 'Pause' }).waitFor();
    await Promise.all([one.context().close(), other.context().close()]);
  });

  test('log and diff of an attempt on another host come live from there, and a host that is away is named', async () => {
    const far = await town.farBoard();
    const bead = await town.sling(fresh('far'), 'Far away', {
      command:
        `echo 'said far away'; printf 'new\n' > far.txt; ${patient}; ` +
        `echo 'heard it'; ${commit(fresh('far'), 'new')}; ${patientTo('end')}; ${done}`,
    });
    const tab = await browser.opened(far);
    await tab.goto(at(`/bead/${bead}?tab=log`, far));
    await tab.locator('.log', { hasText: 'said far away' }).waitFor();
    const { current } = await town.beads.view(bead);
    const onHost = `on host ${current?.host ?? '?'}`;
    await tab.getByText(onHost).first().waitFor();
    await tab.getByRole('tab', { name: 'Diff' }).click();
    await soon(() => tab.locator('.diff').innerText()).toContain(onHost);
    expect(await tab.locator('.diff .path').allInnerTexts()).toEqual(['far.txt']);
    await tab.getByRole('tab', { name: 'Log' }).click();
    await tab.locator('.log', { hasText: 'said far away' }).waitFor();
    await town.beads.nudge(bead, 'finish');
    await tab.locator('.log', { hasText: 'heard it' }).waitFor();
    await town.killWorker();
    try {
      const warning = tab.locator('.log-tab .warn', { hasText: /no worker answered|does not answer/ });
      await warning.waitFor({ timeout: 90_000 });
      // What was read stays on the page.
      expect(await tab.locator('.log').innerText()).toContain('heard it');
    } finally {
      await town.startWorker();
    }
    await soon(() => tab.locator('.log-tab .warn').count()).toBe(0);
    await town.beads.nudge(bead, 'end');
    await town.until(bead, ({ status }) => status === 'closed');
    await tab.context().close();
    await far.close();
  });

  test('the output of checks comes from the host that ran them', async () => {
    const far = await town.farBoard();
    const bead = `${landed.convoy ?? 'no-convoy-has-landed'}-words`;
    const { attempts } = await town.beads.view(bead);
    const tab = await browser.tab();
    await tab.goto(addressWithToken(far));
    await tab.goto(at(`/bead/${bead}?tab=checks`, far));
    await soon(() => tab.locator('.panel').innerText()).toContain('check no conflict markers');
    expect(await tab.locator('.panel').innerText()).toContain(`on host ${attempts.at(-1)?.host ?? '?'}`);
    await tab.context().close();
    await far.close();
  });

  test('the sums of the charts are those that Temporal and the command line tell of the same beads', async () => {
    const sum = (parts: readonly number[]): number => parts.reduce((total, part) => total + part, 0);
    const look = async (): Promise<{ runs: BeadRun[]; charts: ChartsAnswer }> => {
      const [runs, answer] = await Promise.all([
        town.beadRuns(),
        fetch(at('/api/v1/charts?days=7'), { headers: { authorization: `Bearer ${board.token}` } }),
      ]);
      return { runs, charts: (await answer.json()) as ChartsAnswer };
    };
    let { runs, charts } = await look();
    // Visibility may still learn of an end, and a worker that has just begun may leave a bead without an answer.
    await soon(async () => {
      ({ runs, charts } = await look());
      const landed = runs.filter(({ status }) => status === 'closed').length;
      return [charts.asked - runs.length, charts.beads - runs.length, sum(charts.landed) - landed];
    }).toEqual([0, 0, 0]);
    const costs = await town.cli.json<{ rigs: { name: string; beads: number; usage: Usage }[] }>(['costs']);
    expect(sum(charts.landed)).toBeGreaterThan(3);
    expect(
      charts.costs
        .filter(({ rig }) => rig !== 'without a rig')
        .map(({ rig, beads }) => [rig, beads])
        .sort(),
    ).toEqual(costs.rigs.map(({ name, beads }) => [name, beads]).sort());
    for (const { name, usage } of costs.rigs)
      expect(charts.costs).toContainEqual(
        expect.objectContaining({ rig: name, costUsd: usage.costUsd, tokens: billedTokens(usage) }),
      );
    // Each moment of a bead's life is in one part, and an agent at work is one part of them.
    const views = await Promise.all(runs.map(({ bead }) => town.beads.view(bead)));
    const lived = sum(views.map(({ createdAt }, index) => (runs[index]?.closedAt ?? charts.to) - createdAt));
    expect(Math.abs(sum(Object.values(charts.shares)) - lived)).toBeLessThan(10 * runs.length);
    const worked = sum(
      views.flatMap(({ attempts }) =>
        attempts.map(({ spawnedAt, endedAt }) =>
          spawnedAt === undefined || endedAt === undefined ? 0 : endedAt - spawnedAt,
        ),
      ),
    );
    expect(Math.abs(charts.shares.working - worked)).toBeLessThan(10 * runs.length);
    expect(Math.abs(sum(charts.agents) * charts.step - worked)).toBeLessThan(10 * runs.length);
  });

  test('a server that goes away is told on the page, and its return is seen', async () => {
    const way = await Way.to(town.server.address);
    const own = await town.board({ env: town.cli.environment({ TEMPORAL_ADDRESS: way.address }) });
    const tab = await browser.opened(own);
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

  test.each(['light', 'dark'] as const)(
    'each page is there by its address alone, without a serious finding of axe (%s), no wider than a desk or a phone',
    async (colorScheme) => {
      const tab = await browser.opened(board, { colorScheme });
      const bead = landed.greeting ?? 'there-is-none';
      const convoy = landed.convoy ?? 'there-is-none';
      const [first] = (await town.beads.view(bead)).attempts;
      const everywhere = {
        [`/bead/${bead}?tab=diff`]: 'HELLO',
        [`/bead/${bead}?tab=story`]: 'merged into main',
        [`/convoy/${convoy}`]: '3 of 3 merged',
        [`/rig/${app}`]: 'Merge queue',
        '/charts': 'The last day',
      };
      // What the colours decide is on few of them.
      const lightAlone = {
        '/': 'Landed today',
        [`/?text=${bead}`]: 'Greet whoever comes back',
        [`/bead/${bead}?tab=diff&attempt=${first?.id ?? ''}&line=greeting.txt%3A2`]: /attempt 1:/,
        [`/bead/${bead}?tab=log`]: /follow|has not written/,
        [`/bead/${bead}?tab=checks`]: 'no checks',
        [`/bead/${bead}?tab=messages`]: 'Notes for the next attempt',
        [`/bead/${bead}?tab=details`]: 'merged as',
        '/charts?days=7': 'The last week',
        '/sling': 'Make the draft',
        '/bead/there-is-none': 'there-is-none',
        '/nowhere': 'There is no such page',
      };
      const findings: string[] = [];
      for (const [path, words] of Object.entries({ ...everywhere, ...(colorScheme === 'light' ? lightAlone : {}) })) {
        await tab.goto(at(path));
        await tab.locator('main').getByText(words).first().waitFor();
        await soon(() => tab.locator('.loading').count()).toBe(0);
        for (const found of await axeFindings(tab)) findings.push(`${path}: ${found}`);
        for (const [name, size] of Object.entries({ phone, desk })) {
          await tab.setViewportSize(size);
          for (const wide of await tooWide(tab)) findings.push(`${path} on a ${name}: ${wide}`);
          await look(tab, `${colorScheme}-${name}${path}`);
        }
      }
      await tab.context().close();
      expect(findings).toEqual([]);
    },
  );

  test('an address that somebody was sent opens where it points; Back, Forward and a reload keep the place', async () => {
    const tab = await browser.tab();
    const bead = landed.greeting ?? 'there-is-none';
    const place = (): string => tab.url().slice(new URL(board.url).origin.length);
    const shows = async (path: string, words: string): Promise<void> => {
      await tab.locator('main').getByText(words).first().waitFor();
      await soon(place).toBe(path);
      if (path === line) expect(await tab.locator('.diff [aria-current=location]').innerText()).toContain('HELLO');
    };
    const last = (await town.beads.view(bead)).attempts.at(-1)?.id ?? '?';
    const line = `/bead/${bead}?tab=diff&attempt=${last}&line=greeting.txt%3A2`;
    const visits: [path: string, words: string, go: () => Promise<unknown>][] = [
      [`/bead/${bead}?tab=diff`, 'HELLO', () => tab.goto(`${at(`/bead/${bead}?tab=diff`)}#token=${board.token}`)],
      [`/bead/${bead}?tab=story`, 'merged into main', () => tab.getByRole('tab', { name: 'Story' }).click()],
      [line, 'HELLO', () => tab.goto(at(line))],
      ['/charts', 'The last day', () => tab.getByRole('link', { name: 'Charts' }).click()],
      ['/charts?days=7', 'The last week', () => tab.getByRole('link', { name: 'Week' }).click()],
      ['/', 'Landed today', () => tab.getByRole('link', { name: 'Fleet' }).click()],
    ];
    for (const [path, words, go] of visits) {
      await go();
      await shows(path, words);
    }
    // The filter is a part of the place, not a step of the way.
    await tab.locator('.filters input').fill(bead);
    const filtered = `/?text=${bead}`;
    await shows(filtered, 'Greet whoever comes back');
    await tab.reload();
    await shows(filtered, 'Greet whoever comes back');
    expect(await tab.locator('.filters input').inputValue()).toBe(bead);
    for (const [path, words] of visits.slice(0, -1).reverse()) {
      await tab.goBack();
      await shows(path, words);
    }
    await tab.reload();
    await shows(`/bead/${bead}?tab=diff`, 'HELLO');
    for (const [path, words] of [...visits.slice(1, -1), [filtered, 'Greet whoever comes back'] as const]) {
      await tab.goForward();
      await shows(path, words);
    }
    await tab.context().close();
  });

  test('the browser has complained about nothing', () => {
    expect(browser.complaints).toEqual([]);
  });
});
