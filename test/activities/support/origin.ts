import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gitEnv } from '../../../src/git/index.js';

const exec = promisify(execFile);
const identity = {
  GIT_AUTHOR_NAME: 'Test',
  GIT_AUTHOR_EMAIL: 'test@localhost',
  GIT_COMMITTER_NAME: 'Test',
  GIT_COMMITTER_EMAIL: 'test@localhost',
};

export async function git(cwd: string, ...args: string[]): Promise<string> {
  const { stdout } = await exec('git', args, { cwd, env: { ...gitEnv(), ...identity } });
  return stdout.trim();
}

/** A bare repository with one commit on `main`, to be somebody's remote. */
export async function makeOrigin(folder: string): Promise<{ url: string; sha: string }> {
  const url = join(folder, 'origin.git');
  const work = join(folder, 'origin-work');
  await mkdir(work, { recursive: true });
  await git(folder, 'init', '--quiet', '--bare', '--initial-branch=main', url);
  await git(work, 'init', '--quiet', '--initial-branch=main');
  await writeFile(join(work, 'README.md'), '# A repository\n');
  await git(work, 'add', '.');
  await git(work, 'commit', '--quiet', '-m', 'Begin');
  await git(work, 'push', '--quiet', url, 'main');
  return { url, sha: await git(work, 'rev-parse', 'HEAD') };
}
