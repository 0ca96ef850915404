import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { playChaos } from '../../src/lab/chaos/chaos.js';
import { chaosPlan, refusals } from '../../src/lab/chaos/plan.js';
import type { BeadPlan, FaultKind, FaultPlan, Refusal } from '../../src/lab/chaos/plan.js';
import { chaosReport } from '../../src/lab/chaos/report.js';

// As on everybody's machine.
beforeAll(() => {
  for (const name of ['HEARTBEAD_SPARE_RUNNER', 'HEARTBEAD_SPARE_TREE']) vi.stubEnv(name, 'auto');
});
afterAll(() => vi.unstubAllEnvs());

const bead = (name: string, repo: number): BeadPlan => ({
  bead: name,
  repo,
  slingAt: 0,
  steps: 12,
  stepMs: 250,
  commits: 4,
  seed: 7,
  ignoreSigterm: false,
});
// Each comes as soon as there is somebody whom it can befall.
const fault = (kind: FaultKind, lasts: number, pick = 0): FaultPlan => ({ kind, at: 0, lasts, pick });
/** A remote refuses until finished work has met it. */
const refusing = (repo: number, repos: number, how: Refusal): FaultPlan => ({
  ...fault('remote-refuses', 0, (repo + (refusals.indexOf(how) + 0.5) / refusals.length) / repos),
  untilMet: true,
});

it(
  'a runner, a host and the server are killed under three beads while remotes refuse their work: each still ends with one result, and no commit is lost or left over',
  { timeout: 300_000 },
  async () => {
    const report = await playChaos({
      plan: {
        seed: 1,
        hosts: 2,
        maxAgents: 2,
        repos: 2,
        rigs: 1,
        beads: [bead('merged', 0), bead('pushed', 1), bead('other', 0)],
        settleWithin: 180_000,
        faults: [
          refusing(0, 2, 'token-expired'),
          refusing(1, 2, 'ref-restricted'),
          fault('runner-kill', 0),
          fault('host-kill', 500),
          fault('server-kill', 500),
        ],
      },
      stop: new AbortController().signal,
      say: () => undefined,
      targetWithin: 60_000,
    });
    expect(report.problems, chaosReport(report)).toEqual([]);
    expect(report.faults.map(({ kind }) => kind)).toEqual([
      'remote-refuses',
      'remote-refuses',
      'runner-kill',
      'host-kill',
      'server-kill',
    ]);
    expect(report).toMatchObject({ closed: 3, skipped: 0, overlaps: [] });
    expect(report.attempts).toBeGreaterThan(3);
    expect(report.reported).toBeGreaterThan(0);
    expect(report.commits).toBeGreaterThan(3);
    expect(report.refused).toBeGreaterThanOrEqual(2);
  },
);

it('the same seed makes the same plan, another one another', () => {
  const size = { seed: 5, minutes: 10, beads: 30, repos: 5, hosts: 3 };
  expect(chaosPlan(size)).toEqual(chaosPlan(size));
  expect(chaosPlan({ ...size, seed: 6 })).not.toEqual(chaosPlan(size));
});
