import pc from 'picocolors';
import { describe, expect, test } from 'vitest';
import { judgeVersions } from '../../../src/cli/doctor/server-checks.js';
import { upgradePage } from '../../../src/cli/render/upgrade-page.js';
import type { TownBuild, TownBuilds } from '../../../src/cli/local/builds.js';

const build = (name: string, more: Partial<TownBuild> = {}): TownBuild => ({
  build: name,
  status: 'drained',
  workflows: 0,
  workers: [],
  done: false,
  ...more,
});
const town = (more: Partial<TownBuilds> = {}): TownBuilds => ({
  versioned: true,
  current: 'two',
  ramping: null,
  builds: [build('two', { status: 'current', workflows: 3, workers: ['ant'] })],
  unversioned: [],
  hindrance: null,
  ...more,
});
const page = (found: TownBuilds): string => upgradePage(found, pc.createColors(false));
const former = (more: Partial<TownBuild>): TownBuilds => {
  const found = town();
  return { ...found, builds: [...found.builds, build('one', more)] };
};
const none = { versioned: false, current: null, builds: [] };

describe('what doctor and `upgrade status` say of the versions', () => {
  test('a worker of a former build may be ended when nothing is pinned to it, and not before', () => {
    const over = former({ workers: ['bee'], done: true });
    expect(judgeVersions(over)).toEqual({
      name: 'versions',
      verdict: 'ok',
      text: 'current is two; nothing is pinned to one, and a worker of such a build alone may be ended',
    });
    expect(page(over)).toMatch(/one {2}drained\n.*bee\n {2}nothing is pinned to it: a worker .* may be ended$/s);
    const draining = former({ status: 'draining', workflows: 1, workers: ['bee'] });
    expect(judgeVersions(draining)).toEqual({ name: 'versions', verdict: 'ok', text: 'current is two' });
    expect(page(draining)).not.toContain('may be ended');
  });

  test('workflows whose build nobody runs are told, with what to do', () => {
    const waiting = former({ status: 'draining', workflows: 2 });
    expect(judgeVersions(waiting)).toMatchObject({
      verdict: 'warn',
      text: '2 workflows of build one without a worker',
      next: expect.stringMatching(/^start a worker that has this build/) as string,
    });
    expect(page(waiting)).toContain('these wait for a worker that has this build');
  });

  test('so are workers that take no part in the versions', () => {
    const apart = town({ unversioned: ['cat'] });
    expect(judgeVersions(apart)).toMatchObject({ verdict: 'warn', text: expect.stringContaining('cat') as string });
    expect(page(apart)).toContain('without a version, and so without workflows: cat');
  });

  test('a town without versions is told how to get them, and on a server that is too old that it cannot', () => {
    expect(page(town(none))).toContain('heartbead up --versioning auto gives them versions');
    const old = town({ ...none, hindrance: 'that needs a server from 1.32.0 on, and this one is 1.29.1' });
    expect(page(old)).toContain('--versioning auto gives them none here: that needs a server from 1.32.0 on');
    expect(judgeVersions(town(none)).text).not.toContain('server');
    expect(judgeVersions(old)).toMatchObject({
      verdict: 'ok',
      text: expect.stringMatching(/needs another server: .*1\.32\.0/) as string,
    });
  });
});
