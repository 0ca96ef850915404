import { createColors } from 'picocolors';
import { describe, expect, it } from 'vitest';
import { OldDesign } from '../../src/lab/race/old-design.js';
import type { Lane } from '../../src/lab/race/lane.js';
import { svg } from '../../src/lab/race/svg.js';
import { stepOf, raceTable } from '../../src/lab/race/table.js';
import { raceVerdict } from '../../src/lab/race/verdict.js';

const second = 1_000;
const minute = 60 * second;
const oldLane = (coldStart: number, duration = 30 * minute): Lane => {
  const old = new OldDesign(coldStart);
  old.advance(duration);
  return old.lane;
};
const steady: Lane = {
  name: 'Heartbead',
  bead: [
    { from: 0, value: 'open' },
    { from: second, value: 'in_progress' },
  ],
  agent: [
    { from: second, value: 'starting' },
    { from: 76 * second, value: 'working' },
  ],
  process: [
    { from: 0, value: 'starting' },
    { from: 76 * second, value: 'alive' },
  ],
  agents: 1,
  attempts: [second],
  heartbeats: [10 * second, 80 * second],
  resets: [],
};

describe('the old design, alive', () => {
  it('with a cold start of 75 s the bead cycles in_progress → open at least 5 times in 30 min, though its one agent lives and beats', () => {
    const lane = oldLane(75 * second);
    expect(lane.resets.length).toBeGreaterThanOrEqual(5);
    expect(lane.agents).toBe(1);
    expect(lane.heartbeats.length).toBeGreaterThan(50);
    expect(lane.attempts.length).toBe(lane.resets.length + 1);
    // Every cycle is what the reconciler's 5 minutes make it, and it would go on for ever.
    const gaps = lane.resets.slice(1).map((at, index) => at - (lane.resets[index] ?? 0));
    for (const gap of gaps) expect(Math.abs(gap - 5 * minute)).toBeLessThanOrEqual(10 * second);
    expect(oldLane(75 * second, 10 * 60 * minute).resets.length).toBeGreaterThan(110);
  });

  it('heartbeats touch the timestamp, and never the status', () => {
    const old = new OldDesign(75 * second);
    old.advance(4 * minute);
    expect(old.agent).toEqual({ status: 'idle', lastActivity: 225 * second });
  });

  it('is no straw man: a start within its 60 s works for ever', () => {
    const lane = oldLane(45 * second, 5 * 60 * minute);
    expect(lane.resets).toEqual([]);
    expect(lane.attempts).toEqual([0]);
    expect(lane.agent.at(-1)?.value).toBe('working');
  });

  it.each([10, 60])('a start of %d min only makes it worse', (minutes) => {
    const lane = oldLane(minutes * minute, (minutes + 10) * minute);
    expect(lane.resets.length).toBeGreaterThanOrEqual(Math.floor(minutes / 6));
    expect(lane.agents).toBe(1);
  });
});

describe('the picture of the race', () => {
  const plain = createColors(false);

  it('is a line a minute, within 100 columns', () => {
    const lines = raceTable(oldLane(75 * second), steady, 30 * minute, plain);
    expect(lines.length).toBe(32);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
    expect(lines.filter((line) => line.includes('reset to open')).length).toBe(5);
  });

  it('has longer steps for a longer time', () => {
    expect(stepOf(90 * minute)).toBe(minute);
    expect(stepOf(24 * 60 * minute) / minute).toBeGreaterThan(1);
    expect(raceTable(oldLane(12 * 60 * minute, 13 * 60 * minute), steady, 13 * 60 * minute, plain).length).toBeLessThan(
      95,
    );
  });

  it('says in one sentence what happened', () => {
    expect(raceVerdict(oldLane(75 * second), 30 * minute)).toBe(
      'old design: reset to open 5 times in 30 min, 6 attempts for 1 agent, which was alive from 75 s on and ' +
        'sent 58 heartbeats that changed nothing.',
    );
    expect(raceVerdict(steady, 30 * minute)).toBe(
      'Heartbead: 1 attempt, 1 agent, never reset; working from its first heartbeat on, 76 s after the sling.',
    );
  });

  it('as SVG does not change with the milliseconds that a run took', () => {
    const late = (lane: Lane): Lane => ({
      ...lane,
      agent: lane.agent.map((span) => ({ ...span, from: span.from + 300 })),
    });
    const picture = svg([oldLane(75 * second), steady], 75 * second, 30 * minute);
    expect(svg([oldLane(75 * second), late(steady)], 75 * second, 30 * minute)).toBe(picture);
    expect(picture).toContain('prefers-color-scheme: dark');
    expect(picture).not.toMatch(/NaN|undefined|<script|href/);
  });
});
