import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
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
  const run = async (
    allow: string[],
    script: string,
    { file = 'bash', host = {} }: { file?: string; host?: NodeJS.ProcessEnv } = {},
  ): Promise<Ran> => {
    const root = scratchFolder('gate', onTestFinished);
    const [worktree, home] = [join(root, 'tree'), join(root, 'state')];
    for (const path of [worktree, home]) mkdirSync(path);
    const plan: CellPlan = { launcher: 'sandbox', network: { allow }, read: [], write: [] };
    const refused: string[] = [];
    const gate = await openGate(plan, (destination) => refused.push(destination), host);
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

  test('on a host behind a proxy of its own, the gate goes by that, and hands on what it answers', async () => {
    const asked: string[] = [];
    const proxy = createServer((request, response) => {
      asked.push(`${request.url} ${request.headers['proxy-authorization']}`);
      response.end('by the proxy\n');
    });
    proxy.on('connect', (request: IncomingMessage, client: Socket) => {
      asked.push(`${request.url} ${request.headers['proxy-authorization']}`);
      if (request.url === 'closed.invalid:443') return void client.end('HTTP/1.1 407 Who are you\r\n\r\n');
      const remote = connect(port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        client.pipe(remote).pipe(client);
      });
    });
    await new Promise<void>((resolve) => void proxy.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void proxy.close());
    const url = `http://me:secret@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const { said, refused } = await run(
      ['models.invalid:443', 'closed.invalid:443', 'plain.invalid', `localhost:${port}`],
      `exec 4<> "/dev/tcp/127.0.0.1/\${HTTPS_PROXY##*:}"
       printf 'CONNECT models.invalid:443 HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n' >&4; read -r line <&4; echo "$line"
       printf 'GET / HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\n\\r\\n' >&4; cat <&4
       ask 'CONNECT closed.invalid:443 HTTP/1.1'
       ask 'GET http://plain.invalid/x HTTP/1.1'
       ask 'CONNECT evil.invalid:443 HTTP/1.1'
       ask 'GET http://localhost:${port}/ HTTP/1.1'`,
      { host: { HTTPS_PROXY: url, http_proxy: url } },
    );
    expect(said.match(/here I am/g)?.length).toBe(2);
    expect(said).toContain('by the proxy');
    expect(said).toMatch(/502 Bad Gateway[^]*answers HTTP\/1\.1 407 Who are you/);
    const me = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    expect(asked).toEqual([`models.invalid:443 ${me}`, `closed.invalid:443 ${me}`, `http://plain.invalid/x ${me}`]);
    // What is not listed does not get to the proxy either.
    expect(refused).toEqual(['evil.invalid:443']);
  });

  test('a program that is not there is told as such', async () => {
    expect(await run([], '', { file: 'no-such-program' })).toMatchObject({ code: 1, failure: 'ENOENT' });
  });
});
