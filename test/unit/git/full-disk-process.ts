/** Clones onto a disk that is too small and tells how that ended. Arguments: the disk, the repository. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { GitError, updateMirror } from '../../../src/git/index.js';

const [disk = '', repo = ''] = process.argv.slice(2);
const root = join(disk, 'mirrors');
try {
  await updateMirror({ root, repo });
  console.log(JSON.stringify({ name: 'no error' }));
} catch (error) {
  if (!(error instanceof GitError)) throw error;
  const { name, kind, mayPass, message } = error;
  console.log(JSON.stringify({ name, kind, mayPass, message, left: await readdir(root) }));
}
