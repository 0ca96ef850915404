import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { startDevServer } from '../../src/server/dev-server.js';
import type { DevServer } from '../../src/server/dev-server.js';
import { TownLink } from '../../src/board/town-link.js';
import { scratchFolder } from '../support/scratch.js';
import { KeyedProxy, selfSigned } from './support/keyed-proxy.js';
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

describe('certificates and keys are replaced in their files', { timeout: 4 * generous }, () => {
  it('the living worker and its runner take them: no restart, no adoption, and a half-written pair changes nothing', async () => {
    const server = inject('devServer');
    const town = await Town.open(server);
    const [first, second] = await Promise.all(['first', 'second'].map((name) => selfSigned(town.folder, name)));
    if (first === undefined || second === undefined) throw new Error('openssl has made no certificates');
    const text = (file: string): string => readFileSync(file, 'utf8');
    const proxy = await KeyedProxy.to(server.address, 'first-key', town.folder, [
      text(first.certificate),
      text(second.certificate),
    ]);
    const [certificate, privateKey, config] = ['client.pem', 'client.key', 'temporal.toml'].map((name) =>
      join(town.folder, name),
    ) as [string, string, string];
    const put = (file: string, content: string): void => {
      writeFileSync(`${file}.new`, content, { mode: 0o600 });
      renameSync(`${file}.new`, file);
    };
    const configure = (key: string): void =>
      put(
        config,
        [
          ['[profile.default]', `api_key = "${key}"`, '[profile.default.tls]', `client_cert_path = "${certificate}"`],
          [`client_key_path = "${privateKey}"`, `server_ca_cert_path = "${proxy.certificate}"`, ''],
        ]
          .flat()
          .join('\n'),
      );
    put(certificate, text(first.certificate));
    put(privateKey, text(first.privateKey));
    configure('first-key');
    const host = await town.host(proxy.address, { env: { TEMPORAL_CONFIG_FILE: config } });
    const { pid } = host;
    const go = join(town.folder, 'go');
    const command = `while [ ! -e ${go} ]; do echo at work; sleep 0.2; done; echo work > work.txt && git add -A && git -c user.name=A -c user.email=a@localhost commit -qm work && heartbead agent done 'it is done'`;
    const bead = await town.sling({}, { agent: { adapter: 'shell', command } });
    const { runner, dir, view } = await until('its agent is known', () => town.working(bead, host));

    put(certificate, text(second.certificate));
    await until('the half of a new pair is not taken', () =>
      Promise.resolve(/the last good ones go on/.test(host.log)),
    );
    put(privateKey, text(second.privateKey));
    proxy.formerKey = 'first-key';
    proxy.key = 'second-key';
    configure('second-key');
    const record = await until('the runner has the new way', async () => {
      const now = await dir.readConnection();
      return now?.apiKey === 'second-key' ? now : undefined;
    });
    expect(record.tls).toMatchObject({
      clientCertPair: { crt: Buffer.from(text(second.certificate)).toString('base64') },
    });
    await until('no worker holds the former connection', () =>
      Promise.resolve(/a former connection is closed/.test(host.log)),
    );
    // What was asked with the former ones is answered by now; from here on they are worth nothing.
    proxy.formerKey = undefined;
    proxy.trustOnly([text(second.certificate)]);
    writeFileSync(go, '');
    const closed = await town.closed(bead);
    expect(closed.attempts, told(closed)).toMatchObject([{ id: view.current?.id, outcome: 'done' }]);
    expect(closed.used).toEqual({ agentFailures: 0, infraLosses: 0, reworkRounds: 0 });
    expect((await dir.readRunner())?.pid).toBe(runner.pid);
    expect(JSON.stringify(closed.story)).not.toContain('adopt');
    // Each queue of the worker is polled over the new way: a bead goes through.
    const after = await town.closed(await town.sling());
    expect(after.attempts, told(after)).toMatchObject([{ outcome: 'done' }]);
    expect(host.pid).toBe(pid);
    expect(processState(pid)).not.toBeUndefined();
    const history = await town.client.workflow.getHandle(`bead-${bead}`).fetchHistory();
    expect(JSON.stringify(history) + text(dir.runnerLog) + host.log).not.toMatch(/first-key|second-key|PRIVATE KEY/);
  });

  it('the board takes them, too: whoever looks after that is answered over the new way, and one that the server refuses is left', async () => {
    const server = inject('devServer');
    const folder = scratchFolder('board-link');
    const proxy = await KeyedProxy.to(server.address, 'first-key', folder);
    const config = join(folder, 'temporal.toml');
    const configure = (key: string): void => {
      const tls = `server_ca_cert_path = "${proxy.certificate}"`;
      writeFileSync(config, `[profile.default]\napi_key = "${key}"\n[profile.default.tls]\n${tls}\n`);
    };
    configure('first-key');
    const env = { TEMPORAL_ADDRESS: proxy.address, TEMPORAL_NAMESPACE: server.namespace, TEMPORAL_CONFIG_FILE: config };
    const log: string[] = [];
    const link = new TownLink({ env, home: folder }, (line) => log.push(line));
    onTestFinished(() => link.close());
    const first = await link.town();
    expect(await link.town()).toBe(first);
    // Not good yet at the server: the last good one goes on.
    configure('second-key');
    await until('it is tried', async () => (await link.town()) === first && log.length > 0);
    expect(log[0]).toMatch(/the last good ones go on/);
    proxy.key = 'second-key';
    const second = await until('it goes over', async () => {
      const town = await link.town();
      return town === first ? undefined : town;
    });
    expect((await second.client.workflow.count()).count).toBeGreaterThanOrEqual(0);
    await expect(first.client.workflow.count()).rejects.toThrow();
    expect(log.join()).not.toMatch(/first-key|second-key/);
  });
});
