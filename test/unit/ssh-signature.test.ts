import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { fingerprint, keyProblem, plainKey, signerOf } from '../../src/domain/index.js';
import { sshSign } from '../../src/operator/ssh-sign.js';

const text = 'heartbead approval\ncommit: abc\n';
let folder: string;
const file = (name: string): string => join(folder, name);
const keygen = (...args: string[]): string => execFileSync('ssh-keygen', args, { encoding: 'utf8', input: text });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'approver-'));
  keygen('-q', '-t', 'ed25519', '-N', '', '-C', 'Ada at home', '-f', file('ada'));
  keygen('-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', file('rsa'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const publicKey = (name: string): string => readFileSync(file(`${name}.pub`), 'utf8').trim();

test('what ssh-keygen signs names its key, under the name that ssh-keygen gives it', async () => {
  const signer = signerOf(text, await sshSign(file('ada'), text));
  expect(signer).toEqual({ key: plainKey(publicKey('ada')) });
  expect(keygen('-l', '-f', file('ada.pub'))).toContain(` ${fingerprint(plainKey(publicKey('ada')) ?? '')} `);
});

describe('a signature does not hold', () => {
  it('for another text, or with one byte of it changed', async () => {
    const signature = await sshSign(file('ada'), text);
    expect(signerOf(`${text} `, signature)).toEqual({ problem: 'it signs something else' });
    const lines = signature.split('\n');
    const body = Buffer.from(lines.slice(1, -2).join(''), 'base64');
    const all = [...body.keys()].filter((at) => {
      const other = Buffer.from(body);
      other.writeUInt8((other.readUInt8(at) + 1) % 256, at);
      const armoured = `-----BEGIN SSH SIGNATURE-----\n${other.toString('base64')}\n-----END SSH SIGNATURE-----\n`;
      const signer = signerOf(text, armoured);
      return 'key' in signer && signer.key === plainKey(publicKey('ada'));
    });
    expect(all).toEqual([]);
  });

  it.each([
    ['that is made for git', ['-n', 'git', '-f', 'ada'], /not made for Heartbead/],
    ['by a key of another kind', ['-n', 'heartbead', '-f', 'rsa'], /not by an ed25519 key/],
    ['with another hash', ['-O', 'hashalg=sha256', '-n', 'heartbead', '-f', 'ada'], /hash is not sha512/],
  ])('%s', (_, args, words) => {
    const given = args.map((arg) => (arg === 'ada' || arg === 'rsa' ? file(arg) : arg));
    expect(signerOf(text, keygen('-q', '-Y', 'sign', ...given))).toMatchObject({
      problem: expect.stringMatching(words),
    });
  });

  it.each([
    undefined,
    null,
    7,
    '',
    'SSHSIG',
    'x'.repeat(5_000),
    '-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----',
  ])('when it is %j', (given) => expect(signerOf(text, given)).toHaveProperty('problem'));
});

test('an approver is an ed25519 key in one line', () => {
  expect(keyProblem(publicKey('ada'))).toBeUndefined();
  expect(plainKey(publicKey('ada'))).toBe(publicKey('ada').split(' ').slice(0, 2).join(' '));
  for (const given of [
    publicKey('rsa'),
    `${publicKey('ada')}\n${publicKey('ada')}`,
    'ssh-ed25519 AAAA',
    'ssh-ed25519',
    7,
  ])
    expect(keyProblem(given)).toMatch(/ed25519 public key in one line/);
});

test('a key that signs nothing is refused with what ssh-keygen says', async () => {
  await expect(sshSign(file('nobody'), text)).rejects.toMatchObject({
    message: expect.stringMatching(/nobody signs nothing: .*No such file/),
  });
});
