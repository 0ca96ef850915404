import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './package/compiled.js';

/** @returns the version of this installation, from its package.json. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}
