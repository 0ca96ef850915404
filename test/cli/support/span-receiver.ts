import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as it arrived. */
export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  name: string;
  service: string;
  attributes: Record<string, unknown>;
  failed: boolean;
}

interface Wire {
  resourceSpans: {
    resource: { attributes: Pair[] };
    scopeSpans: {
      spans: (Omit<ReceivedSpan, 'service' | 'attributes'> & { attributes: Pair[]; status: { code?: number } })[];
    }[];
  }[];
}
type Pair = { key: string; value: Record<string, unknown> };
const pairs = (list: Pair[]): Record<string, unknown> =>
  Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0]]));

/** A collector of OpenTelemetry on loopback that keeps what it is sent. */
export class SpanReceiver {
  readonly all: ReceivedSpan[] = [];
  /** What the header `x-key` had. */
  readonly keys = new Set<string | undefined>();

  private constructor(private readonly server: Server) {}

  static async listen(): Promise<SpanReceiver> {
    const server = createServer((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      request.on('end', () => {
        if (request.url === '/v1/traces' && request.method === 'POST') receiver.#take(JSON.parse(text) as Wire);
        receiver.keys.add(request.headers['x-key'] as string | undefined);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
    const receiver = new SpanReceiver(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** What is about a bead by its attributes. */
  of(bead: string): ReceivedSpan[] {
    return this.all.filter(
      ({ attributes }) => attributes['heartbead.bead'] === bead || attributes['temporalWorkflowID'] === `bead-${bead}`,
    );
  }

  #take({ resourceSpans }: Wire): void {
    for (const { resource, scopeSpans } of resourceSpans)
      for (const { spans } of scopeSpans)
        for (const { attributes, status, ...span } of spans)
          this.all.push({
            ...span,
            service: String(pairs(resource.attributes)['service.name']),
            attributes: pairs(attributes),
            failed: status.code === 2,
          });
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
