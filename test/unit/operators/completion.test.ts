import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { completionScript, shells } from '../../../src/cli/completion.js';
import { createProgram } from '../../../src/cli/program.js';
import { verbs } from '../../../src/cli/verbs/index.js';

const program = createProgram(verbs);

describe('completion', () => {
  const bash = (...words: string[]): string[] => {
    const script = `${completionScript(program, 'bash')}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _heartbead; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split('\n');
  };

  test('bash completes verbs, options, and the verbs of a group', () => {
    expect(bash('heartbead', 'ex')).toEqual(['explain']);
    expect(bash('heartbead', '')).toEqual(expect.arrayContaining(['sling', 'problems', 'top', 'history']));
    expect(bash('heartbead', 'sling', '--pri')).toEqual(['--priority']);
    expect(bash('heartbead', 'agent', 'do')).toEqual(['done']);
    expect(bash('heartbead', 'agent', 'messages', '--a')).toEqual(['--ack']);
  });

  test.each(shells)('%s knows every verb there is', (shell) => {
    const script = completionScript(program, shell);
    for (const command of program.commands) expect(script).toContain(command.name());
  });

  test('in zsh no variable takes the name of one that the shell keeps for itself', () => {
    expect(completionScript(program, 'zsh')).not.toMatch(/\b(?:local )?(?:path|status|argv)=/);
  });
});
