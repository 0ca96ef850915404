import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { completionScript, shells } from '../../../src/cli/completion.js';
import { findProgram } from '../../../src/agents/index.js';
import { createProgram } from '../../../src/cli/program.js';
import { verbs } from '../../../src/cli/verbs/index.js';

const program = createProgram(verbs);

/** A `heartbead` that answers as one with a server would. */
const bin = mkdtempSync(join(tmpdir(), 'heartbead-completion-'));
writeFileSync(join(bin, 'heartbead'), '#!/bin/sh\n[ "$1" = completion ] && printf "%s-one\\n%s-two\\n" "$2" "$2"\n', {
  mode: 0o755,
});
afterAll(() => rmSync(bin, { recursive: true, force: true }));
const env = { ...process.env, HOME: bin, TERM: 'dumb', PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` };

describe('completion', () => {
  const bash = (...words: string[]): string[] => {
    const script =
      `${completionScript(program, 'bash')}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); ` +
      `COMP_CWORD=${words.length - 1}; _heartbead; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', script], { encoding: 'utf8', env }).trim().split('\n');
  };

  test('bash completes verbs, options, and the verbs of a group', () => {
    expect(bash('heartbead', 'ex')).toEqual(['explain']);
    expect(bash('heartbead', '')).toEqual(expect.arrayContaining(['sling', 'problems', 'top', 'history']));
    expect(bash('heartbead', 'sling', '--pri')).toEqual(['--priority']);
    expect(bash('heartbead', 'agent', 'do')).toEqual(['done']);
    expect(bash('heartbead', 'agent', 'messages', '--a')).toEqual(['--ack']);
  });

  test('bash asks for the ids of what a verb takes, once, and not where an option is begun', () => {
    expect(bash('heartbead', 'show', 'beads-')).toEqual(['beads-one', 'beads-two']);
    expect(bash('heartbead', 'rig', 'pause', 'r')).toEqual(['rigs-one', 'rigs-two']);
    expect(bash('heartbead', 'convoy', 'retry', 'c')).toEqual(['convoys-one', 'convoys-two']);
    expect(bash('heartbead', 'sling', 'A title', '--rig', 'r')).toEqual(['rigs-one', 'rigs-two']);
    // The value of an option is nothing else: no verb, no option, no id of what the verb takes.
    expect(bash('heartbead', 'sling', 'A title', '--agent', '')).toEqual(['agents-one', 'agents-two']);
    expect(bash('heartbead', 'retry', '--host', '')).toEqual(['hosts-one', 'hosts-two']);
    expect(bash('heartbead', 'board', '--host', 'h')).toEqual(['']);
    expect(bash('heartbead', 'ls', '--status', 'in_')).toEqual(['in_progress', 'in_review']);
    expect(bash('heartbead', 'nudge', 'beads-one', 'beads-')).toEqual(['']);
    expect(bash('heartbead', 'rig', 'add', 'rigs-')).toEqual(['']);
    expect(bash('heartbead', 'show', '--')).toEqual(['--json', '--help']);
  });

  test('bash never runs what a server calls a bead, nor offers it', () => {
    const evil = mkdtempSync(join(bin, 'evil-'));
    const ran = join(evil, 'ran');
    const ids = [`$(touch\${IFS}${ran})`, `\`touch\${IFS}${ran}\``, '*', 'a b', '-rf', 'A', 'fine-one'];
    writeFileSync(join(evil, 'ids'), `${ids.join('\n')}\n`);
    writeFileSync(join(evil, 'heartbead'), `#!/bin/sh\ncat '${evil}/ids'\n`, { mode: 0o755 });
    const script =
      `${completionScript(program, 'bash')}\nCOMP_WORDS=(heartbead show ''); COMP_CWORD=2; _heartbead; printf ` +
      '\'%s\\n\' "${COMPREPLY[@]}"';
    const offered = execFileSync('bash', ['-c', script], {
      encoding: 'utf8',
      env: { ...env, PATH: `${evil}${delimiter}${process.env['PATH'] ?? ''}` },
    });
    expect(existsSync(ran)).toBe(false);
    expect(offered.trim().split('\n')).toEqual(['--json', '--help', '-rf', 'fine-one']);
  });

  test('zsh takes its script, and completes verbs and ids by it', (context) => {
    if (findProgram('zsh', env) === undefined) return context.skip('there is no zsh here');
    // Its own functions for what they would show: a list has no place without a terminal.
    const zsh = (...words: string[]): string[] =>
      execFileSync(
        'zsh',
        [
          '-f',
          '-c',
          'compdef() { :; }\n_describe() { print -rl -- ${(P)2} }\n_files() { :; }\n' +
            `${completionScript(program, 'zsh')}\nwords=(${words.map((word) => `'${word}'`).join(' ')}); ` +
            `CURRENT=${words.length}; _heartbead`,
        ],
        { encoding: 'utf8', env },
      )
        .trim()
        .split('\n');
    expect(zsh('heartbead', '').some((line) => line.startsWith('problems:'))).toBe(true);
    expect(zsh('heartbead', 'show', '')).toEqual(expect.arrayContaining(['beads-one', 'beads-two']));
    expect(zsh('heartbead', 'rig', 'show', '')).toContain('rigs-one');
    expect(zsh('heartbead', 'ls', '--status', '')).toContain('blocked');
    expect(zsh('heartbead', 'ls', '--host', '')).toEqual(expect.arrayContaining(['hosts-one', 'hosts-two']));
    expect(zsh('heartbead', 'nudge', 'beads-one', '')).not.toContain('beads-one');
  });

  test('fish takes its script, and completes verbs, options and ids by it', (context) => {
    if (findProgram('fish', env) === undefined) return context.skip('there is no fish here');
    const fish = (line: string): string[] =>
      execFileSync('fish', ['--no-config', '-c', `${completionScript(program, 'fish')}\ncomplete -C '${line}'`], {
        encoding: 'utf8',
        env,
      })
        .trim()
        .split('\n')
        .map((found) => found.split('\t')[0] ?? '');
    expect(fish('heartbead expl')).toEqual(['explain']);
    expect(fish('heartbead sling --prio')).toEqual(['--priority']);
    expect(fish('heartbead agent do')).toEqual(['done']);
    expect(fish('heartbead show ')).toEqual(['beads-one', 'beads-two']);
    expect(fish('heartbead convoy show ')).toEqual(['convoys-one', 'convoys-two']);
  });

  test.each(shells)('%s knows every verb there is', (shell) => {
    const script = completionScript(program, shell);
    for (const command of program.commands) expect(script).toContain(command.name());
  });

  test('in zsh no variable takes the name of one that the shell keeps for itself', () => {
    expect(completionScript(program, 'zsh')).not.toMatch(/\b(?:local )?(?:path|status|argv)=/);
  });
});
