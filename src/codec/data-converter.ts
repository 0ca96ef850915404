import { join } from 'node:path';
import type { DataConverter } from '@temporalio/common';
import { packageRoot } from '../package/compiled.js';
import type { Keys } from './keys.js';
import { PayloadSeal } from './seal.js';
import type { SealOptions } from './seal.js';

/**
 * @returns how clients, runners and workers alike write payloads: sealed where there are keys, and with them what
 * failures say, which stands beside payloads otherwise.
 */
export const sealingConverter = (keys: Keys | undefined, options: SealOptions = {}): DataConverter => ({
  payloadCodecs: [new PayloadSeal(keys, options)],
  failureConverterPath: keys === undefined ? undefined : join(packageRoot, 'dist/codec/failure-converter.cjs'),
});
