import { readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { isMissing } from '../../edge/errors.js';
import { GitError } from '../../git/index.js';
import type { Signing } from '../../git/merge/index.js';

/** Name of the settings file in the state directory of each host. */
export const signingFile = 'signing.json';

const signing: z.ZodType<Signing> = z
  .strictObject({ format: z.enum(['ssh', 'openpgp']), key: z.string().regex(/^[^-\p{Cc}][^\p{Cc}]{0,999}$/u) })
  .refine(({ format, key }) => format !== 'ssh' || isAbsolute(key), 'the key of ssh is the absolute path of its file');
const settings = z.strictObject({
  usual: signing.optional(),
  /** What is different for the merges of a rig, by its name; null: they are not signed. */
  rigs: z.record(z.string(), signing.nullable()).optional(),
});

/**
 * @param home the state directory.
 * @returns how this host signs merges, as its file says it; undefined without a file.
 * @throws GitError when the file cannot be used: what is to be signed must not land without.
 */
export function readSigning(home: string): z.output<typeof settings> | undefined {
  const file = join(home, signingFile);
  const refuse = (why: string, cause?: unknown): never => {
    throw new GitError('bad_input', `${file} ${why}: correct it, then retry the merge`, '', { cause });
  };
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    return refuse('cannot be read', error);
  }
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (error) {
    return refuse('is not JSON', error);
  }
  const parsed = settings.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refuse(`says how merges are signed, and cannot be used (${issue?.path.join('.')}: ${issue?.message})`);
  }
  return parsed.data;
}

/**
 * @returns how this host signs the merges of a rig, or undefined.
 * @throws GitError like `readSigning`.
 */
export function signingOf(home: string, rig: string): Signing | undefined {
  const { usual, rigs = {} } = readSigning(home) ?? {};
  return (rig in rigs ? rigs[rig] : usual) ?? undefined;
}
