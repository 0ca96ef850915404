import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { launch, openGate } from '../../src/cell/index.js';
import type { CellPlan } from '../../src/cell/index.js';
import { noCellHere } from '../support/bubblewrap.js';
import { scratchFolder } from '../support/scratch.js';

const problem = noCellHere();
if (problem !== undefined) console.warn(`the way out of a sandbox by a list of hosts is not tried: ${problem}`);

describe.skipIf(problem !== undefined)('a sandbox with a list of hosts', () => {
  const server = createServer((_, response) => void response.end('here I am\n'));
  let port = 0;
  beforeAll(async () => {
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => void server.close());

  interface Ran {
    said: string;
    code: number | null;
    refused: string[];
    failure: string | undefined;
  }
  /** Runs a script of bash behind the list. `ask` in it sends the proxy one line, and prints all of the answer. */
  const run = async (allow: string[], script: string, file = 'bash'): Promise<Ran> => {
    const root = scratchFolder('gate', onTestFinished);
    const [worktree, home] = [join(root, 'tree'), join(root, 'state')];
    for (const path of [worktree, home]) mkdirSync(path);
    const plan: CellPlan = { launcher: 'sandbox', network: { allow }, read: [], write: [] };
    const refused: string[] = [];
    const gate = await openGate(plan, (destination) => refused.push(destination));
    onTestFinished(() => gate?.close());
    const ask =
      'ask() { exec 3<> "/dev/tcp/127.0.0.1/${HTTPS_PROXY##*:}"; printf \'%s\\r\\nhost: x\\r\\nconnection: ' +
      'close\\r\\n\\r\\n\' "$1" >&3; cat <&3; }';
    const walled = launch(plan, {
      command: { file, args: ['-c', `${ask}\n${script}`] },
      env: { PATH: process.env['PATH'] ?? '', HOME: root },
      worktree,
      home,
      read: [],
      write: [],
      rooms: join(home, 'cell'),
      gate: gate?.socket,
    });
    expect(walled.refused).toBeUndefined();
    const child = spawn(walled.file, walled.args, {
      env: walled.env,
      cwd: worktree,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => void child.once('close', resolve));
    return { said, code, refused, failure: walled.failure(code ?? undefined, said.trim().split('\n')) };
  };

  test('what is listed is reached by the proxy, and by nothing else; its own status is the end', async () => {
    const { said, code, refused } = await run(
      [`localhost:${port}`],
      `ask 'GET http://localhost:${port}/ HTTP/1.1'
       (exec 3<> /dev/tcp/127.0.0.1/${port}) 2> /dev/null && echo 'out by itself'
       exit 7`,
    );
    expect(said).toContain('here I am');
    expect(said).not.toContain('out by itself');
    expect({ code, refused }).toEqual({ code: 7, refused: [] });
  });

  test('a tunnel leads to what is listed', async () => {
    const { said } = await run(
      [`localhost:${port}`],
      `timeout 5 bash -c "$(declare -f ask); ask 'CONNECT localhost:${port} HTTP/1.1'"; true`,
    );
    expect(said).toMatch(/^HTTP\/1.1 200/);
  });

  test('what is not listed is refused, and told once', async () => {
    const { said, refused } = await run(
      ['api.example.org:443'],
      "ask 'CONNECT evil.example:443 HTTP/1.1'; ask 'CONNECT evil.example:443 HTTP/1.1'; ask 'GET " +
        "http://api.example.org/ HTTP/1.1'",
    );
    expect(said).toMatch(/403 Forbidden[^]*lets nobody out to evil\.example:443/);
    expect(refused).toEqual(['evil.example:443', 'api.example.org:80']);
  });

  test('a pattern does not lead to this machine, on which the server of the town listens', async () => {
    const { said, refused } = await run(
      ['*'],
      `ask 'CONNECT localhost:${port} HTTP/1.1'; ask 'GET http://127.0.0.1:${port}/ HTTP/1.1'`,
    );
    expect(said).not.toContain('here I am');
    expect(refused).toEqual([`localhost:${port}`, `127.0.0.1:${port}`]);
  });

  test('a program that is not there is told as such', async () => {
    expect(await run([], '', 'no-such-program')).toMatchObject({ code: 1, failure: 'ENOENT' });
  });
});
