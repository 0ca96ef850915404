import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { afterEach, describe, expect, it } from 'vitest';
import type { Message } from '../../src/contract/index.js';
import { createMcpServer } from '../../src/mcp/server.js';
import type { Reporter } from '../../src/mcp/server.js';
import { AgentSocketError } from '../../src/runner/sockets/agent-socket-client.js';

/** A runner that remembers what it was told. */
class Told implements Reporter {
  readonly calls: unknown[][] = [];
  pending: Message[] = [{ id: 'm1', text: 'look at the tests', from: 'operator', at: 0 }];
  dirty = false;
  heartbeat = (activity?: string): Promise<void> => this.#note('heartbeat', activity);
  note = (text: string): Promise<void> => this.#note('note', text);
  escalate = (text: string): Promise<void> => this.#note('escalate', text);
  checkpoint = async (text?: string) => {
    await this.#note('checkpoint', text);
    return { checkpoint: { sha: 'c'.repeat(40), ref: 'refs/heartbead/b/1-aaaaaaaa/wip', wip: true }, pushed: true };
  };
  done = async (summary?: string) => {
    await this.#note('done', summary);
    if (this.dirty) throw new AgentSocketError('refused', 'there are uncommitted changes: a.txt', 409);
    return { outcome: 'done' as const, branch: 'heartbead/b/1-aaaaaaaa', sha: 'd'.repeat(40) };
  };
  messages = (): Promise<Message[]> => Promise.resolve(this.pending);
  acknowledge = (ids: string[]): Promise<number> => {
    this.pending = this.pending.filter((message) => !ids.includes(message.id));
    return Promise.resolve(ids.length);
  };
  async #note(...call: unknown[]): Promise<void> {
    this.calls.push(call);
    await Promise.resolve();
  }
}

describe('the MCP tools, through the official client', () => {
  const open: Client[] = [];
  afterEach(async () => {
    for (const client of open.splice(0)) await client.close();
  });
  async function connected(runner: Reporter): Promise<Client> {
    const [near, far] = InMemoryTransport.createLinkedPair();
    const client = new Client({ name: 'test', version: '1' });
    await Promise.all([createMcpServer(runner, '1.2.3').connect(far), client.connect(near)]);
    open.push(client);
    return client;
  }
  const call = async (
    client: Client,
    name: string,
    args: Record<string, unknown> = {},
  ): Promise<{ text: string; isError: boolean }> => {
    const result = await client.callTool({ name, arguments: args });
    const [content] = result.content as { text: string }[];
    return { text: content?.text ?? '', isError: result.isError === true };
  };

  it('offers the six verbs, each with a description and a schema', async () => {
    const { tools } = await (await connected(new Told())).listTools();
    expect(tools.map(({ name }) => name).sort()).toEqual([
      'checkpoint',
      'done',
      'escalate',
      'heartbeat',
      'messages',
      'note',
    ]);
    for (const tool of tools) {
      expect(tool.description?.length).toBeGreaterThan(40);
      expect(tool.inputSchema.type).toBe('object');
    }
  });

  it('carries each call to the runner', async () => {
    const runner = new Told();
    const client = await connected(runner);
    await call(client, 'heartbeat', { activity: 'building' });
    await call(client, 'note', { text: 'the parser is generated' });
    await call(client, 'checkpoint');
    await call(client, 'escalate', { text: 'which licence?' });
    expect((await call(client, 'done', { summary: 'all green' })).text).toContain('heartbead/b/1-aaaaaaaa');
    expect(runner.calls).toEqual([
      ['heartbeat', 'building'],
      ['note', 'the parser is generated'],
      ['checkpoint', undefined],
      ['escalate', 'which licence?'],
      ['done', 'all green'],
    ]);
  });

  it('gives a refusal back as an answer that the model can act on', async () => {
    const runner = new Told();
    runner.dirty = true;
    expect(await call(await connected(runner), 'done')).toEqual({
      text: 'there are uncommitted changes: a.txt',
      isError: true,
    });
  });

  it('reads and acknowledges messages', async () => {
    const client = await connected(new Told());
    expect((await call(client, 'messages')).text).toBe('[m1] from operator: look at the tests');
    expect((await call(client, 'messages', { acknowledge: ['m1'] })).text).toBe('No messages.');
  });

  it('refuses what the schema does not allow, and tells the runner nothing', async () => {
    const runner = new Told();
    const result = await call(await connected(runner), 'note', { text: '' });
    expect(result.isError).toBe(true);
    expect(runner.calls).toEqual([]);
  });
});
