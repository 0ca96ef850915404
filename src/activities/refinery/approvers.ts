import { ApplicationFailure } from '@temporalio/common';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { failureTypes } from '../../contract/index.js';
import { keyProblem } from '../../domain/approval/index.js';
import { isMissing } from '../../edge/errors.js';

/** Name of the settings file in the state directory of each host. */
export const approversFile = 'approvers.json';

const settings: z.ZodType<{ keys: string[] }> = z.strictObject({
  keys: z
    .array(z.string().refine((key) => keyProblem(key) === undefined, 'no ed25519 public key of OpenSSH'))
    .min(1)
    .max(50),
});

/**
 * @param home the state directory.
 * @returns the keys by one of which everything is signed that this host merges, whatever its rig says; without the file
 * none.
 * @throws ApplicationFailure, final, when the file cannot be used: what is to be signed must not land without.
 */
export function approversHere(home: string): readonly string[] {
  const file = join(home, approversFile);
  const refuse = (why: string, cause?: Error): never => {
    throw ApplicationFailure.create({
      message: `${file} ${why}: correct it, then retry the merge`,
      type: failureTypes.badInput,
      nonRetryable: true,
      cause,
    });
  };
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return [];
    return refuse('cannot be read', error as Error);
  }
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (error) {
    return refuse('is not JSON', error as Error);
  }
  const parsed = settings.safeParse(given);
  if (parsed.success) return parsed.data.keys;
  const [issue] = parsed.error.issues;
  return refuse(`says who approves, and cannot be used (${issue?.path.join('.')}: ${issue?.message})`);
}
