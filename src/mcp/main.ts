import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { strangerProblem } from '../runner/attempt-of-path.js';
import { AgentSocketClient } from '../runner/sockets/agent-socket-client.js';
import { packageVersion } from '../version.js';
import { createMcpServer } from './server.js';

/**
 * `heartbead mcp`: the tools over stdio, for an agent program that Heartbead has started. Resolves when the program
 * hangs up.
 * @throws AgentSocketError when `HEARTBEAD_SOCKET` is not set.
 */
export async function serveMcp(env: NodeJS.ProcessEnv): Promise<void> {
  const stranger = strangerProblem(env, process.cwd());
  if (stranger !== undefined) throw new Error(stranger);
  const server = createMcpServer(AgentSocketClient.fromEnvironment(env), packageVersion());
  const closed = new Promise<void>((resolve) => {
    server.server.onclose = resolve;
    // The transport does not notice the end of its input by itself, and would outlive the agent.
    process.stdin.once('end', resolve);
    process.stdin.once('close', resolve);
  });
  await server.connect(new StdioServerTransport());
  await closed;
  await server.close();
}
