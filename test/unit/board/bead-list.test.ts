import { expect, test } from 'vitest';
import { BeadList } from '../../../src/board/bead-list.js';
import type { TownConnection } from '../../../src/client/connect.js';

interface Row {
  workflowId: string;
  /** Found by the question for what is new. */
  fresh?: boolean;
  agent: string;
  startedAt?: number;
  closedAt?: number;
}

/** A visibility store as the client sees it; counts the pages that are read of it. */
class Store {
  rows: Row[] = [];
  pages = 0;
  queries: string[] = [];
  /** Waited for before the page that begins with this row is read, when there are several. */
  reading: (() => Promise<void>) | undefined;
  readingFrom = 0;
  /** Waited for by each look. */
  looking: (() => Promise<void>) | undefined;

  town(): TownConnection {
    const list = async function* (this: Store, { query, pageSize }: { query: string; pageSize: number }) {
      this.queries.push(query);
      const open = !query.includes("ExecutionStatus != 'Running'");
      const look = query.includes('StartTime >');
      if (look) await this.looking?.();
      // What moves, and what is new; all other rows are older than the look before.
      const wanted = look
        ? this.rows.filter(({ fresh, agent }) => fresh === true || agent !== 'none')
        : this.rows.filter(({ closedAt }) => (closedAt === undefined) === open);
      this.pages += Math.max(1, Math.ceil(wanted.length / pageSize));
      for (const [at, row] of wanted.entries()) {
        if (open && wanted.length > pageSize && at === this.readingFrom) await this.reading?.();
        yield {
          workflowId: row.workflowId,
          searchAttributes: { AgentStatus: [row.agent] },
          memo: {},
          status: { name: row.closedAt === undefined ? 'RUNNING' : 'COMPLETED' },
          startTime: new Date(row.startedAt ?? 0),
          closeTime: row.closedAt === undefined ? undefined : new Date(row.closedAt),
        };
      }
    }.bind(this);
    const client = { workflow: { list }, withDeadline: <T>(_: unknown, ask: () => Promise<T>) => ask() };
    return { taskQueue: 'town', client } as unknown as TownConnection;
  }
}

test('5,000 beads cost a bounded number of pages, and a look at what has not changed one', async () => {
  const store = new Store();
  store.rows = Array.from({ length: 5_000 }, (_, at) => ({ workflowId: `bead-b${at}`, agent: 'none' }));
  const town = store.town();
  const list = new BeadList(() => 0);
  const pagesOf = async (now: number): Promise<number> => {
    const before = store.pages;
    await list.look(town, 1_000, now);
    await list.settled();
    return store.pages - before;
  };
  const now = Date.now();
  // 50 of the open ones, one of those that have ended, and the look.
  expect(await pagesOf(now)).toBe(52);
  expect(list.beads.size).toBe(5_000);
  expect(list.more).toBe(false);
  expect(await pagesOf(now + 500)).toBe(1);
  // Everything is read again by and by, since what was missed once must not be missed for ever.
  expect(await pagesOf(now + 31_000)).toBe(52);
  store.rows.push({ workflowId: 'bead-one-more', agent: 'none' });
  expect(await pagesOf(now + 62_000)).toBeLessThanOrEqual(53);
  expect(list.beads.size).toBe(5_000);
  expect(list.more).toBe(true);
});

test('the first page and what moves are there before the others are read, which come with later looks', async () => {
  const store = new Store();
  store.rows = Array.from({ length: 1_000 }, (_, at) => ({
    workflowId: `bead-b${at}`,
    agent: at === 900 ? 'working' : 'none',
  }));
  const town = store.town();
  const list = new BeadList(() => 0);
  const gate: { open?: () => void } = {};
  store.readingFrom = 100;
  store.reading = () => new Promise<void>((resolve) => (gate.open = resolve));
  await list.look(town, 1_000);
  expect(list.reading).toBe(true);
  expect([...list.beads.keys()].length).toBe(101);
  expect(list.beads.get('b900')?.agent).toBe('working');
  gate.open?.();
  await list.settled();
  await list.look(town, 1_000);
  expect([list.beads.size, list.reading]).toEqual([1_000, false]);
});

test('what is new is asked for since the last look, by the clock of the server', async () => {
  const store = new Store();
  // The server's clock is two hours behind ours, and its beads have all just begun.
  const serverNow = Date.now() - 7_200_000;
  let clock = 1_000;
  store.rows = [{ workflowId: 'bead-one', agent: 'none', startedAt: serverNow }];
  const town = store.town();
  const list = new BeadList(() => clock);
  await list.look(town, 1_000);
  await list.settled();
  clock += 600_000;
  await list.look(town, 1_000);
  clock += 300;
  await list.look(town, 1_000);
  const since = /StartTime > '([^']+)'/.exec(store.queries.at(-1) ?? '')?.[1] ?? '';
  // Ten minutes have passed there too; visibility may be a moment late.
  expect(Date.parse(since) - serverNow).toBe(600_000 - 15_000);
});

test('after a burst a look brings no thousands again, and as soon as it is over visibility may be as late as ever', async () => {
  const store = new Store();
  const [count, newest] = [3_000, Date.now()];
  // 200 a second, the last of them just now; visibility has the newest ones first.
  store.rows = Array.from({ length: count }, (_, at) => ({
    workflowId: `bead-b${at}`,
    agent: 'none',
    startedAt: newest - at * 5,
  }));
  let clock = 0;
  const town = store.town();
  const list = new BeadList(() => clock);
  /** By how much before the newest bead the last look has asked, in milliseconds. */
  const before = (): number =>
    newest -
    Date.parse(
      /StartTime > '([^']+)'/.exec(store.queries.findLast((query) => query.includes('StartTime >')) ?? '')?.[1] ?? '',
    );
  await list.look(town, 1_000);
  // Only the first page is known, and is enough.
  expect(before()).toBe(2_000);
  await list.settled();
  clock += 300;
  await list.look(town, 1_000);
  expect(before()).toBe(2_000);
  clock += 9_700;
  await list.look(town, 1_000);
  await list.look(town, 1_000);
  // Ten seconds later: no more than the hundred newest ones, though visibility is not as late as that by far.
  expect(before()).toBe(99 * 5);
  clock += 60_000;
  await list.look(town, 1_000);
  await list.look(town, 1_000);
  expect(before()).toBe(-55_000);
});

test('pages are read again for no more than a tenth of the time', async () => {
  const store = new Store();
  store.rows = Array.from({ length: 1_000 }, (_, at) => ({ workflowId: `bead-b${at}`, agent: 'none' }));
  let clock = 0;
  const town = store.town();
  const list = new BeadList(() => clock);
  // The server takes 6 s for them.
  store.reading = () => {
    clock += 6_000;
    return Promise.resolve();
  };
  const now = Date.now();
  const pagesOf = async (at: number): Promise<number> => {
    const before = store.pages;
    await list.look(town, 1_000, at);
    await list.settled();
    return store.pages - before;
  };
  await pagesOf(now);
  expect(await pagesOf(now + 59_000)).toBe(1);
  expect(await pagesOf(now + 61_000)).toBe(12);
});

test('a look waits for one page at most: none is asked for while it is under way', async () => {
  const store = new Store();
  store.rows = Array.from({ length: 300 }, (_, at) => ({ workflowId: `bead-b${at}`, agent: 'none' }));
  const town = store.town();
  const list = new BeadList(() => 0);
  const page: { come?: () => void } = {};
  store.readingFrom = 100;
  store.reading = () => new Promise<void>((resolve) => (page.come = resolve));
  await list.look(town, 1_000);
  const answer: { come?: () => void } = {};
  store.looking = () => new Promise<void>((resolve) => (answer.come = resolve));
  const look = list.look(town, 1_000);
  page.come?.();
  await new Promise((resolve) => setImmediate(resolve));
  expect(list.beads.size).toBe(200);
  answer.come?.();
  await look;
  await list.settled();
  expect(list.beads.size).toBe(300);
});

test('who comes back soon begins with what is known; after a long time all of it is read again', async () => {
  const store = new Store();
  store.rows = Array.from({ length: 300 }, (_, at) => ({ workflowId: `bead-b${at}`, agent: 'none' }));
  let clock = 0;
  const town = store.town();
  const list = new BeadList(() => clock);
  const now = Date.now();
  await list.look(town, 1_000, now);
  await list.settled();
  clock += 500_000;
  list.resume();
  expect([list.beads.size, list.reading]).toEqual([300, false]);
  const { pages } = store;
  await list.look(town, 1_000, now);
  expect(store.pages - pages).toBe(1);
  clock += 700_000;
  list.resume();
  expect([list.beads.size, list.reading]).toEqual([0, true]);
});

test('a bead that ends between the reading of the open ones and of the ended ones has ended', async () => {
  const store = new Store();
  const bead = { workflowId: 'bead-one', agent: 'none', startedAt: 1 };
  store.rows = [bead, { ...bead, closedAt: 2 }];
  const list = new BeadList(() => 0);
  await list.look(store.town(), 1_000);
  await list.settled();
  expect(list.beads.get('one')?.closedAt).toBe(2);
});

test('while all pages are read, looks go on, and what they find is not lost', async () => {
  const store = new Store();
  store.rows = Array.from({ length: 3_000 }, (_, at) => ({ workflowId: `bead-b${at}`, agent: 'none' }));
  const town = store.town();
  const list = new BeadList(() => 0);
  const now = Date.now();
  await list.look(town, 1_000, now);
  await list.settled();
  const gate: { open?: () => void } = {};
  store.reading = () => new Promise<void>((resolve) => (gate.open = resolve));
  await list.look(town, 1_000, now + 31_000);
  store.rows.push({ workflowId: 'bead-new', agent: 'none', fresh: true });
  await list.look(town, 1_000, now + 31_500);
  expect(list.beads.has('new')).toBe(true);
  gate.open?.();
  await list.settled();
  expect(list.beads.size).toBe(3_001);
});

test('a reading of all pages that failed is told by the next look, and those after it go on', async () => {
  const store = new Store();
  store.rows = Array.from({ length: 3_000 }, (_, at) => ({ workflowId: `bead-b${at}`, agent: 'none' }));
  const town = store.town();
  const list = new BeadList(() => 0);
  const now = Date.now();
  await list.look(town, 1_000, now);
  await list.settled();
  store.reading = () => Promise.reject(new Error('the server is slow'));
  await list.look(town, 1_000, now + 31_000);
  await list.settled();
  await expect(list.look(town, 1_000, now + 31_500)).rejects.toThrow('the server is slow');
  await list.look(town, 1_000, now + 32_000);
  expect(list.beads.size).toBe(3_000);
});
