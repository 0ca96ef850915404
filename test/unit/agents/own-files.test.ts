/** An agent's program runs once more, or its conversation is taken up: it may have left links where we write and read. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { gemini } from '../../../src/agents/gemini.js';
import { opencode } from '../../../src/agents/opencode.js';
import { pi } from '../../../src/agents/pi.js';
import type { AgentContext } from '../../../src/agents/types.js';
import type { AgentSession } from '../../../src/contract/index.js';
import { scratchFolder, script } from '../../support/scratch.js';

function lab(): { context: AgentContext; outside: string; root: string } {
  const root = scratchFolder('own-files');
  const folder = join(root, 'attempt');
  const outside = join(root, 'outside');
  for (const path of [folder, outside, join(root, 'home', '.gemini')]) mkdirSync(path, { recursive: true });
  writeFileSync(join(outside, 'secret'), '{"type":"session"}\nsecret\n');
  const context: AgentContext = {
    spec: { adapter: 'gemini' },
    bead: 'b',
    attempt: '1-abcd',
    number: 1,
    prompt: '# Task\n',
    promptFile: join(folder, 'prompt.md'),
    worktree: join(folder, 'tree'),
    folder,
    heartbead: '/a/bin/heartbead',
    env: { HOME: join(root, 'home') },
  };
  return { context, outside, root };
}
const session: AgentSession = { id: 'ses_1', adapter: 'x', attempt: '1-abcd', host: 'h' };
const untouched = (outside: string): void => {
  expect(readdirSync(outside)).toEqual(['secret']);
  expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('{"type":"session"}\nsecret\n');
};

describe('gemini', () => {
  test.each([
    ['its settings', 'gemini-home/.gemini/settings.json', 'secret'],
    ['its projects', 'gemini-home/.gemini/projects.json', 'secret'],
    ['its folder', 'gemini-home/.gemini', '.'],
    ['the folder of its project', 'gemini-home/.gemini/tmp/worktree', '.'],
  ])('writes what it needs anew where %s became a link', async (_, path, target) => {
    const { context, outside } = lab();
    await gemini.command(context);
    rmSync(join(context.folder, path), { recursive: true });
    symlinkSync(join(outside, target), join(context.folder, path));
    await gemini.command(context);
    untouched(outside);
    expect(readFileSync(join(context.folder, 'gemini-home/.gemini/settings.json'), 'utf8')).toContain('mcpServers');
  });

  test('takes of an earlier conversation its files alone, and none behind a link', async () => {
    const { context, outside, root } = lab();
    const earlier = join(root, 'earlier');
    const chats = join(earlier, 'gemini-home/.gemini/tmp/worktree/chats');
    mkdirSync(chats, { recursive: true });
    writeFileSync(join(chats, 'session-ses_1.json'), '{}');
    symlinkSync(join(outside, 'secret'), join(chats, 'link'));
    execFileSync('mkfifo', [join(chats, 'pipe')]);
    const where = { ...context, folder: earlier, scratch: context.folder };
    const resume = await gemini.findSession?.(session, where);
    await gemini.command({ ...context, resume });
    expect(readdirSync(join(context.folder, 'gemini-home/.gemini/tmp/worktree/chats'))).toEqual(['session-ses_1.json']);
    rmSync(join(earlier, 'gemini-home/.gemini/tmp'), { recursive: true });
    symlinkSync(join(context.folder, 'gemini-home/.gemini/tmp'), join(earlier, 'gemini-home/.gemini/tmp'));
    expect(await gemini.findSession?.(session, where)).toBeUndefined();
  });
});

describe('pi', () => {
  test.each([
    ['a link', (file: string, outside: string) => symlinkSync(join(outside, 'secret'), file)],
    ['a pipe', (file: string) => void execFileSync('mkfifo', [file])],
    ['no conversation', (file: string) => writeFileSync(file, 'rubbish')],
  ])('has no conversation to go on in where there is %s', async (_, plant) => {
    const { context, outside } = lab();
    mkdirSync(join(context.folder, 'pi-sessions'));
    plant(join(context.folder, 'pi-sessions', 'x_ses_1.jsonl'), outside);
    expect(await pi.findSession?.(session, { ...context, scratch: context.folder })).toBeUndefined();
    untouched(outside);
  });

  test('writes its conversation in the place of a link', async () => {
    const { context, outside, root } = lab();
    const from = join(root, 'x_ses_1.jsonl');
    writeFileSync(from, '{"type":"session","cwd":"/old"}\nmore\n');
    mkdirSync(join(context.folder, 'pi-sessions'));
    symlinkSync(join(outside, 'secret'), join(context.folder, 'pi-sessions', 'x_ses_1.jsonl'));
    await pi.command({ ...context, spec: { adapter: 'pi' }, resume: { ...session, from } });
    untouched(outside);
    expect(readFileSync(join(context.folder, 'pi-sessions', 'x_ses_1.jsonl'), 'utf8')).toBe(
      `{"type":"session","cwd":"${context.worktree}"}\nmore\n`,
    );
  });
});

describe('opencode, which moves a conversation outside of the walls', () => {
  test('is told to load nothing of the tree, and takes no option for a conversation', async () => {
    const { context, root } = lab();
    const program = script(
      join(root, 'opencode'),
      `echo "$1 $OPENCODE_PURE $OPENCODE_DISABLE_PROJECT_CONFIG" >> ${join(root, 'calls')}\n` +
        `[ "$1" = import ] || echo '{"info":{"id":"ses_1"}}'`,
    );
    mkdirSync(context.worktree);
    const where = {
      ...context,
      env: { PATH: process.env['PATH'] ?? '' },
      spec: { adapter: 'opencode', options: { program } },
      scratch: context.folder,
    };
    expect(await opencode.findSession?.(session, where)).toMatchObject({ from: 'ses_1' });
    expect(await opencode.findSession?.({ ...session, id: '--help' }, where)).toBeUndefined();
    expect(readFileSync(join(root, 'calls'), 'utf8')).toBe('export 1 1\nimport 1 1\n');
  });
});
