import { GitError } from '../git-error.js';
import { askForContents, lfsSettings, named, noProgram, notHere } from './contents.js';
import { newPointers } from './pointers.js';
import type { LfsPointer } from './pointers.js';
import { lfsProgram } from './program.js';
import { lackingAt } from './remote.js';
import { runLfs } from './run-lfs.js';

/** A command line takes a few thousand of them. */
const idsAtOnce = 500;

/**
 * Uploads the contents of files in Git LFS that a push of commits would leave behind, and asks the remote's store
 * whether it has them: the pointers go only where the contents are. Free where a commit brings no pointer.
 * @param commits of the vault; what `takeContents` took before is uploaded.
 * @param has a commit whose files the remote has; what is on its branches when absent.
 * @throws GitError when the remote would have pointers without contents.
 */
export async function uploadContents(
  vault: string,
  remote: string,
  commits: readonly string[],
  signal?: AbortSignal,
  has?: string,
): Promise<void> {
  const pointers = new Map<string, LfsPointer>();
  for (const commit of commits)
    for (const pointer of await newPointers(vault, commit, signal, has)) pointers.set(pointer.oid, pointer);
  const wanted = [...pointers.values()];
  if (wanted.length === 0) return;
  const doing = 'uploading files of Git LFS';
  if ((await lfsProgram(signal)) === undefined)
    throw new GitError('other', `${named(wanted)} is kept by Git LFS, and ${noProgram}`);
  const settings = await lfsSettings(vault, signal);
  const asked = await lackingAt(vault, settings, wanted, signal);
  const lacking = asked ?? wanted;
  if (lacking.length === 0) return;
  // Where the store cannot be asked, what can be fetched from it is there.
  if (asked === undefined && (await notHere(vault, lacking)).length > 0)
    await askForContents(vault, commits, settings, signal);
  const nowhere = await notHere(vault, lacking);
  if (nowhere.length > 0)
    throw new GitError(
      'rejected',
      `${named(nowhere)} is kept by Git LFS, and its contents are neither here nor in the remote's store: ` +
        'bring the files here (`git lfs fetch`), or add them again (`git add --renormalize`), and commit',
      'GH008: LFS objects are missing',
    );
  const ids = lacking.map(({ oid }) => oid);
  let last = '';
  for (let from = 0; from < ids.length; from += idsAtOnce) {
    const some = ids.slice(from, from + idsAtOnce);
    const { code, stdout, stderr } = await runLfs(vault, settings, ['push', '--object-id', 'origin', ...some], {
      doing,
      repo: remote,
      signal,
      limit: 'transfer',
      accept: [0, 1, 2, 128],
    });
    const said = `${stdout}\n${stderr}`;
    last = said;
    if (code !== 0 || (asked === undefined && !allOf(some.length, said))) throw notTaken(remote, said);
  }
  const left = await lackingAt(vault, settings, lacking, signal);
  if (left === undefined || left.length === 0) return;
  throw new GitError(
    'unreachable',
    `git-lfs ended well, but the remote's store does not have ${named(left)}${words(last)}: look at the store ` +
      `of ${remote} (\`git lfs env\` names it); trying again may help`,
  );
}

/** What it said beside its progress. */
function words(said: string): string {
  const lines = said.split(/[\n\r]/).map((line) => line.trim());
  const telling = lines.filter((line) => line !== '' && !/^(?:Uploading LFS objects|info:$)/.test(line)).join(' ');
  return telling === '' ? '' : ` (it said: ${telling.slice(0, 300)})`;
}

/** Whether git-lfs has counted them all; it was seen to end well without having looked at any. */
const allOf = (count: number, said: string): boolean => said.includes(`(${count}/${count})`);

function notTaken(remote: string, text: string): GitError {
  const lines = text.split('\n').map((line) => line.trim());
  const said =
    lines.find((line) => /error|denied|refused|fatal|batch response|quota|limit|missing/i.test(line)) ??
    lines.findLast((line) => line !== '') ??
    'git-lfs gave no reason';
  const access = /40[13]|denied|authori[sz]ation|credentials/i.test(text);
  return new GitError(
    access ? 'auth' : 'unreachable',
    `files of Git LFS could not be uploaded to the store of ${remote} (${said.slice(0, 300)}), so the commits ` +
      'are not pushed: ' +
      (access ? 'give the user that runs the worker access to it' : 'look at that store; trying again may help'),
    text,
  );
}
