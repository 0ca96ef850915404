import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A small repository with one commit on `main`, as an agent's origin. */
export class Repository {
  readonly path = mkdtempSync(join(tmpdir(), 'heartbead-origin-'));

  constructor() {
    this.git('init', '--quiet', '--initial-branch', 'main');
    // Agents commit as whoever the host's git says; a machine without an identity must not fail these tests.
    this.git('config', 'receive.denyCurrentBranch', 'ignore');
    writeFileSync(join(this.path, 'README.md'), 'hello\n');
    this.git('add', '.');
    this.git('-c', 'user.name=Test', '-c', 'user.email=test@localhost', 'commit', '--quiet', '--message', 'first');
  }

  git(...args: string[]): string {
    return execFileSync('git', ['-C', this.path, ...args], { encoding: 'utf8' }).trim();
  }

  /**
   * Options of a sling whose base is not there, which blocks its bead on the host. Of a path the command line itself
   * would refuse it.
   */
  get withoutBase(): string[] {
    return ['--repo', `file://${this.path}`, '--base', 'nosuch'];
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A shell agent that writes a file, commits it, and reports done. */
export const goodAgent =
  'echo written > file.txt && git add file.txt && git -c user.name=A -c user.email=a@localhost commit -qm ' +
  '"write a file" && heartbead agent done "wrote a file"';
