import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sshSign } from '../../src/operator/ssh-sign.js';

/** Real keys of OpenSSH in a folder of their own; each is made when it is first named. */
export class ApproverKeys {
  readonly #folder = mkdtempSync(join(tmpdir(), 'approver-'));
  readonly #made = new Set<string>();

  /** @returns the file of a private key. */
  file(name: string): string {
    const file = join(this.#folder, name);
    if (!this.#made.has(name)) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file]);
    this.#made.add(name);
    return file;
  }

  public(name: string): string {
    return readFileSync(`${this.file(name)}.pub`, 'utf8').trim();
  }

  sign(name: string, text: string): Promise<string> {
    return sshSign(this.file(name), text);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
