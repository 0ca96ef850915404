import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, readFile, readdir, readlink, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Checkpoint } from '../../../src/contract/index.js';
import { createWorktree, pushBranch, resolveBase, saveWip } from '../../../src/git/index.js';
import { mergeItem } from '../../../src/git/merge/merge-item.js';
import { git, mirrorOf, useLab } from './lab.js';

const lab = useLab();

/** A path as the disk has it: the bytes of its name, each as one character. */
type Path = string;
const named = (text: string): Path => Buffer.from(text).toString('latin1');
const onDisk = (tree: string, path: Path): Buffer =>
  Buffer.concat([Buffer.from(`${tree}/`), Buffer.from(path, 'latin1')]);

const paths: Path[] = [
  ...[
    'plain',
    'a b',
    ' before',
    'behind ',
    'ümlaut.txt',
    '日本語',
    '-dash',
    '--all',
    'new\nline',
    'tab\there',
    '"quoted"',
    "it's",
    'back\\slash',
    ':(top)x',
    '*',
    '[ab]?',
    '#hash',
    '!not',
    '.hidden',
    '$(x)`y`',
    'HEAD',
    'd/in',
    'd/ü b/-x',
    'e\n/f',
    '-d/--g',
    'x'.repeat(200),
  ].map(named),
  // No text at all: what a Mac does not take as a name.
  ...(process.platform === 'linux' ? ['\xff\xfe.bin', 'd/\xc3('] : []),
];

interface Entry {
  mode: '100644' | '100755' | '120000';
  data: Buffer;
}
type Tree = Map<Path, Entry>;

type Step =
  | { do: 'write'; path: Path; data: Buffer; executable: boolean }
  | { do: 'link'; path: Path; to: string }
  | { do: 'remove'; pick: number }
  | { do: 'rename'; pick: number; to: Path }
  | { do: 'mode'; pick: number }
  | { do: 'stage' | 'commit' | 'merge' }
  | { do: 'save' };

const path = fc.constantFrom(...paths);
const pick = fc.nat(1_000);
const data = fc.oneof(
  fc.constant(Buffer.alloc(0)),
  fc
    .constantFrom('one\n', 'one\r\ntwo\r\n', 'no end', '\0\xff\0', '* text\n')
    .map((text) => Buffer.from(text, 'latin1')),
  fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc.nat(255).map((byte) => Buffer.alloc(120_000, byte)),
);
const changed = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), path, data, executable: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('link' as const), path, to: fc.constantFrom('plain', '../out of it', 'ü') }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rename' as const), pick, to: path }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('mode' as const), pick }) },
);
const done = fc.constantFrom('stage', 'commit', 'merge', 'save').map((what) => ({ do: what }) as Step);
/** Some changes, then something that git does; a few times. */
const life = fc
  .array(fc.tuple(fc.array(changed, { minLength: 1, maxLength: 6 }), done), { minLength: 2, maxLength: 5 })
  .map((parts): Step[] => parts.flatMap(([changes, end]) => [...changes, end]));

const idOf = ({ data: content }: Entry): string =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
const listed = (tree: Tree): string[] =>
  [...tree].map(([name, entry]) => `${entry.mode} ${idOf(entry)} ${name}`).sort();

/** @returns what a commit of a repository holds, each file by mode, id of its content and name. */
async function inCommit(repository: string, sha: string): Promise<string[]> {
  const { stdout } = await execa('git', ['ls-tree', '-r', '-z', sha], {
    cwd: repository,
    encoding: 'buffer',
    stripFinalNewline: false,
  });
  return Buffer.from(stdout)
    .toString('latin1')
    .split('\0')
    .filter((entry) => entry !== '')
    .map((entry) => entry.replace(/^(\d+) \w+ ([0-9a-f]+)\t/s, '$1 $2 '))
    .sort();
}

/** @returns the same of what lies in a folder, without its repository. */
async function inFolder(tree: string, below: Path = ''): Promise<Tree> {
  const found: Tree = new Map();
  for (const bytes of await readdir(onDisk(tree, below), { encoding: 'buffer' })) {
    const name = `${below}${bytes.toString('latin1')}`;
    if (name === '.git') continue;
    const file = onDisk(tree, name);
    const stats = await lstat(file);
    if (stats.isDirectory()) for (const [inner, entry] of await inFolder(tree, `${name}/`)) found.set(inner, entry);
    else if (stats.isSymbolicLink())
      found.set(name, { mode: '120000', data: await readlink(file, { encoding: 'buffer' }) });
    else found.set(name, { mode: (stats.mode & 0o100) === 0 ? '100644' : '100755', data: await readFile(file) });
  }
  return found;
}

/** An agent in its tree, and what must be there of it. */
class Agent {
  readonly tree: Tree = new Map();
  #merges = 0;
  constructor(
    readonly folder: string,
    readonly branch: string,
    readonly base: string,
  ) {}

  async does(step: Exclude<Step, { do: 'save' }>): Promise<void> {
    switch (step.do) {
      case 'write':
        return this.#put(step.path, { mode: step.executable ? '100755' : '100644', data: step.data });
      case 'link':
        return this.#put(step.path, { mode: '120000', data: Buffer.from(step.to) });
      case 'remove': {
        const name = this.#picked(step.pick);
        if (name === undefined) return;
        await unlink(onDisk(this.folder, name));
        this.tree.delete(name);
        return;
      }
      case 'rename': {
        const name = this.#picked(step.pick);
        const entry = name === undefined ? undefined : this.tree.get(name);
        if (name === undefined || entry === undefined) return;
        await this.#folderOf(step.to);
        await rename(onDisk(this.folder, name), onDisk(this.folder, step.to));
        this.tree.delete(name);
        this.tree.set(step.to, entry);
        return;
      }
      case 'mode': {
        const name = this.#picked(step.pick);
        const entry = name === undefined ? undefined : this.tree.get(name);
        if (name === undefined || entry === undefined || entry.mode === '120000') return;
        const mode = entry.mode === '100644' ? '100755' : '100644';
        await chmod(onDisk(this.folder, name), mode === '100755' ? 0o755 : 0o644);
        this.tree.set(name, { ...entry, mode });
        return;
      }
      case 'stage':
        await git(this.folder, 'add', '--all');
        return;
      case 'commit':
        return this.#commit();
      case 'merge': {
        await this.#commit();
        const side = `side-${(this.#merges += 1)}`;
        await git(this.folder, 'checkout', '--quiet', '-b', side, this.base);
        const entry: Entry = { mode: '100644', data: Buffer.from(`${side}\n`) };
        await writeFile(join(this.folder, side), entry.data);
        await this.#commit();
        await git(this.folder, 'checkout', '--quiet', this.branch);
        await git(this.folder, 'merge', '--quiet', '--no-ff', '-m', `merge ${side}`, side);
        this.tree.set(side, entry);
        return;
      }
    }
  }

  async #commit(): Promise<void> {
    await git(this.folder, 'add', '--all');
    await git(this.folder, 'commit', '--quiet', '--allow-empty', '-m', 'work\n\nwith a body');
  }

  async #put(name: Path, entry: Entry): Promise<void> {
    await this.#folderOf(name);
    const file = onDisk(this.folder, name);
    if (this.tree.has(name)) await unlink(file);
    if (entry.mode === '120000') await symlink(entry.data, file);
    else await writeFile(file, entry.data, { mode: entry.mode === '100755' ? 0o755 : 0o644 });
    this.tree.set(name, entry);
  }

  async #folderOf(name: Path): Promise<void> {
    if (name.includes('/')) await mkdir(onDisk(this.folder, dirname(name)), { recursive: true });
  }

  #picked(number: number): Path | undefined {
    const names = [...this.tree.keys()].sort();
    return names[number % Math.max(names.length, 1)];
  }
}

/** A life that has every step in it; one costs ten seconds of processes on a busy machine. */
const usual = { seed: 2300, numRuns: 1 };
/** Whoever looks for what is still unknown asks for more of them, or for others. */
const { HEARTBEAD_LIVES: lives, HEARTBEAD_LIVES_SEED: begunAt } = process.env;
const chosen = { seed: Number(begunAt ?? usual.seed), numRuns: Number(lives ?? usual.numRuns) };
let runs = 0;

it('saved, pushed, gone on from and landed, no commit and no byte of any repository is lost', async () => {
  const mirror = await mirrorOf(lab);
  const base = (await resolveBase(mirror)).sha;
  const seen = new Set<string>();
  // Somebody else's copy: what is not on the remote is not in it.
  const other = join(lab.dir, 'other.git');
  await git(lab.dir, 'clone', '--quiet', '--bare', lab.origin, other);
  const onRemote = async (ref: string): Promise<string> => {
    await git(other, 'fetch', '--quiet', lab.origin, `+${ref}:refs/looked-at`);
    return git(other, 'rev-parse', 'refs/looked-at');
  };
  await fc.assert(
    fc.asyncProperty(life, async (steps) => {
      runs += 1;
      const [bead, attempt, target] = [`b${runs}`, '1-abcd', `target-${runs}`];
      const branch = `heartbead/${bead}/${attempt}`;
      const folder = join(lab.dir, `${attempt}__${bead}`, `${bead}-${attempt}`);
      await git(lab.origin, 'branch', target, base);
      await createWorktree({ mirror, path: folder, branch, at: base });
      const agent = new Agent(folder, branch, base);
      agent.tree.set('README.md', { mode: '100644', data: Buffer.from('hello\n') });
      const ids = { bead, attempt, remote: lab.origin };
      let last: Checkpoint | undefined;
      for (const step of [...steps, { do: 'save' } as const]) {
        seen.add(step.do);
        if (step.do !== 'save') {
          await agent.does(step);
          continue;
        }
        const saved = await saveWip({ worktree: folder, ...ids, push: true });
        expect([saved.pushed, saved.unsaved, saved.trouble]).toEqual([true, undefined, undefined]);
        last = saved.checkpoint;
        expect(await onRemote(last.ref ?? '')).toBe(last.sha);
        expect(await inCommit(other, last.sha)).toEqual(listed(agent.tree));
        const head = await git(folder, 'rev-parse', 'HEAD');
        expect(await git(other, 'rev-parse', last.wip ? `${last.sha}^` : last.sha)).toBe(head);
        expect(listed(await inFolder(folder))).toEqual(listed(agent.tree));
      }
      if (last === undefined) throw new Error('the last step is a save');
      // The next attempt has it all back, and what was uncommitted is so again.
      const next = join(lab.dir, `2-efgh__${bead}`, `${bead}-2-efgh`);
      await createWorktree({ mirror, path: next, branch: `heartbead/${bead}/2-efgh`, at: last.sha, wip: last.wip });
      expect(listed(await inFolder(next))).toEqual(listed(agent.tree));
      expect(await git(next, 'rev-parse', 'HEAD')).toBe(await git(folder, 'rev-parse', 'HEAD'));
      if (last.wip) expect(await git(next, 'status', '--porcelain')).not.toBe('');

      await agent.does({ do: 'commit' });
      const { sha } = await pushBranch({ worktree: folder, ...ids });
      expect(await inCommit(other, await onRemote(`refs/heads/${branch}`))).toEqual(listed(agent.tree));
      const commits = (await git(folder, 'rev-list', `${base}..HEAD`)).split('\n');
      // Somebody was faster.
      const theirs = await git(other, 'commit-tree', '-p', base, '-m', 'theirs', await treeWith(other, base));
      await git(other, 'push', '--quiet', lab.origin, `${theirs}:refs/heads/${target}`);
      const outcome = await mergeItem(
        {
          repo: lab.origin,
          mirrors: lab.root,
          scratch: join(lab.dir, 'refinery', 'rig', bead),
          item: { item: bead, branch, sha, target, title: `Add ${bead}` },
          runChecks: () => Promise.resolve(undefined),
          say: () => undefined,
          warn: (text, error) => expect.fail(`${text}: ${String(error)}`),
          observe: () => undefined,
          confirm: () => undefined,
        },
        'merge',
      );
      expect(outcome).toMatchObject({ outcome: 'merged' });
      const landed = await onRemote(`refs/heads/${target}`);
      agent.tree.set('theirs', { mode: '100644', data: Buffer.from('theirs\n') });
      expect(await inCommit(other, landed)).toEqual(listed(agent.tree));
      const reached = new Set((await git(other, 'rev-list', landed)).split('\n'));
      expect([...commits, theirs].filter((commit) => !reached.has(commit))).toEqual([]);
    }),
    // A failure is told as it is: making it smaller would take minutes.
    { ...chosen, endOnFailure: true },
  );
  if (chosen.seed !== usual.seed) return;
  expect([...seen].sort()).toEqual(['commit', 'link', 'merge', 'mode', 'remove', 'rename', 'save', 'stage', 'write']);
});

/** @returns a tree with one file more. */
async function treeWith(repository: string, base: string): Promise<string> {
  const file = await execa('git', ['hash-object', '-w', '--stdin'], { cwd: repository, input: 'theirs\n' });
  const { stdout } = await execa('git', ['ls-tree', base], { cwd: repository });
  const made = await execa('git', ['mktree'], {
    cwd: repository,
    input: `${stdout}\n100644 blob ${file.stdout}\ttheirs\n`,
  });
  return made.stdout;
}
