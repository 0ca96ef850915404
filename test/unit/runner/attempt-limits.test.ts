import { expect, test } from 'vitest';
import { overLimit, processUse } from '../../../src/runner/processes/attempt-limits.js';

test('what uses more than it may is named with both figures; what is not limited or not known is let be', () => {
  const limits = { memoryMb: 8_192, processes: 100 };
  expect(overLimit(limits, { memoryMb: 8_192, processes: 100, diskMb: 1e9 })).toBeUndefined();
  expect(overLimit(limits, {})).toBeUndefined();
  expect(overLimit(limits, { memoryMb: 9_012.4, processes: 3 })).toEqual({
    outcome: 'out_of_memory',
    reason:
      "the agent's processes used 9,012 MB of memory, and its host allows 8,192 (limits.memoryMb in its cell.json)",
  });
  expect(overLimit(limits, { memoryMb: 1, processes: 101 })?.outcome).toBe('too_many_processes');
  expect(overLimit({ diskMb: 50 }, { diskMb: 51 })?.outcome).toBe('disk_full');
});

test.skipIf(process.platform !== 'linux')('memory that processes share counts once', () => {
  const twice = [process.pid, process.pid];
  const resident = processUse([process.pid], undefined);
  expect(resident.processes).toBeGreaterThan(1);
  // The same process twice stands for two that share all they have: its program's own pages are shared with others,
  // too.
  expect(processUse(twice, 1).memoryMb).toBeLessThan(2 * (resident.memoryMb ?? 0));
});
