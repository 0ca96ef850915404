/** The server that `docker-compose.yml` starts when nobody says another. @module */
import { readFileSync } from 'node:fs';

const composeFile = new URL('../docker-compose.yml', import.meta.url);

/** @returns its version: `1.32.0`. */
export function serverOfComposeFile() {
  const [, version] = /image: temporalio\/server:\$\{TEMPORAL_VERSION:-([\d.]+)\}/.exec(
    readFileSync(composeFile, 'utf8'),
  ) ?? [undefined, undefined];
  if (version === undefined) throw new Error('docker-compose.yml names no version of the server');
  return version;
}

/** @returns what its health check asks: the URL that answers when the server can be asked things. */
export function healthOfComposeFile() {
  const [url] = /http:\/\/127\.0\.0\.1:7243\/[^']+/.exec(readFileSync(composeFile, 'utf8')) ?? [undefined];
  if (url === undefined) throw new Error('docker-compose.yml has no health check of the server');
  return url;
}
