import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { scratchFolder, script } from '../support/scratch.js';
import type { AddressInfo } from 'node:net';
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface DownloadService {
  /** Base URL, for the option `downloads`. */
  url: string;
  /** What it was asked for, path and query. */
  asked: string[];
}

/**
 * A stand-in for the service that the SDK downloads its servers from: answers with one archive that holds `program`.
 */
export async function downloadService(
  program: string,
  override?: (request: IncomingMessage, response: ServerResponse) => boolean,
): Promise<DownloadService> {
  const folder = scratchFolder('downloads');
  script(join(folder, 'inside/server-program'), program);
  execFileSync('tar', ['-czf', join(folder, 'a.tar.gz'), '-C', folder, 'inside']);
  const archive = readFileSync(join(folder, 'a.tar.gz'));
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (override?.(request, response) === true) return;
    if (request.url?.startsWith('/a.tar.gz') === true) response.end(archive);
    else response.end(JSON.stringify({ archiveUrl: `${url}/a.tar.gz`, fileToExtract: 'inside/server-program' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, asked };
}

/**
 * Where nothing listens: a connection is refused at once. (`fetch` refuses the usual examples, ports 1 and 9, by
 * itself.)
 */
export const unreachable = 'http://127.0.0.1:2';
