import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** Aider has no tools: it reads files with their new content from the model's words. */
const edit = 'Here it is.\n\nhello.txt\n```\nhello\n```\n';
const refusals: Record<number, string> = { 401: 'invalid_api_key', 429: 'rate_limit_exceeded' };

/** A model on loopback that writes `hello.txt` in Aider's whole-file format, or refuses. Ends with the test. */
export async function aiderLlm(status: () => number): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const code = status();
      const refusal = refusals[code];
      if (refusal !== undefined) {
        response.writeHead(code, { 'content-type': 'application/json', 'retry-after': '2' });
        return response.end(JSON.stringify({ error: { message: refusal, code: refusal } }));
      }
      const asked = JSON.parse(Buffer.concat(chunks).toString() || '{}') as { stream?: boolean };
      const usage = { prompt_tokens: 1_000, completion_tokens: 20, total_tokens: 1_020 };
      const base = { id: 'a', model: 'fake-model', usage };
      if (asked.stream !== true) {
        response.writeHead(200, { 'content-type': 'application/json' });
        const message = { role: 'assistant', content: 'feat: say hello' };
        const choices = [{ index: 0, message, finish_reason: 'stop' }];
        return response.end(JSON.stringify({ ...base, object: 'chat.completion', choices }));
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const choice of [{ delta: { role: 'assistant', content: edit } }, { delta: {}, finish_reason: 'stop' }]) {
        const choices = [{ index: 0, ...choice }];
        response.write(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices })}\n\n`);
      }
      return response.end('data: [DONE]\n\n');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}
