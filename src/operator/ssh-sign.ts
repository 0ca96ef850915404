import { execa } from 'execa';
import { signatureNamespace } from '../domain/approval/index.js';
import { CliError, exitCodes, failure } from './cli-error.js';

/**
 * Signs a text by `ssh-keygen`, which asks for a passphrase on the terminal when the key has one.
 * @param key file of a private key; of a public one, when the ssh agent holds the private part.
 * @returns the armoured signature.
 * @throws CliError with the last line of what ssh-keygen says.
 */
export async function sshSign(key: string, text: string): Promise<string> {
  const done = await execa('ssh-keygen', ['-q', '-Y', 'sign', '-n', signatureNamespace, '-f', key], {
    input: text,
    reject: false,
    stripFinalNewline: false,
  });
  if (!done.failed) return done.stdout;
  if (done.code === 'ENOENT')
    throw failure('there is no ssh-keygen to sign with', 'install OpenSSH (openssh-client), version 8.2 or later');
  const said = done.stderr.trim().split('\n').at(-1) ?? '';
  throw new CliError({
    code: exitCodes.failed,
    message: `${key} signs nothing: ${said === '' ? `ssh-keygen ended with ${done.exitCode}` : said}`,
    next: 'give the file of an ed25519 key of OpenSSH; a public one needs the ssh agent that holds its private part',
  });
}
