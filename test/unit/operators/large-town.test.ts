import { createColors } from 'picocolors';
import { describe, expect, test, vi } from 'vitest';
import { leftOutText, problemsPage } from '../../../src/cli/render/problems-page.js';
import { plainScreen } from '../../../src/cli/top/screen.js';
import { problemsOf } from '../../../src/domain/telling/problems.js';
import type { BeadFact } from '../../../src/domain/telling/town-facts.js';
import { askedInTime } from '../../../src/operator/asking.js';
import { aBead, now } from '../cli/a-bead.js';
import { aRig, aTown, minute } from './facts.js';

const many = (count: number): string[] => Array.from({ length: count }, (_, n) => `b${n}`);
const blocked = (bead: string): BeadFact => ({
  bead,
  status: 'blocked',
  view: aBead({
    bead,
    status: 'blocked',
    agent: 'none',
    current: undefined,
    wait: { for: 'person', since: now - minute, text: 'there is no branch named mian', fix: 'correct the base' },
  }),
});

describe('questions to a town of thousands', () => {
  test('end when the time is over: what was not asked is missing, in the order of the questions', async () => {
    vi.useFakeTimers({ now: 0 });
    try {
      const asked: string[] = [];
      const look = askedInTime(many(5_000), { atOnce: 8, until: 10_000, patience: 3_000 }, (bead) => {
        asked.push(bead);
        return new Promise<string>((resolve) => setTimeout(resolve, 100, `view of ${bead}`));
      });
      await vi.advanceTimersByTimeAsync(10_100);
      const answers = await look;
      // A hundred rounds of eight.
      expect(asked).toEqual(many(800));
      expect([...answers.keys()].sort()).toEqual(many(800).sort());
      expect(answers.get('b7')).toBe('view of b7');
    } finally {
      vi.useRealTimers();
    }
  });

  test('a silence that the end of the time has cut short is no finding; one of full length is', async () => {
    vi.useFakeTimers({ now: 0 });
    try {
      const look = askedInTime(many(3), { atOnce: 1, until: 5_000, patience: 3_000 }, (_, patience) => {
        return new Promise<undefined>((resolve) => setTimeout(resolve, patience, undefined));
      });
      await vi.advanceTimersByTimeAsync(5_000);
      expect([...(await look)]).toEqual([['b0', undefined]]);
    } finally {
      vi.useRealTimers();
    }
  });

  test('a bead that was not asked is none that does not answer', () => {
    const kinds = (fact: BeadFact): string[] => problemsOf(aTown({ beads: [fact] })).map(({ kind }) => kind);
    expect(kinds({ bead: 'b', status: 'open' })).toEqual(['no-answer']);
    expect(kinds({ bead: 'b', status: 'open', unasked: true })).toEqual([]);
  });
});

describe('the output of a large town', () => {
  test('problems prints as many as asked for, and how many there are', () => {
    const all = problemsOf(aTown({ beads: many(300).map(blocked) }));
    const page = problemsPage(all.slice(0, 100), now, createColors(false), 200);
    expect(page.split('\n').length).toBeLessThan(600);
    expect(page).toMatch(/^300 things need a person; at least 100 hold work up/);
    expect(page).toMatch(/… and 200 more; `heartbead problems --limit 300` shows all$/);
  });

  test('top on a pipe has a bounded page, whatever waits for a rig, works on a host or needs a person', () => {
    const waiting = many(6_900).map((bead) => ({ bead, workflowId: `bead-${bead}`, priority: 3, since: now }));
    const facts = aTown({
      beads: many(300).map(blocked),
      rigs: [{ rig: 'app', view: aRig({ waiting }) }],
      left: { beads: 4_700, rigs: 1, convoys: 0, hosts: 0 },
    });
    const page = plainScreen({ facts, problems: problemsOf(facts), summaries: [] }, 'here', 200);
    expect(page.split('\n').length).toBeLessThan(300 + 200 + 60);
    expect(page).toContain('… and 6880 more waiting');
    expect(page).toContain('… and 200 more (heartbead problems --limit 300)');
    expect(page).toMatch(/\nnot looked at, or without an answer in time: 4700 open beads, 1 rig; /);
  });

  test('nothing is said of what was left out where nothing was', () => {
    expect(leftOutText({ beads: 0, rigs: 0, convoys: 0, hosts: 0 })).toBeUndefined();
    expect(leftOutText({ beads: 1, rigs: 0, convoys: 0, hosts: 2 })).toMatch(
      /^not looked at, or without an answer in time: 1 open bead, 2 hosts;/,
    );
  });
});
