import { link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { checkSizes } from '../../../src/cli/doctor/size-check.js';
import { diskTaken } from '../../../src/host/disk-taken.js';
import { scratchFolder } from '../../support/scratch.js';

const mib = 2 ** 20;
const put = async (file: string, bytes: number): Promise<void> => {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, randomBytes(bytes));
};

/** A state directory with a little of everything. */
async function filled(): Promise<string> {
  const home = scratchFolder('sizes');
  const attempt = join(home, 'attempts', '1-aaaa1111__fix');
  await put(join(home, 'mirrors', `${'a'.repeat(16)}.git`, 'objects', 'pack', 'p.pack'), 6 * mib);
  await put(join(home, 'mirrors', `${'a'.repeat(16)}.git.lfs`, 'objects', 'ab', 'cd', 'abcd'), 2 * mib);
  await put(join(attempt, 'fix-1-aaaa1111', 'build.log'), 3 * mib);
  await put(join(attempt, 'fix-1-aaaa1111.keeper.git', 'index'), mib);
  // The same content once more, and a link to what lies elsewhere: neither takes anything.
  await link(join(attempt, 'fix-1-aaaa1111', 'build.log'), join(attempt, 'fix-1-aaaa1111', 'again'));
  await put(join(home, 'elsewhere'), 9 * mib);
  await symlink(join(home, 'elsewhere'), join(attempt, 'fix-1-aaaa1111', 'link'));
  await put(join(attempt, 'agent.log'), mib);
  await put(join(attempt, 'agent.log.1'), mib);
  await put(join(attempt, 'runner.out'), mib);
  await put(join(home, 'spare-trees', 'abcd', 'build.log'), 2 * mib);
  await put(join(home, 'logs', 'worker.log'), mib);
  await put(join(home, 'refinery', 'app', 'fix.log'), mib);
  await put(join(home, 'refinery', 'app', 'fix', 'tree.txt'), 5 * mib);
  return home;
}

test('doctor says what mirrors, contents of Git LFS, attempts, spare trees and logs take, each once', async () => {
  const check = await checkSizes(await filled(), { free: 100 * 1_024 * mib });
  expect(check).toEqual({
    name: 'sizes',
    verdict: 'ok',
    text:
      'mirrors 6.0 MiB (1 repository; of it 0 MiB for beads, in 0 refs), contents of Git LFS 2.0 MiB, ' +
      'attempts 4.0 MiB (1 folder), spare trees 2.0 MiB, logs 5.0 MiB',
  });
  expect((await checkSizes(join(scratchFolder('sizes'), 'none'), { free: 100 * 1_024 * mib })).text).toMatch(
    /^mirrors 0 MiB \(0 repositories.*logs 0 MiB$/,
  );
});

test('when the disk is nearly full, the largest part is named with what makes it smaller', async () => {
  const home = await filled();
  expect(await checkSizes(home, { free: mib })).toMatchObject({
    verdict: 'warn',
    next: expect.stringMatching(/largest part here is mirrors: `heartbead tidy`/) as string,
  });
  await put(join(home, 'attempts', '2-bbbb2222__fix', 'fix-2-bbbb2222', 'core'), 9 * mib);
  expect(await checkSizes(home, { free: mib })).toMatchObject({
    next: expect.stringMatching(/largest part here is attempts: .*heartbead problems/) as string,
  });
  await put(join(home, 'spare-trees', 'abcd', 'large'), 20 * mib);
  expect(await checkSizes(home, { free: mib })).toMatchObject({
    next: expect.stringMatching(/largest part here is spare trees: .*HEARTBEAD_SPARE_TREE=none/) as string,
  });
});

test('a tree that takes too long to look through is told as at least so much', async () => {
  const home = await filled();
  let looks = 4;
  const { text } = await checkSizes(home, { goOn: () => (looks -= 1) >= 0, free: 100 * 1_024 * mib });
  expect(text).toMatch(
    /^mirrors 6\.0 MiB .*contents of Git LFS at least 0\.1 MiB, attempts at least .*, logs at least /,
  );
  await mkdir(join(home, 'many'));
  for (let n = 0; n < 450; n += 1) await writeFile(join(home, 'many', `${n}`), '');
  looks = 2;
  const asked: number[] = [];
  const goOn = (): boolean => {
    asked.push(looks);
    return (looks -= 1) >= 0;
  };
  expect((await diskTaken(join(home, 'many'), { goOn })).whole).toBe(false);
  // Once for the folder, and once for each few hundred files in it.
  expect(asked).toEqual([2, 1, 0]);
  expect((await diskTaken(join(home, 'many'), { goOn: () => true })).whole).toBe(true);
});
