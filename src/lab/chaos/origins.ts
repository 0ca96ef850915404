import { chmod, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { gitEnv } from '../../git/git-env.js';
import { branchShaTrailer, itemTrailer } from '../../git/merge/index.js';
import type { Refusal } from './plan.js';

/** Longer than any of these takes on a small repository and a busy disk. */
const gitWithin = 60_000;

/** What forges say, and of which refs they say it (a pattern of the shell). */
const hookRefusals: Record<Exclude<Refusal, 'gone'>, { of: string; words: string }> = {
  'read-only': { of: '*', words: 'error: this repository is read-only while it is moved' },
  'token-expired': { of: '*', words: 'error: the access token has expired' },
  'ref-restricted': {
    of: 'refs/heads/heartbead/*',
    words: 'error: GH013: Repository rule violations found: Cannot create ref due to creations being restricted.',
  },
};

/** A bare repository, and what it has itself to say: nobody's report is believed. */
export class ChaosOrigin {
  #refusing: Refusal | undefined;

  private constructor(readonly path: string) {}

  /** How it refuses pushes just now; undefined when it takes them. */
  get refusing(): Refusal | undefined {
    return this.#refusing;
  }

  /** From now on it takes no pushes, or only some. */
  async refuse(how: Refusal): Promise<void> {
    this.#refusing = how;
    if (how === 'gone') return rename(this.path, `${this.path}.gone`);
    const { of, words } = hookRefusals[how];
    const hook = join(this.path, 'hooks', 'pre-receive');
    await writeFile(
      `${hook}.new`,
      `#!/bin/sh\nwhile read -r old new ref; do\n  case $ref in ${of}) echo '${words}' >&2; exit 1 ;; esac\ndone\n`,
    );
    await chmod(`${hook}.new`, 0o755);
    await rename(`${hook}.new`, hook);
  }

  /** It takes pushes again. */
  async takeAgain(): Promise<void> {
    if (this.#refusing === 'gone') await rename(`${this.path}.gone`, this.path);
    else await rm(join(this.path, 'hooks', 'pre-receive'), { force: true });
    this.#refusing = undefined;
  }

  /** Makes one with a first commit on `main`. */
  static async make(folder: string, name: string): Promise<ChaosOrigin> {
    const origin = new ChaosOrigin(join(folder, `${name}.git`));
    await execa('git', ['-c', 'init.defaultBranch=main', 'init', '--quiet', '--bare', origin.path], {
      env: gitEnv(),
      extendEnv: false,
    });
    const readme = `# ${name}\n`;
    const input = [
      'commit refs/heads/main',
      'committer Chaos <chaos@localhost> 1700000000 +0000',
      'data 5',
      'begin',
      'M 100644 inline README.md',
      `data ${readme.length}`,
      readme,
      '',
    ].join('\n');
    await execa('git', ['-C', origin.path, 'fast-import', '--quiet'], { env: gitEnv(), extendEnv: false, input });
    return origin;
  }

  /** @returns the merges of the beads on `main`: the item and commit that their trailers name. */
  async merges(): Promise<{ sha: string; item: string; from: string }[]> {
    const format =
      `%H|%(trailers:key=${itemTrailer},valueonly,separator=%x2C)|%(trailers:key=${branchShaTrailer}` +
      ',valueonly,separator=%x2C)';
    const lines = (await this.git('log', '--first-parent', `--format=${format}`, 'refs/heads/main')).split('\n');
    return lines.flatMap((line) => {
      const [sha = '', item = '', from = ''] = line.split('|');
      return item === '' ? [] : [{ sha, item, from }];
    });
  }

  /** @returns the commit by ref. */
  async refs(prefix: string): Promise<Map<string, string>> {
    const lines = (await this.git('for-each-ref', '--format=%(objectname) %(refname)', prefix)).split('\n');
    return new Map(lines.filter((line) => line !== '').map((line) => [line.slice(41), line.slice(0, 40)]));
  }

  /** @returns whether a commit is there and a ref leads to it. */
  async reachable(sha: string): Promise<boolean> {
    return reachableIn(this.path, sha);
  }

  async isAncestor(ancestor: string, of: string): Promise<boolean> {
    return (await this.tried('merge-base', '--is-ancestor', ancestor, of)) !== undefined;
  }

  /** @returns the parent of a commit; undefined when the commit is not there. */
  parent(sha: string): Promise<string | undefined> {
    return this.tried('rev-parse', '--verify', '--quiet', `${sha}^`);
  }

  /** @returns the paths in a folder at a commit. */
  async files(sha: string, folder: string): Promise<string[]> {
    return (await this.git('ls-tree', '-r', '--name-only', sha, '--', folder))
      .split('\n')
      .filter((line) => line !== '');
  }

  private async git(...args: string[]): Promise<string> {
    return (
      await execa('git', ['-C', this.path, ...args], { env: gitEnv(), extendEnv: false, timeout: gitWithin })
    ).stdout.trim();
  }

  private async tried(...args: string[]): Promise<string | undefined> {
    return tried(this.path, ...args);
  }
}

/** @returns whether a commit is in a repository and a ref leads to it there. */
export const reachableIn = async (path: string, sha: string): Promise<boolean> =>
  ((await tried(path, 'for-each-ref', '--count=1', '--format=%(refname)', '--contains', sha)) ?? '') !== '';

async function tried(path: string, ...args: string[]): Promise<string | undefined> {
  const { failed, stdout } = await execa('git', ['-C', path, ...args], {
    env: gitEnv(),
    extendEnv: false,
    timeout: gitWithin,
    reject: false,
  });
  return failed ? undefined : stdout.trim();
}
