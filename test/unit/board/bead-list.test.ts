import { expect, test } from 'vitest';
import { BeadList } from '../../../src/board/bead-list.js';
import type { Town } from '../../../src/client/connect.js';

interface Row {
  workflowId: string;
  /** Found by the question for what is new. */
  fresh?: boolean;
  agent: string;
  startedAt?: number;
}

/** A visibility store as the client sees it; counts the pages that are read of it. */
class Store {
  rows: Row[] = [];
  pages = 0;
  queries: string[] = [];
  /** Waited for before the page that begins with this row is read, when there are several. */
  reading: (() => Promise<void>) | undefined;
  readingFrom = 0;

  town(): Town {
    const list = async function* (this: Store, { query, pageSize }: { query: string; pageSize: number }) {
      this.queries.push(query);
      const open = !query.includes("ExecutionStatus != 'Running'");
      // What moves, and what is new; all other rows are older than the look before.
      const wanted = query.includes('StartTime >')
        ? this.rows.filter(({ fresh, agent }) => fresh === true || agent !== 'none')
        : open
          ? [...this.rows]
          : [];
      this.pages += Math.max(1, Math.ceil(wanted.length / pageSize));
      for (const [at, row] of wanted.entries()) {
        if (open && wanted.length > pageSize && at === this.readingFrom) await this.reading?.();
        yield {
          workflowId: row.workflowId,
          searchAttributes: { AgentStatus: [row.agent] },
          memo: {},
          status: { name: 'RUNNING' },
          startTime: new Date(row.startedAt ?? 0),
        };
      }
    }.bind(this);
    const client = { workflow: { list }, withDeadline: <T>(_: unknown, ask: () => Promise<T>) => ask() };
    return { taskQueue: 'town', client } as unknown as Town;
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
  // 25 of the open ones, one of those that have ended, and the look.
  expect(await pagesOf(now)).toBe(27);
  expect(list.beads.size).toBe(5_000);
  expect(list.more).toBe(false);
  expect(await pagesOf(now + 500)).toBe(1);
  // Everything is read again by and by, since what was missed once must not be missed for ever.
  expect(await pagesOf(now + 16_000)).toBe(27);
  store.rows.push({ workflowId: 'bead-one-more', agent: 'none' });
  expect(await pagesOf(now + 32_000)).toBeLessThanOrEqual(28);
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
  store.readingFrom = 200;
  store.reading = () => new Promise<void>((resolve) => (gate.open = resolve));
  await list.look(town, 1_000);
  expect(list.reading).toBe(true);
  expect([...list.beads.keys()].length).toBe(201);
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
  expect(await pagesOf(now + 61_000)).toBe(7);
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
  await list.look(town, 1_000, now + 16_000);
  store.rows.push({ workflowId: 'bead-new', agent: 'none', fresh: true });
  await list.look(town, 1_000, now + 16_500);
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
  await list.look(town, 1_000, now + 16_000);
  await list.settled();
  await expect(list.look(town, 1_000, now + 16_500)).rejects.toThrow('the server is slow');
  await list.look(town, 1_000, now + 17_000);
  expect(list.beads.size).toBe(3_000);
});
