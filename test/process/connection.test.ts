import { readFileSync } from 'node:fs';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { startDevServer } from '../../src/server/dev-server.js';
import type { DevServer } from '../../src/server/dev-server.js';
import { scratchFolder } from '../support/scratch.js';
import { KeyedProxy } from './support/keyed-proxy.js';
import { Town, generous, processState, told, until } from './support/town.js';

const seconds = (from: number): string => `${((performance.now() - from) / 1_000).toFixed(1)} s`;

describe('an adoption hands over the connection', { timeout: 4 * generous }, () => {
  it('when the server’s key was changed and the worker restarted with the new one: the same agent goes on, no attempt is used', async () => {
    const server = inject('devServer');
    const town = await Town.open(server);
    const proxy = await KeyedProxy.to(server.address, 'first-key', town.folder);
    const withKey = (key: string): NodeJS.ProcessEnv => ({
      TEMPORAL_API_KEY: key,
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: proxy.certificate,
    });
    const host = await town.host(proxy.address, { env: withKey('first-key') });
    const bead = await town.sling({ steps: 150, stepMs: 200 });
    const { agent, runner, dir, view } = await town.working(bead, host);

    proxy.key = 'second-key';
    const rotated = performance.now();
    await host.kill();
    host.env = withKey('second-key');
    await host.start();
    const adopted = await town.seen(
      bead,
      'is at work again',
      (now) => (now.current?.adoptions ?? 0) > 0 && now.agent === 'working' && now.current?.unanswered === undefined,
    );
    console.log(`from the rotated key to the same agent at work again: ${seconds(rotated)}`);
    expect(proxy.refused.some((path) => path.endsWith('/RecordActivityTaskHeartbeat'))).toBe(true);
    expect([adopted.current?.id, adopted.attempts]).toEqual([view.current?.id, []]);
    expect((await dir.readRunner())?.pid).toBe(runner.pid);
    expect(processState(agent)).not.toBeUndefined();

    const closed = await town.closed(bead);
    expect(closed.attempts, told(closed)).toMatchObject([{ id: view.current?.id, outcome: 'done' }]);
    expect(closed.used).toEqual({ agentFailures: 0, infraLosses: 0, reworkRounds: 0 });
    // The key is nowhere but in the one file that is its owner's alone.
    const history = await town.client.workflow.getHandle(`bead-${bead}`).fetchHistory();
    const told_ = JSON.stringify(history) + readFileSync(dir.runnerLog, 'utf8') + host.log;
    expect(told_).not.toMatch(/first-key|second-key/);
    expect(await dir.readConnection()).toMatchObject({ apiKey: 'second-key' });
  });

  it('when the server comes back on another port: the same agent goes on, no attempt is used', async () => {
    const dbFile = `${scratchFolder('server')}/temporal.db`;
    let server: DevServer = await startDevServer({ dbFile, uiPort: false, namespace: 'default' });
    onTestFinished(() => server.kill());
    const town = await Town.open(server);
    const host = await town.host(server.address);
    const bead = await town.sling({ steps: 150, stepMs: 200 });
    const { agent, runner, dir, view } = await town.working(bead, host);
    const old = server.address;

    await server.kill();
    await host.kill();
    server = await startDevServer({ dbFile, uiPort: false, namespace: 'default' });
    expect(server.address).not.toBe(old);
    const back = performance.now();
    host.address = server.address;
    await host.start();
    const after = await Town.open(server);
    await until('the bead is adopted', async () => {
      const now = await after.view(bead);
      if ((now.current?.adoptions ?? 0) > 0 && now.agent === 'working') return now;
      throw new Error(`${now.status}, agent ${now.agent}: ${now.reason}`);
    });
    console.log(`from the server’s return on another port to the same agent at work again: ${seconds(back)}`);
    expect((await dir.readRunner())?.pid).toBe(runner.pid);
    expect(processState(agent)).not.toBeUndefined();
    const closed = await after.closed(bead);
    expect(closed.attempts, told(closed)).toMatchObject([{ id: view.current?.id, outcome: 'done' }]);
    expect(await dir.readConnection()).toMatchObject({ address: server.address });
  });
});
