import { describe, expect, test } from 'vitest';
import type { ConvoySpec } from '../../../src/contract/index.js';
import { importBeads } from '../../../src/domain/beads-import.js';
import { convoyProblem } from '../../../src/domain/convoy/graph.js';

interface Line {
  id: string;
  title?: string;
  status?: string;
  needs?: string[];
  parent?: string;
  type?: string;
  kind?: string;
  priority?: number;
  [more: string]: unknown;
}
/** Lines as the tracker writes them. */
const file = (...issues: Line[]): string => issues.map((issue) => `${JSON.stringify(written(issue))}\n`).join('');
const at = '2026-01-01T00:00:00Z';
const written = ({ id, needs = [], parent, type, kind = 'blocks', ...rest }: Line): object => ({
  id,
  title: `Title of ${id}`,
  status: 'open',
  issue_type: type ?? 'task',
  created_at: at,
  ...rest,
  dependencies: [
    ...needs.map((need) => ({
      issue_id: id,
      depends_on_id: need,
      type: kind,
      created_at: at,
      created_by: 'daemon',
    })),
    ...(parent === undefined ? [] : [{ issue_id: id, depends_on_id: parent, type: 'parent-child' }]),
  ],
});
const options = { deferred: false, ignoreMissing: false, now: Date.parse(at) };
const beadsOf = (text: string, more = {}) => {
  const imported = importBeads(text, { ...options, ...more });
  if ('problem' in imported) throw new Error(imported.problem);
  return imported;
};
const problem = (text: string): string | undefined => {
  const imported = importBeads(text, options);
  return 'problem' in imported ? imported.problem : undefined;
};
const specOf = (text: string): ConvoySpec => ({
  convoy: 'c',
  title: 't',
  rig: 'app',
  policy: 'wait',
  target: 'base',
  staged: false,
  beads: beadsOf(text).beads,
});

describe('issues of the tracker as a convoy', () => {
  test('ids, priorities, texts and blocking dependencies are mapped', () => {
    const { beads, names } = beadsOf(
      file(
        { id: 'bd-A1.2', priority: 0, description: 'Do it', acceptance_criteria: 'It works' },
        { id: 'bd-b', needs: ['bd-A1.2'] },
        { id: 'bd-c', priority: 4, needs: ['bd-b'], kind: 'related' },
      ),
    );
    expect(beads).toEqual([
      {
        id: 'bd-a1-2',
        title: 'Title of bd-A1.2',
        body: 'Do it\n\n## Acceptance criteria\n\nIt works',
        needs: [],
        priority: 1,
      },
      { id: 'bd-b', title: 'Title of bd-b', needs: ['bd-a1-2'], priority: 3 },
      { id: 'bd-c', title: 'Title of bd-c', needs: [], priority: 5 },
    ]);
    expect(names['bd-A1.2']).toBe('bd-a1-2');
  });

  test('closed issues and tombstones are skipped, and nobody waits for them', () => {
    const { beads, notes } = beadsOf(
      file({ id: 'a', status: 'closed' }, { id: 't', status: 'tombstone' }, { id: 'b', needs: ['a', 't'] }),
    );
    expect(beads).toEqual([expect.objectContaining({ id: 'b', needs: [] })]);
    expect(notes).toContain('2 closed, skipped: a, t');
  });

  test('an epic stands for its children: needing it means needing them, and what it needs, they need', () => {
    const { beads } = beadsOf(
      file(
        { id: 'first' },
        { id: 'e', type: 'epic', needs: ['first'] },
        { id: 'e.1', parent: 'e' },
        { id: 'e.2', parent: 'e', status: 'closed' },
        { id: 'after', needs: ['e'] },
      ),
    );
    expect(beads.map(({ id, needs }) => [id, needs])).toEqual([
      ['first', []],
      ['e-1', ['first']],
      ['after', ['e-1']],
    ]);
  });

  test('the last line on an issue counts', () => {
    expect(beadsOf(file({ id: 'a' }, { id: 'b' }, { id: 'a', status: 'closed' })).beads.map(({ id }) => id)).toEqual([
      'b',
    ]);
  });

  test('a cycle is refused by the rule of all convoys, with its path', () => {
    expect(convoyProblem(specOf(file({ id: 'a', needs: ['b'] }, { id: 'b', needs: ['a'] })))).toBe(
      'these beads wait for each other: a needs b needs a',
    );
  });

  test('what cannot be kept is refused in clear words, with a way out', () => {
    expect(problem(file({ id: 'a', needs: ['gone'] }))).toBe(
      'a needs gone, which is not in the file; --ignore-missing takes it as done',
    );
    expect(problem(file({ id: 'ice', status: 'deferred' }, { id: 'a', needs: ['ice'] }))).toMatch(
      /^a needs ice, which is left out \(it is deferred\);.*--deferred$/,
    );
    expect(problem(file({ id: 'a' }, { id: 'b', needs: ['a'], kind: 'conditional-blocks' }))).toMatch(
      /^b is to run only if a fails/,
    );
    expect(problem(file({ id: 'a.1' }, { id: 'A-1' }))).toBe('a.1 and A-1 would both be named a-1; rename one of them');
    expect(problem('{"id":"a","title":"t"}\nnot json\n')).toBe('line 2: it is not JSON');
    expect(problem('{"id":"a"}')).toBe('line 1: issue a has no title');
    expect(problem('')).toBe('the file has no issues');
    expect(problem(file({ id: 'a', status: 'closed' }))).toBe('nothing in the file is open work');
  });

  test('with the options, missing needs count as done and deferred issues are taken', () => {
    expect(beadsOf(file({ id: 'a', needs: ['gone'] }), { ignoreMissing: true }).beads[0]?.needs).toEqual([]);
    expect(
      beadsOf(file({ id: 'ice', status: 'deferred' }, { id: 'a', needs: ['ice'] }), { deferred: true }).beads[1]?.needs,
    ).toEqual(['ice']);
  });

  test('mail and machinery are left out, and said', () => {
    const { beads, notes } = beadsOf(file({ id: 'a' }, { id: 'm', type: 'message' }));
    expect(beads).toHaveLength(1);
    expect(notes).toContain('1 no work for an agent (mail, gates and the like), left out: m');
  });

  test('memories in the same file are counted and left out', () => {
    const { beads, notes } = beadsOf(
      `${file({ id: 'bd-1' })}{"_type":"memory","key":"k","value":"v"}\n` +
        `${JSON.stringify({ _type: 'issue', id: 'bd-2', title: 'second' })}\n`,
    );
    expect(beads.map(({ id }) => id)).toEqual(['bd-1', 'bd-2']);
    expect(notes).toEqual(['1 record of type memory, no issue, left out']);
  });

  test('a parent of any type stands for its children, and what blocks it blocks them', () => {
    const { beads, notes } = beadsOf(
      file(
        { id: 'x' },
        { id: 'p', type: 'feature', needs: ['x'] },
        { id: 'c', parent: 'p' },
        { id: 'm', type: 'molecule', needs: ['c'] },
        { id: 'step', parent: 'm' },
        { id: 'after', needs: ['p', 'm'] },
      ),
    );
    expect(beads.map(({ id, needs }) => [id, needs])).toEqual([
      ['x', []],
      ['c', ['x']],
      ['step', ['c']],
      ['after', ['c', 'step']],
    ]);
    expect(notes).toEqual(['2 epics and other parents, which stand for their children: p, m']);
  });

  test('a parent of parents stands for what is below them, also by way of what is no work itself', () => {
    const { beads } = beadsOf(
      file(
        { id: 'x' },
        { id: 'e', type: 'epic', needs: ['x'] },
        { id: 'm', type: 'molecule', parent: 'e' },
        { id: 'm.1', type: 'molecule', parent: 'm' },
        { id: 'step', parent: 'm.1' },
        { id: 'after', needs: ['e'] },
      ),
    );
    expect(beads.map(({ id, needs }) => [id, needs])).toEqual([
      ['x', []],
      ['step', ['x']],
      ['after', ['step']],
    ]);
  });

  test('what is on ice until a day, or with its parent, is not worked on before', () => {
    const text = file(
      { id: 'a', defer_until: '2026-01-01T00:00:01Z' },
      { id: 'b', defer_until: '2025-12-31T23:59:59+00:00' },
      { id: 'c', defer_until: 'soon' },
      { id: 'e', type: 'epic', status: 'deferred' },
      { id: 'e.1', parent: 'e' },
    );
    const { beads, notes } = beadsOf(text);
    expect(beads.map(({ id }) => id)).toEqual(['b', 'c']);
    expect(notes).toEqual(['3 put on ice or pinned, left out (--deferred takes the deferred ones): a, e, e.1']);
    expect(beadsOf(text, { deferred: true }).beads.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'e-1']);
    expect(problem(`${text}${file({ id: 'd', needs: ['e.1'] })}`)).toMatch(
      /^d needs e\.1, which is left out \(it is deferred\);.*--deferred$/,
    );
  });

  test('a milestone is no work: who needs it needs what it needs', () => {
    const text = file(
      { id: 'a' },
      { id: 'b', status: 'closed' },
      { id: 'm0', type: 'milestone', needs: ['a', 'b'] },
      { id: 'm', type: 'milestone', needs: ['m0'] },
      { id: 'after', needs: ['m'] },
    );
    const { beads, notes } = beadsOf(text);
    expect(beads.map(({ id, needs }) => [id, needs])).toEqual([
      ['a', []],
      ['after', ['a']],
    ]);
    expect(notes).toContain('2 milestones, which stand for what they need: m0, m');
    expect(problem(file({ id: 'm', type: 'milestone', needs: ['gone'] }, { id: 'c', needs: ['m'] }))).toMatch(
      /^c needs gone, which is not in the file/,
    );
    expect(problem(file({ id: 'm', type: 'milestone', status: 'deferred' }, { id: 'c', needs: ['m'] }))).toMatch(
      /^c needs m, which is left out \(it is deferred\)/,
    );
  });

  test('a parent that its own children wait for is work beside them', () => {
    expect(
      beadsOf(file({ id: 'p', type: 'task' }, { id: 'p.1', parent: 'p', needs: ['p'] })).beads.map(({ id, needs }) => [
        id,
        needs,
      ]),
    ).toEqual([
      ['p', []],
      ['p-1', ['p']],
    ]);
  });

  test('wisps, templates and what is pinned are no work, nor are the steps below them', () => {
    const { beads, notes } = beadsOf(
      file(
        { id: 'a' },
        { id: 'w', ephemeral: true },
        { id: 'w.1', parent: 'w' },
        { id: 't', type: 'epic', is_template: true },
        { id: 't.1', parent: 't' },
        { id: 'p', pinned: true },
      ),
    );
    expect(beads.map(({ id }) => id)).toEqual(['a']);
    expect(notes).toEqual([
      '2 templates, left out: t, t.1',
      '2 wisps, which only pass through the tracker, left out: w, w.1',
      '1 put on ice or pinned, left out (--deferred takes the deferred ones): p',
    ]);
    expect(problem(file({ id: 'w', ephemeral: true }, { id: 'a', needs: ['w'] }))).toMatch(
      /^a needs w, which is left out \(it is a wisp\)/,
    );
  });

  test('a status of the project is asked about, and means what the answer says', () => {
    const text = file({ id: 'a', status: 'shipped' }, { id: 'b', status: 'triage', needs: ['a'] });
    expect(problem(text)).toBe(
      'the tracker itself has no status "shipped" (a), "triage" (b); say what each means: --done-status NAME ' +
        'for finished work, --open-status NAME for work to do',
    );
    expect(beadsOf(text, { doneStatuses: ['shipped'], openStatuses: ['triage'] }).beads).toEqual([
      expect.objectContaining({ id: 'b', needs: [] }),
    ]);
  });
});
