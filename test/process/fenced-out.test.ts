import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, inject, it } from 'vitest';
import { openLine } from '../runner/support/tcp-proxy.js';
import { Town, generous, quickClocks, told } from './support/town.js';
import type { Host } from './support/town.js';

/** Of a bead that gives up within seconds. */
const clocks = { ...quickClocks, beatEvery: 400, heartbeatTimeout: 3_000, leaseFor: 4_000, giveUpAfter: 16_000 };
const untouched = { agentFailures: 0, infraLosses: 0, reworkRounds: 0 };

/** How many agents an attempt ever had: the demo agent says so once per process. */
function agents(host: Host, bead: string, attempt = ''): number {
  const log = host.attempt(bead, attempt).agentLog;
  return existsSync(log) ? (readFileSync(log, 'utf8').match(/"type":"session"/g) ?? []).length : 0;
}

describe('a host whose worker reaches the server, and whose runners do not', { timeout: 3 * generous }, () => {
  it('is given up in bounded time; an attempt whose runner reaches the server before goes on; one agent each', async () => {
    const server = inject('devServer');
    const line = await openLine(server.address);
    const town = await Town.open(server);
    const host = await town.host(line.address);
    // The connections of the worker stay; that of a new runner is refused.
    line.shut();

    const early = await town.sling({}, { clocks });
    const fenced = await town.seen(early, 'is fenced out', (now) => now.current?.fencedOutSince !== undefined);
    expect(fenced.current?.spawnedAt, told(fenced)).toBeUndefined();
    line.mend();
    const closed = await town.closed(early);
    expect(closed.attempts, told(closed)).toMatchObject([{ id: fenced.current?.id, outcome: 'done' }]);
    expect(closed.used).toEqual(untouched);
    expect(agents(host, early, fenced.current?.id)).toBe(1);

    line.shut();
    const late = await town.sling({}, { clocks });
    const lost = await town.seen(late, 'gives the host up', ({ attempts }) => attempts.length > 0);
    const [first] = lost.attempts;
    expect(first, told(lost)).toMatchObject({ outcome: 'lost', countedAs: 'infra' });
    expect(first?.reason).toMatch(/no beat was accepted|nothing was heard of it/);
    expect(agents(host, late, first?.id)).toBe(0);
    await host.kill();
    const other = await town.host(server.address);
    const done = await town.closed(late);
    const last = done.attempts.at(-1);
    expect(last, told(done)).toMatchObject({ outcome: 'done' });
    expect(done.used).toEqual(untouched);
    expect(agents(other, late, last?.id)).toBe(1);
    expect(done.attempts.map(({ id }) => agents(host, late, id))).toEqual(done.attempts.map(() => 0));
  });
});
