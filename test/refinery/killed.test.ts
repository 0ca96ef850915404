import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { prepareRefinery } from '../../src/activities/refinery/index.js';
import type { MergeStrategy } from '../../src/contract/index.js';
import type { MergeStep } from '../../src/git/merge/index.js';
import { processAlive } from '../../src/runner/index.js';
import { killMerge } from './support/killed-merge.js';
import {
  bead,
  check,
  git,
  hook,
  inputOf,
  leftovers,
  markersOf,
  merge,
  originSha,
  othersCommit,
  recordsOf,
  until,
  useLab,
  written,
} from './support/lab.js';

const lab = useLab();

/** Every point, with the two ways to record a merge; the three strategies where they differ in what is left behind. */
const points: { step: MergeStep; strategy: MergeStrategy; atomic: boolean; onRemote: boolean }[] = [
  { step: 'looked', strategy: 'merge', atomic: true, onRemote: false },
  { step: 'checked', strategy: 'merge', atomic: true, onRemote: false },
  { step: 'pushing', strategy: 'squash', atomic: true, onRemote: false },
  { step: 'verified', strategy: 'squash', atomic: true, onRemote: true },
  { step: 'removed', strategy: 'merge', atomic: true, onRemote: true },
  ...(['merge', 'squash', 'rebase'] as const).flatMap((strategy) => [
    { step: 'merged' as const, strategy, atomic: true, onRemote: false },
    { step: 'recorded' as const, strategy, atomic: true, onRemote: true },
    { step: 'pushed' as const, strategy, atomic: false, onRemote: true },
  ]),
  { step: 'recorded', strategy: 'squash', atomic: false, onRemote: true },
];

describe('a merge that is killed with SIGKILL and run again is on the remote exactly once', () => {
  test.each(points)('at "$step" ($strategy, atomic: $atomic)', async ({ step, strategy, atomic, onRemote }) => {
    if (!atomic) await git(lab.origin, 'config', 'receive.advertiseAtomic', 'false');
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }, { 'lamp.txt': 'off\n' }]);
    await othersCommit(lab, { 'other.txt': 'x\n' });
    const input = inputOf(lab, request, { strategy, checks: [check('test -f lamp.txt')] });
    await killMerge(lab, input, { step });
    expect(await recordsOf(lab, request)).toHaveLength(onRemote ? 1 : 0);
    if (onRemote && !atomic && step === 'pushed') expect(await markersOf(lab, request)).toBe('');
    const killedAt = await originSha(lab, 'refs/heads/main');
    // Work of others in between must not hide it.
    await othersCommit(lab, { 'more.txt': 'x\n' });

    const outcome = await merge(lab, request, { strategy, checks: [check('test -f lamp.txt')] });
    expect(await recordsOf(lab, request)).toEqual([outcome.outcome === 'merged' ? outcome.sha : 'not merged']);
    if (onRemote) expect(outcome).toMatchObject({ sha: killedAt });
    expect(
      (await git(lab.origin, 'log', '--format=%s', 'main'))
        .split('\n')
        .filter((subject) => /lamp: step 2|^Add lamp|^Merge lamp/.test(subject)),
    ).toHaveLength(strategy === 'merge' ? 2 : 1);
    expect(await git(lab.origin, 'show', 'main:lamp.txt')).toBe('off');
    expect(await leftovers(lab.home)).toEqual([]);
  });
});

describe('a merge that is killed in the middle of its push', () => {
  /** The first push waits within the remote until it is let go; later ones pass. */
  const holdFirstPush = (): Promise<void> =>
    hook(
      lab,
      'pre-receive',
      `mkdir ${lab.dir}/held 2>/dev/null || exit 0; echo $PPID > ${lab.dir}/receiver; while [ ! -e ` +
        `${lab.dir}/go ]; do sleep 0.05; done`,
    );
  const letGo = async (): Promise<void> => {
    await writeFile(join(lab.dir, 'go'), '');
    const receiver = Number(await readFile(join(lab.dir, 'receiver'), 'utf8'));
    await until(() => !processAlive(receiver));
  };

  test.each([true, false])(
    'whose push goes on without it, and ends before the next try begins (atomic: %s)',
    async (atomic) => {
      if (!atomic) await git(lab.origin, 'config', 'receive.advertiseAtomic', 'false');
      const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
      await othersCommit(lab, { 'other.txt': 'x\n' });
      await holdFirstPush();
      await killMerge(lab, inputOf(lab, request, { strategy: 'squash' }), {
        event: () => until(() => written(join(lab.dir, 'receiver'))),
      });
      await letGo();
      expect(await merge(lab, request, { strategy: 'squash' })).toMatchObject({ outcome: 'merged' });
      expect(await recordsOf(lab, request)).toHaveLength(1);
    },
  );

  test.each([true, false])(
    'whose push goes on without it, and comes after the next try has pushed (atomic: %s)',
    async (atomic) => {
      if (!atomic) await git(lab.origin, 'config', 'receive.advertiseAtomic', 'false');
      const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
      await othersCommit(lab, { 'other.txt': 'x\n' });
      await holdFirstPush();
      await killMerge(lab, inputOf(lab, request, { strategy: 'squash' }), {
        event: () => until(() => written(join(lab.dir, 'receiver'))),
      });
      const outcome = await merge(lab, request, { strategy: 'squash' });
      expect(outcome).toMatchObject({ outcome: 'merged' });
      await letGo();
      expect(await recordsOf(lab, request)).toHaveLength(1);
      expect(await originSha(lab, 'refs/heads/main')).toBe(outcome.outcome === 'merged' ? outcome.sha : '');
    },
  );
});

describe('what a killed merge leaves on its host', () => {
  const daemon = (): string =>
    `setsid sh -c 'echo $$ > ${lab.dir}/pid; exec sleep 600' & while [ ! -s ${lab.dir}/pid ]; do sleep 0.05; ` +
    `done; touch ${lab.dir}/running; wait`;
  const kill = async (): Promise<{ request: Awaited<ReturnType<typeof bead>>; pid: number }> => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    await killMerge(lab, inputOf(lab, request, { checks: [check(daemon())] }), {
      event: () => until(() => written(join(lab.dir, 'running'))),
    });
    const pid = Number(await readFile(join(lab.dir, 'pid'), 'utf8'));
    expect(processAlive(pid)).toBe(true);
    expect(await leftovers(lab.home)).toEqual(['demo/lamp', 'ref of a merge']);
    return { request, pid };
  };

  test("is gone after the next start of the worker: the check's processes, the tree, its entry in the mirror", async () => {
    const { pid } = await kill();
    expect(await prepareRefinery({ home: lab.home })).toEqual([join(lab.home, 'refinery', 'demo', 'lamp')]);
    expect(processAlive(pid)).toBe(false);
    expect(await leftovers(lab.home)).toEqual([]);
    expect(await prepareRefinery({ home: lab.home })).toEqual([]);
  });

  test('does not disturb the next merge of the same item, which ends it first', async () => {
    const { request, pid } = await kill();
    expect(await merge(lab, request)).toMatchObject({ outcome: 'merged' });
    expect(processAlive(pid)).toBe(false);
    expect(await leftovers(lab.home)).toEqual([]);
  });
});
