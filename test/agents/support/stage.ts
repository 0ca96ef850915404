import { inject } from 'vitest';
import type { TestContext } from 'vitest';
import type { BeadInput, Clocks } from '../../../src/contract/index.js';
import { Town, quickClocks } from '../../process/support/town.js';
import type { Host } from '../../process/support/town.js';
import { FakeLlm } from './fake-llm.js';
import { home, installed } from './programs.js';
import type { AgentName } from './programs.js';

/**
 * Real programs are not faster because clocks are: after `done` Gemini runs a hook, asks its model once more, runs another
 * hook, and only then tells what it has used. On a busy machine that takes several seconds; on a host it has half a minute.
 */
const lastWordWithin = 8_000;

export interface Stage {
  town: Town;
  host: Host;
  llm: FakeLlm;
  /** Slings a bead for the program. @returns its id. */
  sling(more?: Partial<BeadInput>, clocks?: Partial<Clocks>): Promise<string>;
}

/**
 * A town whose only host has one agent program, led to a scripted provider. Skips the test, and says why, when the
 * program is not there.
 */
export async function stage(name: AgentName, context?: TestContext): Promise<Stage> {
  const program = installed(name);
  if ('missing' in program) {
    if (context === undefined) throw new Error(program.missing);
    return context.skip(program.missing);
  }
  const devServer = inject('devServer');
  const [town, llm] = [await Town.open(devServer), await FakeLlm.start()];
  const { env, options } = home(town.folder, name, program.file, llm.url);
  const host = await town.host(devServer.address, { env });
  return {
    town,
    host,
    llm,
    sling: (more = {}, clocks = {}) =>
      town.sling(
        {},
        {
          title: 'Say hello',
          body: 'Write hello.txt and commit it.',
          agent: { adapter: name, options },
          clocks: { ...quickClocks, stopGrace: lastWordWithin, ...clocks },
          ...more,
        },
      ),
  };
}
