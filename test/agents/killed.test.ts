import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { generous, told, until } from '../process/support/town.js';
import type { Town } from '../process/support/town.js';
import { noCellHere } from '../support/bubblewrap.js';
import { scratchFolder } from '../support/scratch.js';
import { agentNames } from './support/programs.js';
import { attemptOf, diligent } from './support/scripts.js';
import { stage } from './support/stage.js';

const noSandbox = process.env['HEARTBEAD_SANDBOX'] === 'none' ? 'HEARTBEAD_SANDBOX says so' : noCellHere();

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
};
const inTool = (town: Town, attempt: string): Promise<boolean> =>
  Promise.resolve(town.processesOf(attempt).some((pid) => commandOf(pid) === 'sleep 3600'));

describe.each(agentNames)('%s, killed in the middle of a tool', { timeout: 3 * generous }, (name) => {
  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'by %s: its children are ended as well, and the next attempt goes on in the same conversation',
    async (signal) => {
      // The context of a parametrised test is not handed over: skipping is decided by the stage.
      await goOn(name, signal);
    },
  );
});

async function goOn(name: (typeof agentNames)[number], signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const { town, host, llm, sling } = await stage(name);
  // What a program loads from the tree that it works in is an agent's code: none of it may run outside of the walls.
  const ran = join(scratchFolder('plugin'), 'ran');
  const plugin =
    'import { writeFileSync } from "node:fs"; export const Planted = async () => ({}); ' +
    `try { writeFileSync("${ran}", "x"); } catch {}`;
  llm.play((situation) =>
    attemptOf(situation) === 1 && situation.step === 0
      ? {
          shell:
            'echo half > half.txt; mkdir -p .opencode/plugin; ' +
            `echo '${plugin}' > .opencode/plugin/planted.js; sleep 3600`,
        }
      : diligent(situation),
  );
  const bead = await sling();
  const { agent, view } = await town.working(bead, host);
  const first = view.current?.id ?? '';
  await until('the tool runs', () => inTool(town, first));
  process.kill(agent, signal);
  const closed = await town.closed(bead);
  expect(closed.attempts.length, told(closed)).toBe(2);
  expect(signal === 'SIGKILL' ? ['lost'] : ['lost', 'unreported'], told(closed)).toContain(closed.attempts[0]?.outcome);
  expect(closed.attempts[1]?.outcome).toBe('done');
  expect(town.processesOf(first)).toEqual([]);
  expect(closed.attempts[1]?.session).toBe(closed.attempts[0]?.session);
  const second = llm.situations.find((situation) => attemptOf(situation) === 2);
  expect(second?.earlier.some((prompt) => prompt.includes(`attempt ${first}`))).toBe(true);
  expect(second?.prompt).toContain('This conversation goes on');
  if (noSandbox === undefined) expect(existsSync(ran)).toBe(false);
}
