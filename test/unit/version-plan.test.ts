import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { TownVersion, TownVersions, VersionStatus } from '../../src/client/deployment.js';
import { deploymentOf } from '../../src/contract/index.js';
import { forgetBuild, keepBuild, keptBuilds } from '../../src/worker/builds.js';
import type { Build } from '../../src/worker/builds.js';
import { planBuilds, takesOver, versioningOf, VersionNews } from '../../src/worker/version-plan.js';

const day = 86_400_000;
const now = 100 * day;
const version = (build: string, status: VersionStatus, usedAt?: number): TownVersion => ({
  build,
  status,
  createdAt: usedAt ?? now - day,
  currentAt: usedAt,
  usedAt,
});
const build = (id: string, sdk = '1.24.0'): Build => ({ id, sdk, codePath: `/versions/${id}/workflow-bundle.js` });
const ids = (builds: readonly Build[]): string[] => builds.map(({ id }) => id);

describe('which build is current', () => {
  const town: TownVersions = {
    current: 'two',
    versions: [version('two', 'current', now), version('one', 'draining', now - 1)],
  };

  it('a worker to which nobody said how does as the town does', () => {
    expect([versioningOf(undefined, undefined), versioningOf(undefined, { versions: [] })]).toEqual(['off', 'off']);
    expect([versioningOf(undefined, town), versioningOf('manual', town), versioningOf('off', town)]).toEqual([
      'auto',
      'manual',
      'off',
    ]);
  });

  it('the first one, and one that is new; never one that was current before and merely comes back', () => {
    expect(takesOver('one', 'auto', undefined)).toBe(true);
    expect(takesOver('one', 'manual', undefined)).toBe(true);
    expect(takesOver('three', 'auto', town)).toBe(true);
    // Its worker polled and was killed before it could say so.
    expect(takesOver('three', 'auto', { ...town, versions: [...town.versions, version('three', 'inactive')] })).toBe(
      true,
    );
    expect(takesOver('one', 'auto', town)).toBe(false);
    expect(takesOver('two', 'auto', town)).toBe(false);
    expect(takesOver('three', 'manual', town)).toBe(false);
    expect(takesOver('three', 'off', undefined)).toBe(false);
    expect(takesOver('three', 'auto', { ...town, ramping: { build: 'three', percent: 10 } })).toBe(false);
  });
});

describe('which of the kept builds a worker runs besides its own', () => {
  const town: TownVersions = {
    current: 'own',
    versions: [
      version('own', 'current', now),
      { ...version('a-share', 'drained', now - day), currentAt: undefined },
      version('draining', 'draining', now - 3 * day),
      version('before', 'drained', now - 2 * day),
      version('older', 'drained', now - 4 * day),
      version('ancient', 'drained', now - 15 * day),
    ],
  };
  const kept = ['own', 'a-share', 'draining', 'before', 'older', 'ancient', 'never-heard-of'].map((id) => build(id));

  it('those to which workflows are pinned, and the one before, for a way back; what is long over is forgotten', () => {
    const plan = planBuilds(build('own'), kept, town, now);
    expect([ids(plan.serve), ids(plan.strange), ids(plan.forget)]).toEqual([['draining', 'before'], [], ['ancient']]);
  });

  it('the current one, when it is not its own', () => {
    const plan = planBuilds(build('draining'), kept, town, now);
    expect(ids(plan.serve)).toEqual(['own']);
  });

  it('none of another SDK, which is told while workflows are pinned to it', () => {
    const strange = kept.map(({ id }) => build(id, '1.23.0'));
    const plan = planBuilds(build('own'), strange, town, now);
    expect([ids(plan.serve), ids(plan.strange), ids(plan.forget)]).toEqual([[], ['draining'], ['ancient']]);
  });
});

describe('who is told of the current build', () => {
  it('each at growing distance while it stays, and everybody anew when another build becomes current', () => {
    const news = new VersionNews();
    const told = (at: number, pinned = ['a', 'b'], current = 'two'): string[] => news.next(current, pinned, at);
    expect(told(0)).toEqual(['a', 'b']);
    expect(told(1_000)).toEqual([]);
    expect(told(3_000)).toEqual(['a', 'b']);
    expect(told(4_000, ['b', 'c'])).toEqual(['c']);
    expect(told(12_999, ['b'])).toEqual([]);
    expect(told(13_000, ['b'])).toEqual(['b']);
    expect(told(14_000, ['b'], 'one')).toEqual(['b']);
    // One that has gone on and comes back is new.
    expect(told(14_001, [], 'one')).toEqual([]);
    expect(told(14_002, ['b'], 'one')).toEqual(['b']);
  });

  it('some at once, the others in the next round', () => {
    const news = new VersionNews();
    const many = Array.from({ length: 120 }, (_, n) => `bead-${n}`);
    expect([0, 1, 2, 3].map((at) => news.next('two', many, at).length)).toEqual([50, 50, 20, 0]);
    expect(news.next('two', many, 10 * day)).toHaveLength(50);
    expect(news.next('two', many, 20 * day)).toHaveLength(50);
  });
});

describe('builds on the disk', () => {
  it('are kept once, found again, not found half written, and forgotten', async () => {
    const home = mkdtempSync(join(tmpdir(), 'builds-'));
    onTestFinished(() => rmSync(home, { recursive: true }));
    expect(await keptBuilds(home)).toEqual([]);
    const [one, two] = ['one', 'two'].map((text) => {
      const path = join(home, `${text}.js`);
      writeFileSync(path, text);
      return path;
    }) as [string, string];
    const first = await keepBuild(home, one);
    expect(first.id).toMatch(/^\d+\.\d+\.\d+-[0-9a-f]{12}$/);
    expect(await keepBuild(home, one)).toEqual(first);
    const second = await keepBuild(home, two);
    expect(second.id).not.toBe(first.id);
    expect(ids(await keptBuilds(home)).sort()).toEqual([first.id, second.id].sort());
    // A kept bundle that was cut off is written again.
    writeFileSync(first.codePath, '');
    expect((await keepBuild(home, one)).codePath).toBe(first.codePath);
    writeFileSync(join(home, 'versions', second.id, 'build.json'), '{"id"');
    expect(await keptBuilds(home)).toEqual([first]);
    await forgetBuild(home, first.id);
    expect(await keptBuilds(home)).toEqual([]);
  });
});

it('the deployment of a town has none of the marks that the server keeps for itself, and towns stay apart', () => {
  expect(['heartbead', 'a.b', 'a:b', 'a-b'].map(deploymentOf)).toEqual(['heartbead', 'a_46_b', 'a_58_b', 'a-b']);
});
