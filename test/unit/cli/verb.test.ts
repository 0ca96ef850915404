import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createProgram, pathOf } from '../../../src/cli/program.js';
import type { Verb } from '../../../src/cli/program.js';
import { inTurn, isMeant } from '../../../src/cli/select-beads.js';
import type { Selection } from '../../../src/cli/select-beads.js';
import { argument, flag, option, repeatable, verb, verbGroup } from '../../../src/cli/verb.js';
import { verbs } from '../../../src/cli/verbs/index.js';
import type { AttemptRecord, BeadView } from '../../../src/contract/index.js';
import { aBead } from './a-bead.js';

async function typed(made: Verb, ...words: string[]): Promise<void> {
  await createProgram([made]).parseAsync(['node', 'heartbead', ...words]);
}

describe('a verb as a record', () => {
  test('is called with what its schemas have read', async () => {
    const heard: unknown[] = [];
    const made = verb({
      name: 'mow',
      description: 'mow the lawn',
      arguments: [
        argument('<lawn>', 'which', z.string()),
        argument('[rows...]', 'how', z.array(z.string()).default([])),
      ],
      options: {
        speed: option('--speed <n>', 'how fast', z.coerce.number().default(3)),
        edge: repeatable('--edge <name>', 'which edges', z.array(z.string()).default([])),
        wet: flag('--wet', 'in the rain'),
        sun: option('--sun', 'only in the sun', z.boolean().optional()),
        noSun: option('--no-sun', 'at any time', z.boolean().optional()),
      },
      run: (_context, args, options) => {
        heard.push(args, options);
        return Promise.resolve(0);
      },
    });
    await typed(
      verbGroup('garden', 'the garden', [made]),
      'garden',
      'mow',
      'front',
      'a',
      'b',
      '--edge',
      'n',
      '--edge',
      's',
      '--no-sun',
    );
    expect(heard).toEqual([['front', ['a', 'b']], { speed: 3, edge: ['n', 's'], wet: false, sun: false }]);
  });

  test('is refused when an option is recorded under another name than its flags give it', () => {
    const made = verb({
      name: 'mow',
      description: 'mow the lawn',
      options: { speed: option('--pace <n>', 'how fast', z.string().optional()) },
      run: () => Promise.resolve(0),
    });
    expect(() => createProgram([made])).toThrow('the option --pace <n> of mow is recorded as speed');
  });

  test('knows how it is called', () => {
    const program = createProgram(verbs);
    const rig = program.commands.find((command) => command.name() === 'rig');
    const add = rig?.commands.find((command) => command.name() === 'add');
    expect(add && pathOf(add)).toBe('rig add');
    expect(pathOf(program)).toBe('');
  });
});

describe('the beads that a filter means', () => {
  const all: Selection = { rig: undefined, convoy: undefined, status: undefined, host: undefined, cause: undefined };
  const attempt = (outcome: AttemptRecord['outcome'], host: string): AttemptRecord => ({
    id: '1-aaaaaaaa',
    number: 1,
    startedAt: 0,
    heartbeats: 0,
    adoptions: 0,
    outcome,
    host,
  });
  const blocked: BeadView = {
    ...aBead(),
    status: 'blocked',
    rig: 'app',
    convoy: 'big',
    current: undefined,
    attempts: [attempt('lost', 'ant'), attempt('auth_failed', 'bee')],
    now: 0,
  };

  test.each<[string, Partial<Selection>, boolean]>([
    ['its rig', { rig: 'app' }, true],
    ['another rig', { rig: 'web' }, false],
    ['its convoy', { convoy: 'big' }, true],
    ['its status', { status: 'blocked' }, true],
    ['another status', { status: 'open' }, false],
    ['the host of its newest attempt', { host: 'bee' }, true],
    ['the host of an earlier attempt', { host: 'ant' }, false],
    ['the outcome of its last attempt', { cause: ['auth_failed'] }, true],
    ['the outcome of an earlier attempt', { cause: ['lost'] }, false],
    ['all of several', { rig: 'app', status: 'blocked', cause: ['auth_failed', 'lost'] }, true],
    ['not all of several', { rig: 'app', status: 'open' }, false],
  ])('%s', (_, filter, meant) => {
    expect(isMeant(blocked, { ...all, ...filter })).toBe(meant);
  });

  test('an ended bead is never meant', () => {
    expect(isMeant({ ...blocked, status: 'closed' }, all)).toBe(false);
  });
});

test('what is done in turn is all done, and never more at once than it may', async () => {
  let now = 0;
  let most = 0;
  const done: number[] = [];
  await inTurn([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => setImmediate(resolve));
    now -= 1;
    done.push(item);
  });
  expect(done.sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(most).toBe(3);
});
