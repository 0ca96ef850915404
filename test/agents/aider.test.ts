import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, inject, test } from 'vitest';
import type { TestContext } from 'vitest';
import { parse, stringify } from 'yaml';
import { pythonAgents } from '../../src/agents/programs.js';
import type { BeadView } from '../../src/contract/index.js';
import { cacheDirectory } from '../../src/server/cache.js';
import { blocksOf } from '../cli/support/documented.js';
import { generous, quickClocks, told, Town } from '../process/support/town.js';
import { noCellHere } from '../support/bubblewrap.js';
import { aiderLlm } from './support/aider-llm.js';

const { version } = pythonAgents.aider;
const bin = join(cacheDirectory(), 'agents', `aider-${version}`, 'bin');

/** The example of docs/agents.md as it is printed, but for the variables that lead it to our model. */
async function sling(context: TestContext, status: () => number): Promise<{ town: Town; bead: string }> {
  const asked = process.env['HEARTBEAD_TEST_AGENTS'] ?? 'all';
  if (asked !== 'all' && !asked.split(',').includes('aider')) context.skip('this run is about other programs');
  if (!existsSync(join(bin, '..', 'ready')))
    context.skip(`aider ${version} is not in the cache; \`npm run test:agents -- aider\` fetches it`);
  const url = await aiderLlm(status);
  const devServer = inject('devServer');
  const town = await Town.open(devServer);
  const user = join(town.folder, 'user');
  mkdirSync(user, { recursive: true });
  const lead = { OPENAI_API_BASE: url, AIDER_MODEL: 'openai/fake-model', AIDER_EDIT_FORMAT: 'whole' };
  const { agents } = parse(blocksOf('docs/agents.md', 'yaml')[0] ?? '') as {
    agents: Record<string, { env?: string[] }>;
  };
  const aider = { ...agents['aider'], env: [...(agents['aider']?.env ?? []), ...Object.keys(lead)] };
  const env = {
    HOME: user,
    PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`,
    TERM: 'dumb',
    OPENAI_API_KEY: 'dummy',
    ...lead,
  };
  const host = await town.host(devServer.address, { env });
  writeFileSync(join(host.home, 'agents.yaml'), stringify({ agents: { aider } }));
  const bead = await town.sling(
    {},
    {
      title: 'Say hello',
      body: 'Write hello.txt.',
      agent: { adapter: 'aider' },
      // It needs some seconds to begin, and many on a busy machine.
      clocks: { ...quickClocks, firstProgressWithin: 60_000, stalledAfter: 60_000, stopSilentAfter: 120_000 },
    },
  );
  return { town, bead };
}
const outcomes = ({ attempts }: BeadView): unknown[] => attempts.map(({ outcome }) => outcome);

describe('aider, as docs/agents.md describes it', { timeout: 6 * generous }, () => {
  test('does its task, and the bead closes on the pushed branch, with nothing of the program’s in it', async (context) => {
    const { town, bead } = await sling(context, () => 200);
    const closed = await town.closed(bead);
    expect(outcomes(closed), told(closed)).toEqual(['done']);
    expect(closed.attempts[0]?.cell).toBe(noCellHere() === undefined ? 'sandbox' : 'none');
    const show = await execa('git', ['-C', town.origin, 'show', `${closed.branch}:hello.txt`]);
    expect(show.stdout).toBe('hello');
    const files = await execa('git', ['-C', town.origin, 'diff', '--name-only', 'main', closed.branch ?? '']);
    expect(files.stdout).toBe('hello.txt');
    expect(closed.checkpoint?.wip ?? false).toBe(false);
  });

  test('401: its own status 0 is no work: the login is what is told, and costs no account', async (context) => {
    const { town, bead } = await sling(context, () => 401);
    const refused = await town.seen(bead, 'is refused', ({ attempts }) => attempts.length > 0);
    expect(refused.attempts[0], told(refused)).toMatchObject({ outcome: 'auth_failed', countedAs: 'nothing' });
  });
});
