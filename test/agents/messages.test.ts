import { describe, expect, test } from 'vitest';
import { RunnerControl } from '../../src/runner/index.js';
import { generous, told } from '../process/support/town.js';
import type { Host, Town } from '../process/support/town.js';
import { until } from '../support/until.js';
import { agentNames } from './support/programs.js';
import { attemptOf, diligent } from './support/scripts.js';
import { stage } from './support/stage.js';

/** Those whose hooks hand something on to the model. */
const hooked = agentNames.filter((name) => ['claude', 'gemini'].includes(name));

/** Sends a message, and waits until it lies with the attempt's runner. @returns its id. */
async function nudge(town: Town, host: Host, bead: string, text: string): Promise<string> {
  await town.beads.nudge(bead, text);
  return until(`"${text}" is with the runner`, async () => {
    const { messages, current } = await town.view(bead);
    const status = await new RunnerControl(host.attempt(bead, current?.id ?? '')).status();
    return status.unacknowledged > 0 ? messages.find((message) => message.text === text)?.id : undefined;
  });
}

describe.each(hooked)('%s', { timeout: 3 * generous }, (name) => {
  test('a message reaches the model after its next tool, one that comes late keeps it from ending; each is acknowledged once', async (context) => {
    const { town, host, llm, sling } = await stage(name, context);
    const ids: string[] = [];
    let bead = '';
    const says = (heard: string[], text: string): boolean => heard.some((words) => words.includes(text));
    llm.play(async ({ step, heard, ...situation }) => {
      switch (step) {
        case 0:
          await until('the bead is known', () => bead !== '');
          ids.push(await nudge(town, host, bead, 'use port 8080'));
          return { shell: 'true' };
        case 1:
          return says(heard, 'use port 8080')
            ? { report: 'messages', args: { acknowledge: [ids[0]] } }
            : { say: 'heard nothing' };
        case 2:
          if (ids.length === 1) {
            ids.push(await nudge(town, host, bead, 'and not 9090'));
            return { say: 'I think that I am finished.' };
          }
          return says(heard, 'and not 9090')
            ? { report: 'messages', args: { acknowledge: [ids[1]] } }
            : { say: 'heard nothing more' };
        default:
          return diligent({ ...situation, heard, step: step - 3 });
      }
    });
    bead = await sling();
    const closed = await town.closed(bead);
    expect(
      closed.attempts.map(({ outcome }) => outcome),
      told(closed),
    ).toEqual(['done']);
    expect(closed.messages).toEqual([]);
    const last = llm.situations.at(-1);
    for (const text of ['use port 8080', 'and not 9090'])
      expect(last?.heard.filter((words) => words.includes(text)).length, text).toBe(1);
  });

  test('one that the model has not taken up goes to the next attempt', async (context) => {
    const { town, host, llm, sling } = await stage(name, context);
    let bead = '';
    llm.play(async (situation) => {
      if (attemptOf(situation) !== 1) return diligent(situation);
      if (situation.step > 0) return { shell: 'sleep 3600' };
      await until('the bead is known', () => bead !== '');
      await nudge(town, host, bead, 'use port 8080');
      return { shell: 'true' };
    });
    bead = await sling();
    const { agent } = await town.working(bead, host);
    await until('the model was shown it', () =>
      llm.situations.some(({ heard }) => heard.some((words) => words.includes('use port 8080'))),
    );
    process.kill(agent, 'SIGKILL');
    const closed = await town.closed(bead);
    expect(closed.attempts.length, told(closed)).toBe(2);
    expect(llm.situations.find((situation) => attemptOf(situation) === 2)?.prompt).toContain('use port 8080');
  });
});
