import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { checkedRepo } from './git-input.js';

/**
 * @param root the folder of the mirrors, `mirrors/` in the host's state directory.
 * @returns where the mirror of a repository is, or would be: `<first 16 hex digits of sha256(repo)>.git`.
 * @throws GitError `bad_input`
 */
export const mirrorPath = (root: string, repo: string): string =>
  resolve(root, `${createHash('sha256').update(checkedRepo(repo)).digest('hex').slice(0, 16)}.git`);
