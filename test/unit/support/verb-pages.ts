import type { Command } from 'commander';
import { pathOf } from '../../../src/cli/program.js';

/** Where the written part of docs/cli.md ends, and the part that is made of the verbs begins. */
export const beginning = '<!-- Made of the verbs themselves by `npm run cli-reference`; do not edit below. -->';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

const table = (rows: [string, string][]): string[] =>
  rows.length === 0
    ? []
    : ['| | |', '|---|---|', ...rows.map(([what, says]) => `| \`${cell(what)}\` | ${cell(says)} |`), ''];

function section(command: Command): string[] {
  const usage = [
    pathOf(command),
    ...command.registeredArguments.map((argument) => {
      const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
      return argument.required ? `<${name}>` : `[${name}]`;
    }),
  ];
  return [
    `#### \`${usage.join(' ')}\``,
    '',
    `${command.description().slice(0, 1).toUpperCase()}${command.description().slice(1)}.`,
    '',
    ...table([
      ...command.registeredArguments.map((argument): [string, string] => [argument.name(), argument.description]),
      ...command.options.map(({ flags, description }): [string, string] => [flags, description]),
    ]),
  ];
}

const sections = (command: Command): string[] =>
  command.commands.length === 0 ? section(command) : command.commands.flatMap(sections);

/** @returns the reference of all verbs, in the order of the help. */
export const reference = (program: Command): string =>
  [
    beginning,
    '',
    '## All verbs and options',
    '',
    'What `--help` shows of each verb, made of the same records. Every verb also takes `--help`; `--timeout <duration>` stands before the verb.',
    '',
    ...program.commands.flatMap(sections),
  ]
    .join('\n')
    .trimEnd() + '\n';
