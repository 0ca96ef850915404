import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectionSettings } from '../../../src/client/connect.js';
import { ConfigurationError, NoServerError } from '../../../src/client/errors.js';
import { demoDirectory, stateDirectory } from '../../../src/client/home.js';
import { readRecord, removeRecord, writeRecord } from '../../../src/client/records.js';
import type { ServerRecord } from '../../../src/client/records.js';
import { processStartTime } from '../../../src/runner/processes/process.js';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'heartbead-home-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** A server that is this very process, as far as pids go. */
const alive = (more: Partial<ServerRecord> = {}): ServerRecord => ({
  pid: process.pid,
  startTime: processStartTime(process.pid) as string,
  log: 'x',
  address: '127.0.0.1:7001',
  uiAddress: 'http://127.0.0.1:8001',
  namespace: 'default',
  taskQueue: 'heartbead',
  dbFile: 'x',
  source: 'env',
  ...more,
});
// No configuration file of whoever runs the tests may be found.
const env = (more: Record<string, string> = {}): NodeJS.ProcessEnv => ({ HOME: home, HEARTBEAD_HOME: home, ...more });

test('the state directory is HEARTBEAD_HOME, made absolute, else a place of the platform', () => {
  expect(stateDirectory({ HEARTBEAD_HOME: './x' })).toBe(join(process.cwd(), 'x'));
  expect(stateDirectory({ HEARTBEAD_HOME: '' })).toMatch(/heartbead/);
});

describe('which server is talked to', () => {
  test('the configured one comes first, though another runs here', async () => {
    await writeRecord(home, 'server', alive());
    const found = await connectionSettings({
      env: env({ TEMPORAL_ADDRESS: 'far.example:7233', TEMPORAL_NAMESPACE: 'team' }),
    });
    expect(found).toMatchObject({
      source: 'configured',
      address: 'far.example:7233',
      namespace: 'team',
      home,
      taskQueue: 'heartbead',
    });
    expect(found.uiAddress).toBeUndefined();
  });

  test('the Temporal configuration file counts as configured, API key and TLS with it', async () => {
    writeFileSync(
      join(home, 'temporal.toml'),
      '[profile.default]\naddress = "cloud.example:7233"\nnamespace = "n"\napi_key = "secret"\n',
    );
    const found = await connectionSettings({ env: env({ TEMPORAL_CONFIG_FILE: join(home, 'temporal.toml') }) });
    expect(found).toMatchObject({
      source: 'configured',
      address: 'cloud.example:7233',
      options: { apiKey: 'secret', tls: true },
    });
  });

  test('a configuration that cannot be read is an error that does not quote it', async () => {
    writeFileSync(join(home, 'temporal.toml'), 'api_key = "secret\n[[[');
    const failed = await connectionSettings({ env: env({ TEMPORAL_CONFIG_FILE: join(home, 'temporal.toml') }) }).catch(
      (error: unknown) => error,
    );
    expect(failed).toBeInstanceOf(ConfigurationError);
    expect(String((failed as Error).message)).not.toContain('secret');
  });

  test('without a configuration: the one that was started here, with its Web UI and its task queue', async () => {
    await writeRecord(home, 'server', alive({ taskQueue: 'own' }));
    await expect(connectionSettings({ env: env() })).resolves.toMatchObject({
      source: 'embedded',
      address: '127.0.0.1:7001',
      uiAddress: 'http://127.0.0.1:8001',
      taskQueue: 'own',
    });
    await expect(connectionSettings({ env: env({ HEARTBEAD_TASK_QUEUE: 'other' }) })).resolves.toMatchObject({
      taskQueue: 'other',
    });
  });

  test("a record whose process is gone, or whose pid is somebody else's by now, is no server", async () => {
    await writeRecord(home, 'server', alive({ startTime: 'another time' }));
    await expect(connectionSettings({ env: env() })).rejects.toThrow(NoServerError);
  });

  test('a running demo is used only when nothing else is there', async () => {
    mkdirSync(demoDirectory(home));
    await writeRecord(demoDirectory(home), 'server', alive({ address: '127.0.0.1:7002' }));
    await expect(connectionSettings({ env: env() })).resolves.toMatchObject({
      source: 'demo',
      address: '127.0.0.1:7002',
      home: demoDirectory(home),
    });
    await writeRecord(home, 'server', alive());
    await expect(connectionSettings({ env: env() })).resolves.toMatchObject({
      source: 'embedded',
      address: '127.0.0.1:7001',
      home,
    });
  });

  test('no server at all: what to do is said', async () => {
    const failed = (await connectionSettings({ env: env() }).catch((error: unknown) => error)) as NoServerError;
    expect(failed).toBeInstanceOf(NoServerError);
    expect(failed.next).toContain('heartbead up');
  });
});

describe('records', () => {
  test('what was written is read; what was removed, damaged or is no record is not there', async () => {
    const record = alive();
    await writeRecord(home, 'server', record);
    await expect(readRecord(home, 'server')).resolves.toEqual(record);
    await removeRecord(home, 'server');
    await expect(readRecord(home, 'server')).resolves.toBeUndefined();
    for (const text of ['{"pid":', '{}', 'null', '{"pid":"12","startTime":"x"}']) {
      writeFileSync(join(home, 'server.json'), text);
      await expect(readRecord(home, 'server')).resolves.toBeUndefined();
    }
  });
});
