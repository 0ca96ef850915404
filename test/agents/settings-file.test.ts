import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, inject, test } from 'vitest';
import type { TestContext } from 'vitest';
import { parse, stringify } from 'yaml';
import { blocksOf } from '../cli/support/documented.js';
import { deferred } from '../../src/runner/deferred.js';
import { generous, quickClocks, told, Town } from '../process/support/town.js';
import { noCellHere } from '../support/bubblewrap.js';
import { FakeLlm } from './support/fake-llm.js';
import { installed, settingsFileNames } from './support/programs.js';
import type { SettingsFileAgent } from './support/programs.js';
import { diligent } from './support/scripts.js';

const noSandbox = process.env['HEARTBEAD_SANDBOX'] === 'none' ? 'HEARTBEAD_SANDBOX says so' : noCellHere();

/** How each is led to our provider, as its user would lead it to theirs: by variables, or by what its login has written. */
const lead: Record<
  SettingsFileAgent,
  (url: string) => { env?: Record<string, string>; files?: Record<string, string> }
> = {
  qwen: (url) => ({
    env: { OPENAI_API_KEY: 'dummy', OPENAI_BASE_URL: `${url}/v1`, OPENAI_MODEL: 'fake-model' },
  }),
  cline: (url) => ({
    files: {
      '.cline/data/settings/providers.json': JSON.stringify({
        version: 1,
        lastUsedProvider: 'openai-compatible',
        modes: {},
        providers: {
          'openai-compatible': {
            settings: {
              provider: 'openai-compatible',
              apiKey: 'dummy',
              model: 'fake-model',
              baseUrl: `${url}/v1`,
            },
            updatedAt: '2026-11-29T07:00:00.000Z',
            tokenSource: 'manual',
          },
        },
      }),
    },
  }),
};
const options: Partial<Record<SettingsFileAgent, Record<string, string>>> = {
  cline: { provider: 'openai-compatible' },
};

interface Stage {
  town: Town;
  llm: FakeLlm;
  sling(title?: string): Promise<string>;
}

/** A host whose `agents.yaml` is what docs/agents.md prints, and whose user has the program and a login. */
async function stage(name: SettingsFileAgent, context: TestContext): Promise<Stage> {
  const program = installed(name);
  if ('missing' in program) return context.skip(program.missing);
  const llm = await FakeLlm.start();
  const devServer = inject('devServer');
  const town = await Town.open(devServer);
  const user = join(town.folder, 'user');
  const bin = join(town.folder, 'programs');
  for (const folder of [user, bin]) mkdirSync(folder, { recursive: true });
  const { env = {}, files = {} } = lead[name](llm.url);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(user, path)), { recursive: true });
    writeFileSync(join(user, path), text);
  }
  symlinkSync(program.file, join(bin, name));
  const host = await town.host(devServer.address, {
    env: { HOME: user, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`, TERM: 'dumb', ...env },
  });
  const { agents } = parse(blocksOf('docs/agents.md', 'yaml')[1] ?? '') as { agents: Record<string, object> };
  writeFileSync(join(host.home, 'agents.yaml'), stringify({ agents: { [name]: agents[name] } }));
  return {
    town,
    llm,
    sling: (title = 'Say hello') =>
      town.sling(
        {},
        {
          title,
          body: 'Write hello.txt and commit it.',
          agent: { adapter: name, options: options[name] },
          // They need some seconds to begin, and many on a busy machine.
          clocks: { ...quickClocks, firstProgressWithin: 60_000, stalledAfter: 60_000, stopSilentAfter: 120_000 },
        },
      ),
  };
}

describe.each(settingsFileNames)('%s, as docs/agents.md describes it', { timeout: 4 * generous }, (name) => {
  test('does its task in the sandbox, and the bead closes on the pushed branch, with nothing of the program’s in it', async (context) => {
    const { town, llm, sling } = await stage(name, context);
    llm.play(diligent);
    const closed = await town.closed(await sling());
    expect(
      closed.attempts.map(({ outcome }) => outcome),
      told(closed),
    ).toEqual(['done']);
    expect(closed.attempts[0]?.cell).toBe(noSandbox === undefined ? 'sandbox' : 'none');
    const show = await execa('git', ['-C', town.origin, 'show', `${closed.branch}:hello.txt`]);
    expect(show.stdout).toBe('hello');
    const files = await execa('git', ['-C', town.origin, 'diff', '--name-only', 'main', closed.branch ?? '']);
    expect(files.stdout).toBe('hello.txt');
    expect(closed.usage?.inputTokens).toBeGreaterThanOrEqual(1_000);
    expect(closed.usage?.outputTokens).toBeGreaterThanOrEqual(20);
  });

  test('two at once: each bead is closed on the word of its own agent', async (context) => {
    const { town, llm, sling } = await stage(name, context);
    // Both are in the middle before either reports.
    const both = deferred<undefined>();
    const there = new Set<string>();
    llm.play(async (situation) => {
      const [, bead = ''] = /You work on bead ([\w-]+)/.exec(situation.prompt) ?? [];
      if (situation.step === 1) {
        there.add(bead);
        if (there.size === 2) both.resolve(undefined);
        await both.promise;
        return { shell: `heartbead agent done "this is $HEARTBEAD_BEAD, asked for ${bead}"` };
      }
      return diligent(situation);
    });
    const beads = await Promise.all([sling(), sling()]);
    const closed = await Promise.all(beads.map((bead) => town.closed(bead)));
    for (const [at, bead] of beads.entries())
      expect(closed[at]?.summary, told(closed[at] as (typeof closed)[number])).toBe(
        `this is ${bead}, asked for ${bead}`,
      );
  });

  test('401: the login is what is told, and costs no account', async (context) => {
    const { town, llm, sling } = await stage(name, context);
    llm.play(() => ({ status: 401 }));
    const bead = await sling();
    const refused = await town.seen(bead, 'is refused', ({ attempts }) => attempts.length > 0);
    expect(refused.attempts[0], told(refused)).toMatchObject({ outcome: 'auth_failed', countedAs: 'nothing' });
  });
});
