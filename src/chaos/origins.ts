import { join } from 'node:path';
import { execa } from 'execa';
import { gitEnv } from '../git/git-env.js';
import { branchShaTrailer, itemTrailer } from '../git/merge/index.js';

/** Longer than any of these takes on a small repository and a busy disk. */
const gitWithin = 60_000;

/** A bare repository, and what it has itself to say: nobody's report is believed. */
export class Origin {
  private constructor(readonly path: string) {}

  /** Makes one with a first commit on `main`. */
  static async make(folder: string, name: string): Promise<Origin> {
    const origin = new Origin(join(folder, `${name}.git`));
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
    return ((await this.tried('for-each-ref', '--count=1', '--format=%(refname)', '--contains', sha)) ?? '') !== '';
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
    const { failed, stdout } = await execa('git', ['-C', this.path, ...args], {
      env: gitEnv(),
      extendEnv: false,
      timeout: gitWithin,
      reject: false,
    });
    return failed ? undefined : stdout.trim();
  }
}
