import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { adapters } from '../../src/agents/index.js';
import { generous, told } from '../process/support/town.js';
import { noCellHere } from '../support/bubblewrap.js';
import { agentNames } from './support/programs.js';
import { diligent } from './support/scripts.js';
import { stage } from './support/stage.js';

const noSandbox = process.env['HEARTBEAD_SANDBOX'] === 'none' ? 'HEARTBEAD_SANDBOX says so' : noCellHere();
if (noSandbox !== undefined) console.warn(`the programs run without a sandbox: ${noSandbox}`);

describe.each(agentNames)('%s', { timeout: 3 * generous }, (name) => {
  test('does its task, commits, reports done, and the bead closes on the pushed branch', async (context) => {
    const { town, host, llm, sling } = await stage(name, context);
    llm.play(diligent);
    const bead = await sling();
    const closed = await town.closed(bead);
    expect(
      closed.attempts.map(({ outcome }) => outcome),
      told(closed),
    ).toEqual(['done']);
    // In a sandbox without being asked, wherever the machine can make one.
    expect(closed.attempts[0]?.cell).toBe(noSandbox === undefined ? 'sandbox' : 'none');
    const { stdout } = await execa('git', ['-C', town.origin, 'show', `${closed.branch}:hello.txt`]);
    expect(stdout).toBe('hello');
    expect(closed.summary).toBe('hello is there');
    // It was offered our tools if it can have any, and used them.
    expect(llm.situations[0]?.tools.some((tool) => tool.includes('heartbead'))).toBe(adapters[name]?.mcp === true);
    expect(closed.usage?.inputTokens).toBeGreaterThanOrEqual(1_000);
    expect(closed.usage?.outputTokens).toBeGreaterThanOrEqual(20);
    expect(closed.attempts[0]?.session).toMatch(/^[\w-]{8,}/);
    // Nothing of ours in the work.
    const { stdout: files } = await execa('git', [
      '-C',
      town.origin,
      'ls-tree',
      '-r',
      '--name-only',
      closed.branch ?? '',
    ]);
    expect(files).toBe('hello.txt');
    expect(town.processesOf(host.attempt(bead, closed.attempts[0]?.id ?? '').attempt)).toEqual([]);
  });
});
