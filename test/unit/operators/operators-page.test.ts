import type { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../../../src/cli/program.js';
import { verbs } from '../../../src/cli/verbs/index.js';
import type { ProblemKind } from '../../../src/domain/telling/problems.js';

const page = readFileSync(new URL('../../../docs/operators.md', import.meta.url), 'utf8');

/** A new kind does not compile until it is here, and does not pass until the page has a section for it. */
const kinds: Record<ProblemKind, true> = {
  'no-worker': true,
  'hosts-full': true,
  'no-refinery': true,
  'host-silent': true,
  'attempt-damaged': true,
  'bead-unknown': true,
  'teardown-failed': true,
  'tree-kept': true,
  'shared-cause': true,
  declined: true,
  'account-refused': true,
  'accounts-refused': true,
  spend: true,
  'bead-blocked': true,
  escalation: true,
  approval: true,
  budget: true,
  stalled: true,
  'saves-stay': true,
  'work-stays': true,
  suspect: true,
  stopping: true,
  paused: true,
  'no-answer': true,
  losses: true,
  malformed: true,
  breaker: true,
  'rig-paused': true,
  'merge-failed': true,
  'convoy-blocked': true,
  'convoy-paused': true,
  'convoy-staged': true,
};

describe("the operators' page", () => {
  test.each(Object.keys(kinds))('has a section on %s', (kind) => {
    expect(page).toContain(`\n### ${kind}\n`);
  });

  test('names only verbs and options that there are', () => {
    const program = createProgram(verbs);
    const commands = [...page.matchAll(/`(?:source <\()?heartbead ([^`|)]+)/g)].map(([, text = '']) => text.trim());
    expect(commands.length).toBeGreaterThan(30);
    for (const text of commands) {
      const words = text.split(' ');
      let command: Command = program;
      for (
        let word = words[0];
        word !== undefined && command.commands.some((child) => child.name() === word);
        word = words[0]
      ) {
        command = command.commands.find((child) => child.name() === word) as Command;
        words.shift();
      }
      expect([text, command === program]).toEqual([text, false]);
      for (const option of words.filter((word) => word.startsWith('-')))
        expect([text, command.options.some(({ long, short }) => long === option || short === option)]).toEqual([
          text,
          true,
        ]);
    }
  });
});

test('the table of verbs in the README has every one', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const rows = readme.slice(readme.indexOf('| verb | what it does |')).split('\n\n')[0] ?? '';
  const named = [...rows.matchAll(/`([^`]+)`/g)].flatMap(([, code = '']) => code.split(/[ ,]+/));
  const names = createProgram(verbs).commands.map((command) => command.name());
  expect(names.filter((name) => !named.includes(name))).toEqual([]);
});
