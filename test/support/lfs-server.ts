import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A store of Git LFS on the loopback: the batch API with its basic transfer
 * (https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md).
 */
export interface LfsServer {
  /** For `lfs.url`. */
  url: string;
  objects: Map<string, Buffer>;
  /** What was asked, as `operation count`, or `PUT`/`GET`. */
  asked: string[];
  /** Wanted of every question, when set. */
  authorization?: string | undefined;
  /** Set: it takes uploads, says that all is well, and keeps nothing. */
  forgets: boolean;
  /** Status for every upload, when set. */
  refuses?: number | undefined;
  close: () => Promise<void>;
}

export async function startLfsServer(): Promise<LfsServer> {
  const objects = new Map<string, Buffer>();
  const asked: string[] = [];
  const server: Server = createServer((request, response) => {
    void (async () => {
      const body = await bodyOf(request);
      const json = (status: number, value: unknown): void => {
        response.writeHead(status, { 'Content-Type': 'application/vnd.git-lfs+json' });
        response.end(JSON.stringify(value));
      };
      if (found.authorization !== undefined && request.headers.authorization !== found.authorization) {
        response.setHeader('WWW-Authenticate', 'Basic realm="lfs"');
        json(401, { message: 'who are you?' });
        return;
      }
      if (request.method === 'POST' && request.url === '/objects/batch') {
        const { operation, objects: wanted } = JSON.parse(body.toString()) as {
          operation: 'upload' | 'download';
          objects: { oid: string; size: number }[];
        };
        asked.push(`${operation} ${wanted.length}`);
        const header = found.authorization === undefined ? {} : { Authorization: found.authorization };
        json(200, {
          transfer: 'basic',
          objects: wanted.map(({ oid, size }) => {
            const action = { href: `${found.url}/content/${oid}`, header };
            if (operation === 'download')
              return objects.has(oid)
                ? { oid, size, actions: { download: action } }
                : { oid, size, error: { code: 404, message: 'no such object' } };
            return objects.has(oid) ? { oid, size } : { oid, size, actions: { upload: action } };
          }),
        });
        return;
      }
      const oid = /^\/content\/([0-9a-f]{64})$/.exec(request.url ?? '')?.[1];
      asked.push(request.method ?? '');
      if (oid !== undefined && request.method === 'PUT') {
        if (found.refuses !== undefined) {
          json(found.refuses, { message: 'the store is full' });
          return;
        }
        if (createHash('sha256').update(body).digest('hex') !== oid) {
          json(422, { message: 'not what its name says' });
          return;
        }
        if (!found.forgets) objects.set(oid, body);
        response.end();
        return;
      }
      const content = oid === undefined ? undefined : objects.get(oid);
      if (content === undefined) json(404, { message: 'not here' });
      else response.end(content);
    })();
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const found: LfsServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    asked,
    forgets: false,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return found;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
