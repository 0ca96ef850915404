import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GitError } from './git-error.js';
import { exists, textOf } from './files.js';
import { configText, formatLines, ownUrl, trackedBranches } from './secure-mirror.js';
import { lfsProgram } from './lfs/program.js';
import { readMirrorRefs, tracking } from './mirror-refs.js';
import type { MirrorRefs } from './mirror-refs.js';

/**
 * Makes a repository that borrows all objects of a vault, by files: no template, no process. Its configuration, hooks,
 * refs, stash and HEAD are its own, so whatever is done to them stays in it.
 *
 * It borrows (`objects/info/alternates`) what the vault must therefore never drop. The vault is only ever packed by
 * `packMirror` and `packWhole`, which keep every object whether a ref reaches it or not, and nobody runs `git gc`,
 * `git prune` or a `git repack -a` that drops something there: a borrowed commit may be on no branch any more (its
 * branch was rewritten on the remote, and the vault's own refs follow). Who wants to shrink a vault makes a new one
 * beside it and keeps the old objects as an alternate for as long as any attempt's folder exists, as `replaceMirror`
 * does.
 * @param gitDir - must not be there yet.
 * @param head - the content of HEAD.
 * @param refs - full name to commit.
 * @param pushUrl - where `git push` goes instead of the repository.
 * @param known - the vault's refs, where the caller has them.
 */
export async function makeRepository(
  gitDir: string,
  {
    vault,
    head,
    refs,
    pushUrl,
    known,
  }: {
    vault: string;
    head: string;
    refs: Record<string, string>;
    pushUrl?: string | undefined;
    known?: MirrorRefs | undefined;
  },
  signal?: AbortSignal,
): Promise<void> {
  const { standard, refs: borrowed } = known ?? (await readMirrorRefs(vault, { signal }));
  // Each start makes one: what does not need the other is done side by side.
  const [config] = await Promise.all([
    repositoryConfiguration(vault, pushUrl),
    ...folders.map((folder) => mkdir(join(gitDir, folder), { recursive: true })),
  ]);
  const files = new Map([
    ['objects/info/alternates', `${join(vault, 'objects')}\n`],
    ['packed-refs', `# pack-refs with: sorted \n${packedRefs(borrowed)}`],
    ['config', config],
    ['HEAD', `${head}\n`],
  ]);
  if (standard !== undefined) files.set('refs/remotes/origin/HEAD', `ref: ${standard}\n`);
  for (const [name, sha] of Object.entries(refs)) files.set(name, `${sha}\n`);
  await Promise.all(
    [...files].map(async ([name, text]) => {
      const file = join(gitDir, name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }),
  );
}

/** Those that `git init` makes, or a first fetch. */
const folders = ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags', 'refs/remotes/origin', 'hooks', 'info'];

/** @returns lines of a file `packed-refs`: what a repository has of the remote from the start. */
function packedRefs(refs: MirrorRefs['refs']): string {
  const lines: string[] = [];
  for (const [name, sha] of refs)
    if (name.startsWith(tracking) || name.startsWith('refs/tags/')) lines.push(`${sha} ${name}\n`);
  return lines.join('');
}

/** @returns the configuration of a repository that borrows the objects of a vault. @throws GitError */
export async function repositoryConfiguration(vault: string, pushUrl?: string): Promise<string> {
  const [config, { version, disk, extensions }, lfs] = await Promise.all([
    textOf(join(vault, 'config')),
    formatLines(vault),
    lfsProgram(),
  ]);
  const repo = ownUrl(vault, config);
  if (repo === undefined && (await exists(vault)))
    throw new GitError(
      'other',
      `the mirror ${vault} does not say of which repository it is: update it, then try again`,
    );
  return [
    '[core]',
    version,
    '\tfilemode = true',
    '\tbare = false',
    '\tlogallrefupdates = true',
    ...disk,
    ...extensions,
    // The host's user may sign by a key that asks for a passphrase, or for a finger; an agent has neither. A set-up
    // step of the rig can set a key of the agents' own.
    '[commit]',
    '\tgpgsign = false',
    '[tag]',
    '\tgpgsign = false',
    '\tforcesignannotated = false',
    '[push]',
    '\tgpgsign = false',
    // No collection in the background of an agent's commands: the repository lives for hours.
    '[gc]',
    '\tauto = 0',
    '[maintenance]',
    '\tauto = false',
    ...(lfs?.settings ?? []),
    ...(repo === undefined
      ? []
      : [
          '[remote "origin"]',
          `\turl = ${configText(repo)}`,
          `\tfetch = ${trackedBranches}`,
          ...(pushUrl === undefined ? [] : [`\tpushurl = ${configText(pushUrl)}`]),
        ]),
    '',
  ].join('\n');
}
