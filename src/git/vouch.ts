import { createPrivateKey, createPublicKey, randomBytes, sign, verify } from 'node:crypto';
import { ensureCommit } from './ensure-commit.js';
import { runGit } from './run-git.js';
import type { GitPlace } from './run-git.js';
import { ownIdentity, ownSignoff } from './wip-commit.js';

/** The trailer that holds a runner's signature. */
const trailer = 'Heartbead-Vouched';

/** What stands before the 32 random bytes of a private Ed25519 key in PKCS #8 (RFC 8410, 7). */
const ed25519Key = Buffer.from('302e020100300506032b657004220420', 'hex');

/** What is signed: this commit is the finished work of this attempt. */
const statement = (bead: string, attempt: string, sha: string): Buffer =>
  Buffer.from(`heartbead done\n${bead}\n${attempt}\n${sha}\n`);

/**
 * A runner's word for its attempt's finished work. The private half never leaves the process, so that nobody who reads
 * its disk, the remote or a history can give that word in its place.
 */
export class Voucher {
  /** Public half, base64url: the bead keeps it. */
  readonly key: string;
  readonly #sign: (text: Buffer) => Buffer;

  /** @param signoff whether its commits carry a `Signed-off-by`. */
  constructor(private readonly signoff = false) {
    // Not by `generateKeyPairSync`: where garbage is collected in the middle of the export (Node.js 20), what that call
    // has left behind waits for a lock that the export holds, and the runner stands still for ever.
    const der = Buffer.concat([ed25519Key, randomBytes(32)]);
    const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
    if (x === undefined) throw new Error('the key that was made has no public half');
    this.key = x;
    this.#sign = (text) => sign(null, text, privateKey);
  }

  /**
   * Makes the commit that carries the word for `sha`: same files, on top of it.
   * @returns its id.
   * @throws GitError
   */
  async mark(place: GitPlace, bead: string, attempt: string, sha: string, signal?: AbortSignal): Promise<string> {
    const signature = this.#sign(statement(bead, attempt, sha)).toString('base64url');
    const { stdout } = await runGit(place, ['commit-tree', '--no-gpg-sign', '-p', sha, `${sha}^{tree}`], {
      doing: 'vouching for the finished work',
      signal,
      env: ownIdentity,
      input:
        `Bead ${bead}: attempt ${attempt} is done\n\n${trailer}: ${signature}\n` +
        (this.signoff ? `${ownSignoff}\n` : ''),
    });
    return stdout.trim();
  }
}

/**
 * @param ref the attempt's `done` ref; `marker` is where it stands on the remote; undefined when it is not there.
 * @param key the runner's, as the bead keeps it; undefined when no runner has ever told one.
 * @returns why a pushed commit is not vouched for, in a few words; undefined when it is.
 * @throws GitError
 */
export async function vouchProblem(
  mirror: string,
  repo: string,
  {
    bead,
    attempt,
    sha,
    ref,
    marker,
    key,
  }: { bead: string; attempt: string; sha: string } & {
    ref: string;
    marker: string | undefined;
    key: string | undefined;
  },
  signal?: AbortSignal,
): Promise<string | undefined> {
  if (key === undefined) return 'its runner has told no key by which its word could be known';
  if (marker === undefined) return 'its runner never said that the work is finished';
  const found = await ensureCommit(mirror, repo, { sha: marker, ref, wip: false }, { signal });
  if (found.sha !== marker) return `${ref} moved while it was read`;
  const args = ['log', '-1', '--no-show-signature', `--format=%(trailers:key=${trailer},valueonly)`];
  const { stdout } = await runGit({ mirror }, [...args, '--end-of-options', marker], {
    doing: `reading ${ref}`,
    signal,
  });
  const signature = Buffer.from(stdout.trim(), 'base64url');
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key }, format: 'jwk' });
  return verify(null, statement(bead, attempt, sha), publicKey, signature)
    ? undefined
    : `what stands at ${ref} is not its runner's word for ${sha}`;
}
