import { expect, test } from 'vitest';
import { BeadList } from '../../../src/board/bead-list.js';
import type { Town } from '../../../src/client/connect.js';

interface Row {
  workflowId: string;
  /** Found by the question for what is new. */
  fresh?: boolean;
  agent: string;
}

/** A visibility store as the client sees it; counts the pages that are read of it. */
class Store {
  rows: Row[] = [];
  pages = 0;
  /** Waited for before all pages are read, when there are several. */
  reading: (() => Promise<void>) | undefined;

  town(): Town {
    const list = async function* (this: Store, { query, pageSize }: { query: string; pageSize: number }) {
      const open = !query.includes("ExecutionStatus != 'Running'");
      // What moves, and what is new; all other rows are older than the look before.
      const wanted = query.includes('StartTime >')
        ? this.rows.filter(({ fresh, agent }) => fresh === true || agent !== 'none')
        : open
          ? [...this.rows]
          : [];
      if (open && wanted.length > pageSize) await this.reading?.();
      this.pages += Math.max(1, Math.ceil(wanted.length / pageSize));
      for (const row of wanted)
        yield {
          workflowId: row.workflowId,
          searchAttributes: { AgentStatus: [row.agent] },
          memo: {},
          status: { name: 'RUNNING' },
          startTime: new Date(0),
        };
    }.bind(this);
    const client = { workflow: { list }, withDeadline: <T>(_: unknown, ask: () => Promise<T>) => ask() };
    return { taskQueue: 'town', client } as unknown as Town;
  }
}

test('5,000 beads cost a bounded number of pages, and a look at what has not changed one', async () => {
  const store = new Store();
  store.rows = Array.from({ length: 5_000 }, (_, at) => ({ workflowId: `bead-b${at}`, agent: 'none' }));
  const town = store.town();
  const list = new BeadList();
  const pagesOf = async (now: number): Promise<number> => {
    const before = store.pages;
    await list.look(town, 1_000, now);
    await list.settled();
    return store.pages - before;
  };
  const now = Date.now();
  expect(await pagesOf(now)).toBe(6);
  expect(list.beads.size).toBe(5_000);
  expect(list.more).toBe(false);
  expect(await pagesOf(now + 500)).toBe(1);
  // Everything is read again by and by, since what was missed once must not be missed for ever.
  expect(await pagesOf(now + 16_000)).toBe(7);
  store.rows.push({ workflowId: 'bead-one-more', agent: 'none' });
  expect(await pagesOf(now + 32_000)).toBeLessThanOrEqual(8);
  expect(list.beads.size).toBe(5_000);
  expect(list.more).toBe(true);
});

test('while all pages are read, looks go on, and what they find is not lost', async () => {
  const store = new Store();
  store.rows = Array.from({ length: 3_000 }, (_, at) => ({ workflowId: `bead-b${at}`, agent: 'none' }));
  const town = store.town();
  const list = new BeadList();
  const now = Date.now();
  await list.look(town, 1_000, now);
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
  const list = new BeadList();
  const now = Date.now();
  await list.look(town, 1_000, now);
  store.reading = () => Promise.reject(new Error('the server is slow'));
  await list.look(town, 1_000, now + 16_000);
  await list.settled();
  await expect(list.look(town, 1_000, now + 16_500)).rejects.toThrow('the server is slow');
  await list.look(town, 1_000, now + 17_000);
  expect(list.beads.size).toBe(3_000);
});
