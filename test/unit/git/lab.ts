import { chmod, mkdir, mkdtemp, readFile, readdir, readlink, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { afterEach, beforeEach, vi } from 'vitest';
import { updateMirror } from '../../../src/git/index.js';

/** Real repositories in a folder of their own, without the machine's git configuration and without any identity. */
export interface Lab {
  dir: string;
  /** Folder of the mirrors. */
  root: string;
  /** Bare repository with one commit on `main`. */
  origin: string;
  /** The person who works on origin: a clone of it. */
  seed: string;
  /** The git configuration that the code under test sees as the user's. */
  config: string;
}

const person = {
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
};

/** Runs git as a person or an agent would. @returns stdout, trimmed. */
export async function git(cwd: string, ...args: string[]): Promise<string> {
  return (await execa('git', args, { cwd, env: person })).stdout.trim();
}

/** Writes files (undefined removes one) and commits everything. @returns the commit. */
export async function commit(
  cwd: string,
  files: Record<string, string | undefined>,
  message = 'work',
): Promise<string> {
  await put(cwd, files);
  await git(cwd, 'add', '--all');
  await git(cwd, 'commit', '--quiet', '--allow-empty', '-m', message);
  return git(cwd, 'rev-parse', 'HEAD');
}

export async function put(cwd: string, files: Record<string, string | undefined>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(cwd, name);
    if (content === undefined) await rm(path);
    else {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
    }
  }
}

/** Has a remote refuse every commit without a `Signed-off-by`, merges and refs of all kinds included. */
export async function demandSignoff(origin: string): Promise<void> {
  const hook = join(origin, 'hooks', 'update');
  await mkdir(dirname(hook), { recursive: true });
  await writeFile(
    hook,
    [
      '#!/bin/sh',
      'case $3 in *[!0]*) ;; *) exit 0;; esac',
      'for sha in $(git rev-list "$3" --not --all); do',
      '  git log -1 --format="%(trailers:key=Signed-off-by,valueonly)" "$sha" | grep -q . && continue',
      '  echo "$sha is not signed off" >&2; exit 1',
      'done',
      '',
    ].join('\n'),
  );
  await chmod(hook, 0o755);
}

/** Commits to a branch of origin. @returns the commit. */
export async function commitToOrigin(
  lab: Lab,
  branch: string,
  files: Record<string, string | undefined>,
): Promise<string> {
  await git(lab.seed, 'checkout', '--quiet', '-B', branch);
  const sha = await commit(lab.seed, files);
  await git(lab.seed, 'push', '--quiet', '--force', 'origin', `HEAD:refs/heads/${branch}`);
  return sha;
}

/** Two megabytes that hardly compress, in more files than git unpacks singly. */
export const bulk = (files = 250, bytes = 8_000): Record<string, string> =>
  Object.fromEntries(Array.from({ length: files }, (_, index) => [`bulk/${index}.txt`, noise(index + 1, bytes)]));

function noise(seed: number, bytes: number): string {
  let state = seed;
  let text = '';
  while (text.length < bytes) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += state.toString(36);
  }
  return text;
}

/** A lab for every test of the file, and the wide limits that real processes need. */
export function useLab(): Lab {
  vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
  const lab: Lab = { dir: '', root: '', origin: '', seed: '', config: '' };
  beforeEach(async () => {
    const dir = await realpath(await mkdtemp(join(tmpdir(), 'heartbead-git-')));
    Object.assign(lab, {
      dir,
      root: join(dir, 'mirrors'),
      origin: join(dir, 'origin.git'),
      seed: join(dir, 'seed'),
      config: join(dir, 'gitconfig'),
    });
    // Git must not make up an identity either: what commits without one fails here.
    await writeFile(lab.config, '[user]\n\tuseConfigOnly = true\n[init]\n\tdefaultBranch = main\n');
    vi.stubEnv('GIT_CONFIG_GLOBAL', lab.config);
    vi.stubEnv('GIT_CONFIG_NOSYSTEM', '1');
    vi.stubEnv('HOME', dir);
    await git(dir, 'init', '--quiet', '--bare', lab.origin);
    await git(dir, 'clone', '--quiet', lab.origin, lab.seed);
    await commitToOrigin(lab, 'main', { 'README.md': 'hello\n' });
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(lab.dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  });
  return lab;
}

export const mirrorOf = async (lab: Lab, repo = lab.origin): Promise<string> =>
  (await updateMirror({ root: lab.root, repo })).path;

/** What origin has at a ref, or an empty text. */
export const remoteSha = async (lab: Lab, ref: string): Promise<string> =>
  (await git(lab.dir, 'ls-remote', lab.origin, ref)).split('\t')[0] ?? '';

/** A remote that stops in the middle of sending a pack until it is told to go on. */
export interface SlowRemote {
  /** Resolves when a pack is half sent. */
  reached: () => Promise<void>;
  /** Lets this pack and all later ones through. */
  go: () => Promise<void>;
}

/**
 * Uses git's own hook for the making of packs, which it takes from the user's configuration only. Without keep-alives
 * the server's side never notices a dead client.
 */
export async function slowRemote(lab: Lab, { hold = true, sent = 300_000 } = {}): Promise<SlowRemote> {
  const script = join(lab.dir, 'pack-hook.sh');
  const file = (name: string): string => join(lab.dir, name);
  // It ends by itself when upload-pack, its parent, is gone.
  await writeFile(
    script,
    `#!/bin/sh
[ -e ${file('go')} ] && exec "$@"
out=$(mktemp ${file('pack.XXXXXX')})
"$@" > $out || exit 1
head -c ${sent} $out
echo x >> ${file('reached')}
while [ ! -e ${file('go')} ] && kill -0 $PPID 2>/dev/null; do sleep 0.05; done
tail -c +${sent + 1} $out
`,
  );
  await chmod(script, 0o755);
  await writeFile(
    lab.config,
    `${await readFile(lab.config, 'utf8')}[uploadpack]\n\tpackObjectsHook = ${script}\n\tkeepAlive = 0\n`,
  );
  if (!hold) await writeFile(file('go'), '');
  return {
    reached: () => until(() => has(file('reached'))),
    go: () => writeFile(file('go'), ''),
  };
}

export async function has(path: string): Promise<boolean> {
  return (await readdir(dirname(path))).includes(path.slice(dirname(path).length + 1));
}

/** Waits for an event that leaves no other trace. @throws Error when it has not come within a minute. */
export async function until(happened: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + 60_000;
  while (!(await happened())) {
    if (performance.now() > end) throw new Error(`waited a minute in vain for: ${String(happened)}`);
    await sleep(20);
  }
}

/** Puts a git in front of the real one that writes down how it was called. @returns the commands so far. */
export async function countingGit(lab: Lab): Promise<() => Promise<string[]>> {
  const [folder, record] = [join(lab.dir, 'bin'), join(lab.dir, 'commands')];
  const real = (await execa('sh', ['-c', 'command -v git'])).stdout;
  await mkdir(folder);
  await writeFile(join(folder, 'git'), `#!/bin/sh\necho "$*" >> ${record}\nexec ${real} "$@"\n`, { mode: 0o755 });
  vi.stubEnv('PATH', `${folder}:${process.env['PATH']}`);
  return async () => (await readFile(record, 'utf8')).trim().split('\n');
}

/** Puts a git in front of the real one that does a thing (a line of shell) once, before its first call of a command. */
export async function steppingIn(lab: Lab, command: string, line: string): Promise<void> {
  const folder = join(lab.dir, 'stepping-in');
  const real = (await execa('sh', ['-c', 'command -v git'])).stdout;
  await mkdir(folder);
  const script = [
    '#!/bin/sh',
    'name=',
    `for word in "$@"; do [ "$word" = ${command} ] && name=${command}; done`,
    `if [ -n "$name" ] && mkdir ${folder}/done 2>/dev/null; then ${line}; fi`,
    `${real} "$@"`,
    'ended=$?',
    `for word in "$@"; do case $word in fetch|ls-remote) : > ${folder}/ended-$word ;; esac; done`,
    'exit $ended',
  ];
  await writeFile(join(folder, 'git'), `${script.join('\n')}\n`, { mode: 0o755 });
  vi.stubEnv('PATH', `${folder}:${process.env['PATH']}`);
}

/** @returns the processes that work in a folder or below (Linux). */
export async function processesIn(folder: string): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if ((await readlink(`/proc/${entry}/cwd`)).startsWith(folder)) found.push(Number(entry));
    } catch (error) {
      // Ended while we looked, or another user's.
      if (!['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return found;
}

/** @returns the git processes that a process has started (Linux). */
export async function gitChildrenOf(pid: number): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = await readFile(`/proc/${entry}/stat`, 'utf8');
      const [, name, parent] = /^\d+ \((.*)\) \S (\d+)/.exec(stat) ?? [];
      if (name === 'git' && Number(parent) === pid) found.push(Number(entry));
    } catch (error) {
      // Ended while we looked.
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return found;
}
