/**
 * A worker that does nothing but update a mirror: to be killed by tests. Arguments: folder of the mirrors, repository.
 */
import { updateMirror } from '../../../src/git/index.js';

const [root = '', repo = ''] = process.argv.slice(2);
const { path } = await updateMirror({ root, repo, onProgress: (progress) => console.log(JSON.stringify(progress)) });
console.log(path);
