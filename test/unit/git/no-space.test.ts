import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { bulk, commitToOrigin, useLab } from './lab.js';

const lab = useLab();
const script = fileURLToPath(new URL('full-disk-process.ts', import.meta.url));
/**
 * A mount of our own needs a user namespace, which containers may forbid; the words of a full disk are tested in
 * git-failure.test.ts.
 */
const canMount =
  (await execa('unshare', ['--map-root-user', '--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { reject: false }))
    .exitCode === 0;

describe.skipIf(!canMount)('on a full disk', () => {
  it('a clone says so and leaves the space that it had taken', async () => {
    await commitToOrigin(lab, 'main', bulk(400, 20_000));
    const disk = join(lab.dir, 'disk');
    await mkdir(disk);
    // The mount is seen, and goes, with this process only.
    const { stdout } = await execa('unshare', [
      '--map-root-user',
      '--mount',
      'sh',
      '-c',
      'mount -t tmpfs -o size=2m tmpfs "$1" && exec "$2" --import tsx "$3" "$1" "$4"',
      'sh',
      disk,
      process.execPath,
      script,
      lab.origin,
    ]);
    expect(JSON.parse(stdout)).toEqual({
      name: 'GitError',
      kind: 'no_space',
      mayPass: true,
      message: expect.stringContaining('free some space') as string,
      left: [],
    });
    expect(await readdir(disk)).toEqual([]);
  });
});
