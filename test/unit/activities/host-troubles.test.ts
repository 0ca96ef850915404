import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HostTroubles } from '../../../src/activities/start/host-troubles.js';
import { scratchFolder } from '../../support/scratch.js';

const lacks = { lack: 'program', agent: 'tool', reason: 'the program tool is not on this host' } as const;

test('the first bead asks a person, the next ones are given back, until it is gone or a bead is retried', () => {
  const home = scratchFolder('troubles');
  const clock = { now: 1_000 };
  const troubles = new HostTroubles(home, () => clock.now);
  expect(troubles.met({ ...lacks, bead: 'a' })).toBe('asks');
  clock.now += 1;
  expect([troubles.met({ ...lacks, bead: 'b' }), troubles.met({ ...lacks, bead: 'c' }, 999)]).toEqual([
    'given back',
    'given back',
  ]);
  // The same bead again still asks: it was slung anew, or let go on.
  expect(troubles.met({ ...lacks, bead: 'a' })).toBe('asks');
  // Of many that are retried at once, one finds out.
  clock.now = 5_000;
  expect([troubles.met({ ...lacks, bead: 'b' }, 4_000), troubles.met({ ...lacks, bead: 'c' }, 4_001)]).toEqual([
    'asks',
    'given back',
  ]);
  troubles.gone('walls', 'tool');
  troubles.gone('program', 'other');
  expect(troubles.met({ ...lacks, bead: 'd' })).toBe('given back');
  // A worker that is started again has not forgotten.
  expect(new HostTroubles(home).met({ ...lacks, bead: 'd' })).toBe('given back');
  troubles.gone('program', 'tool');
  expect(troubles.met({ ...lacks, bead: 'd' })).toBe('asks');
});

test('what differs is another trouble; a file that cannot be read holds nobody back; the list stays short', () => {
  const home = scratchFolder('troubles');
  const troubles = new HostTroubles(home);
  expect(troubles.met({ ...lacks, bead: 'a' })).toBe('asks');
  expect(troubles.met({ ...lacks, bead: 'b', agent: 'other' })).toBe('asks');
  expect(troubles.met({ ...lacks, bead: 'b', reason: 'the program /x is not there' })).toBe('asks');
  expect(troubles.met({ ...lacks, bead: 'b', lack: 'walls' })).toBe('asks');
  expect(troubles.all()).toHaveLength(4);
  const file = join(home, 'host-troubles.json');
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, 20));
  expect(troubles.met({ ...lacks, bead: 'b' })).toBe('asks');
  for (let n = 0; n < 80; n += 1) troubles.met({ ...lacks, bead: 'b', agent: `a${n}` });
  expect(troubles.all()).toHaveLength(50);
});
