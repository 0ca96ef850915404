import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { execa } from 'execa';

/**
 * A bare repository with a long history: so many commits, each of which changes one of 2,000 files to ten new kilobytes
 * that nothing compresses. 50,000 of them make half a gigabyte.
 * @returns its path.
 */
export async function makeLargeRepository(folder: string, commits: number): Promise<string> {
  const origin = join(folder, 'large.git');
  await execa('git', ['-c', 'init.defaultBranch=main', 'init', '--quiet', '--bare', origin]);
  const importing = execa('git', ['-C', origin, 'fast-import', '--quiet', '--depth=0'], { buffer: false });
  const write = (chunk: Buffer): Promise<void> =>
    new Promise((resolve, reject) => {
      importing.stdin.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  for (let n = 0; n < commits; n += 1) {
    const content = noise(n);
    const text = `change ${n}`;
    await write(
      Buffer.concat([
        Buffer.from(
          `commit refs/heads/main\ncommitter Bench <bench@localhost> ${1_600_000_000 + n * 60} +0000\ndata ` +
            `${text.length}\n${text}\nM 100644 inline src/d${n % 50}/f${n % 2_000}.bin\ndata ${content.length}\n`,
        ),
        content,
        Buffer.from('\n'),
      ]),
    );
  }
  importing.stdin.end();
  await importing;
  return origin;
}

/** Ten kilobytes by a number; the same ones for ever. */
function noise(seed: number): Buffer {
  const blocks: Buffer[] = [];
  for (let block = 0; block < 160; block += 1) blocks.push(createHash('sha512').update(`${seed}/${block}`).digest());
  return Buffer.concat(blocks);
}

/**
 * A bare repository of one commit with so many small files, a hundred in a folder.
 * @returns its path.
 */
export async function makeWideRepository(folder: string, files: number): Promise<string> {
  const origin = join(folder, 'wide.git');
  await execa('git', ['-c', 'init.defaultBranch=main', 'init', '--quiet', '--bare', origin]);
  const lines = ['commit refs/heads/main', 'committer Bench <bench@localhost> 1600000000 +0000', 'data 4', 'wide'];
  const folders = Math.max(10, Math.ceil(files / 100));
  for (let n = 0; n < files; n += 1) {
    const text = `file ${n}`;
    lines.push(`M 100644 inline d${n % folders}/f${n}.txt`, `data ${text.length}`, text);
  }
  await execa('git', ['-C', origin, 'fast-import', '--quiet'], { input: `${lines.join('\n')}\n` });
  return origin;
}
