import { createColors } from 'picocolors';
import { describe, expect, test } from 'vitest';
import { problemsPage } from '../../../src/cli/render/problems-page.js';
import type { AttemptRecord, BeadView, CurrentAttempt } from '../../../src/contract/index.js';
import { problemsOf } from '../../../src/domain/telling/problems.js';
import type { Problem } from '../../../src/domain/telling/problems.js';
import type { RefusedAccountFact, TownFacts } from '../../../src/domain/telling/town-facts.js';
import { notificationOf } from '../../../src/notify/event.js';
import { aBead, currentAttempt, endedAttempt, now } from '../cli/a-bead.js';
import { aConvoy, aRig, aTown, minute } from './facts.js';

const withBead = (view: BeadView, more: Partial<TownFacts> = {}): Problem[] =>
  problemsOf(aTown({ beads: [{ bead: view.bead, status: view.status, view }], ...more }));
const blocked = (text = 'no such branch', fix = 'correct the base', more: Partial<BeadView> = {}): BeadView =>
  aBead({
    status: 'blocked',
    agent: 'none',
    current: undefined,
    attention: 'blocked',
    wait: { for: 'person', since: now - 5 * minute, text, fix },
    ...more,
  });
const stalled = currentAttempt({ stalledAt: now - minute, lastProgressAt: now - 6 * minute });
const suspect = currentAttempt({ suspectSince: now - 3 * minute });
const waiting = (since: number): BeadView =>
  aBead({
    status: 'open',
    agent: 'none',
    current: currentAttempt({ acceptedAt: undefined, spawnedAt: undefined, host: undefined, startedAt: since }),
  });
const approval = aBead({
  status: 'in_review',
  agent: 'none',
  current: undefined,
  attention: 'approval',
  branch: 'heartbead/fix-typo/1',
  wait: { for: 'approval', since: now, text: 'a person has to approve' },
});
const openBreaker = aRig({
  breaker: {
    open: true,
    losses: 4,
    opened: 1,
    reason: '4 losses in a row',
    openedAt: now - minute,
    probeAt: now + minute,
  },
  waiting: [{ bead: 'a', workflowId: 'bead-a', priority: 3, since: now }],
});
const conflict = aRig({
  attention: 'merge',
  notMerged: [{ item: 'a', from: 'f', target: 'main', at: now, outcome: 'error', reason: 'the branch was deleted' }],
});
const lostDocs = aConvoy({
  beads: [{ id: 'docs', title: 'Docs', needs: [], status: 'failed', reason: 'it was cancelled' }],
  attention: 'blocked',
});

/** Its finished commits are on its host alone. */
const kept = (finished: number, tries: number, more: Partial<BeadView> = {}): BeadView =>
  aBead({
    status: 'open',
    agent: 'none',
    current: undefined,
    reason: 'the remote cannot be reached',
    attempts: [endedAttempt({ id: '1-aaaa', outcome: 'push_refused', endedAt: now - finished })],
    unpushed: { attempt: '1-aaaa', host: 'alpha-1', branch: 'heartbead/fix-typo/1-aaaa', sha: 'a'.repeat(40), tries },
    ...more,
  });

/** Every kind of problem, with what makes it. */
const causes: [string, () => Problem[]][] = [
  ['no-worker', () => withBead(aBead(), { hosts: { up: [], free: [], merging: [], silent: [] } })],
  [
    'hosts-full',
    () =>
      withBead(waiting(now - 6 * minute), { hosts: { up: ['alpha-1'], free: [], merging: ['alpha-1'], silent: [] } }),
  ],
  [
    'no-refinery',
    () =>
      problemsOf(
        aTown({
          hosts: { up: ['alpha-1'], free: ['alpha-1'], merging: [], silent: [] },
          rigs: [
            {
              rig: 'app',
              view: aRig({
                queue: [
                  {
                    item: 'a',
                    workflowId: 'bead-a',
                    branch: 'b',
                    sha: 's',
                    target: 'main',
                    priority: 3,
                    since: now,
                    title: 't',
                    queuedAt: now,
                    tries: 0,
                  },
                ],
              }),
            },
          ],
        }),
      ),
  ],
  [
    'host-silent',
    () =>
      withBead(aBead(), { hosts: { up: ['alpha-1'], free: ['alpha-1'], merging: ['alpha-1'], silent: ['beta-2'] } }),
  ],
  ['bead-blocked', () => withBead(blocked())],
  [
    'budget',
    () =>
      withBead(
        blocked(
          'used up',
          'look at what it was used for (heartbead show), then retry the bead: its budget counts anew from there',
        ),
      ),
  ],
  ['escalation', () => withBead(aBead({ attention: 'escalation', notes: ['which of the two parsers?'] }))],
  ['approval', () => withBead(approval)],
  ['losses', () => withBead(aBead({ used: { agentFailures: 0, infraLosses: 3, reworkRounds: 0 } }))],
  ['stalled', () => withBead(aBead({ agent: 'stalled', current: stalled, attention: 'stalled' }))],
  ['work-stays', () => withBead(kept(11 * minute, 4))],
  ['suspect', () => withBead(aBead({ agent: 'suspect', current: suspect }))],
  [
    'stopping',
    () =>
      withBead(
        aBead({
          agent: 'stopping',
          current: currentAttempt({ stopping: { outcome: 'stopped', reason: 'cancel', at: now - 3 * minute } }),
        }),
      ),
  ],
  [
    'paused',
    () =>
      withBead(
        aBead({ agent: 'paused', paused: true, current: currentAttempt({ pausedAt: now - minute, pauseTold: true }) }),
      ),
  ],
  ['no-answer', () => problemsOf(aTown({ beads: [{ bead: 'wedged', status: 'in_progress' }] }))],
  ['malformed', () => withBead(aBead({ malformed: 2 }))],
  ['breaker', () => problemsOf(aTown({ rigs: [{ rig: 'app', view: openBreaker }] }))],
  ['rig-paused', () => problemsOf(aTown({ rigs: [{ rig: 'app', view: aRig({ paused: true }) }] }))],
  ['merge-failed', () => problemsOf(aTown({ rigs: [{ rig: 'app', view: conflict }] }))],
  ['convoy-blocked', () => problemsOf(aTown({ convoys: [{ convoy: 'release', view: lostDocs }] }))],
  ['convoy-paused', () => problemsOf(aTown({ convoys: [{ convoy: 'release', view: aConvoy({ paused: true }) }] }))],
  ['convoy-staged', () => problemsOf(aTown({ convoys: [{ convoy: 'release', view: aConvoy({ staged: true }) }] }))],
];

describe('what needs a person', () => {
  test.each(causes)('%s is found, with why and a command of ours that helps', (kind, find) => {
    const found = find().filter((problem) => problem.kind === kind);
    expect(found).toHaveLength(1);
    expect(found[0]?.why).not.toBe('');
    expect(found[0]?.fix).toMatch(/^(heartbead|temporal) \w/);
  });

  test('a pause that its host has not confirmed is no rest: the agent may work on', () => {
    const asked = (ms: number, more: Partial<CurrentAttempt> = {}): Problem | undefined =>
      withBead(aBead({ agent: 'paused', paused: true, current: currentAttempt({ pausedAt: now - ms, ...more }) }))[0];
    expect(asked(20_000)).toMatchObject({ kind: 'paused', severity: 'know' });
    expect(asked(40_000)).toMatchObject({
      kind: 'paused',
      severity: 'look',
      what: expect.stringContaining('its agent may work on') as string,
      why: 'host beta-2 has not answered for 40 s',
    });
    for (const heard of [{ pauseTold: true }, { pausedByActivity: true }, { spawnedAt: undefined }])
      expect(asked(minute, heard)).toMatchObject({ severity: 'know' });
  });

  test('no command that is offered ends, removes, deletes or overrides anything', () => {
    for (const [kind, find] of causes)
      for (const { fix, advice } of find())
        expect([kind, `${fix} ${advice ?? ''}`]).toEqual([
          kind,
          expect.not.stringMatching(
            /cancel|remove|delete|terminate|reset|--now|--force|--release|heartbead down|\brm\b/,
          ),
        ]);
  });

  test('a town where all goes well has no problems', () => {
    expect(withBead(aBead())).toEqual([]);
    expect(
      problemsOf(aTown({ rigs: [{ rig: 'app', view: aRig() }], convoys: [{ convoy: 'release', view: aConvoy() }] })),
    ).toEqual([]);
  });

  test('a host that is silent for a moment, a slot that is waited for a minute, an agent that is just being stopped: nobody is called', () => {
    expect(withBead(aBead({ agent: 'suspect', current: currentAttempt({ suspectSince: now - minute }) }))).toEqual([]);
    expect(withBead(waiting(now - minute), { hosts: { up: ['alpha-1'], free: [], merging: [], silent: [] } })).toEqual(
      [],
    );
    expect(
      withBead(
        aBead({
          agent: 'stopping',
          current: currentAttempt({ stopping: { outcome: 'stopped', reason: 'cancel', at: now - 10_000 } }),
        }),
      ),
    ).toEqual([]);
  });

  test('without a worker that is the one problem: what cannot be asked is not guessed at', () => {
    const hosts = { up: [], free: [], merging: [], silent: [] };
    expect(
      problemsOf(
        aTown({
          hosts,
          beads: [
            { bead: 'a', status: 'in_progress' },
            { bead: 'b', status: 'open' },
          ],
        }),
      ),
    ).toEqual([expect.objectContaining({ kind: 'no-worker', fix: 'heartbead up' })]);
    expect(problemsOf(aTown({ hosts }))).toEqual([]);
  });

  test('what stands still comes first, the oldest before the younger', () => {
    const kinds = problemsOf(
      aTown({
        rigs: [{ rig: 'app', view: aRig({ paused: true }) }],
        beads: [
          aBead({ agent: 'stalled', current: stalled }),
          blocked('young', 'x', { bead: 'young' }),
          {
            ...blocked('old', 'x', { bead: 'old' }),
            wait: { for: 'person' as const, since: now - 60 * minute, text: 'old', fix: 'x' },
          },
        ].map((view) => ({ bead: view.bead, status: view.status, view })),
      }),
    );
    expect(kinds.map(({ kind, about }) => `${kind} ${about}`)).toEqual([
      'bead-blocked old',
      'bead-blocked young',
      'stalled fix-typo',
      'rig-paused app',
    ]);
  });

  test('a convoy with a bead that was lost is told to start that one again', () => {
    expect(problemsOf(aTown({ convoys: [{ convoy: 'release', view: lostDocs }] }))[0]).toMatchObject({
      fix: 'heartbead convoy retry release docs',
    });
  });
});

describe('what is known after a host, its disk or the database was lost', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];
  const ten = names.map((bead, at) =>
    aBead({
      bead,
      agent: 'suspect',
      current: currentAttempt({
        host: 'beta-2',
        suspectSince: now - 4 * minute,
        lastSignAt: now - ((5 + at) * minute) / 2,
      }),
    }),
  );
  const silent = (up: string[]): Problem[] =>
    problemsOf(
      aTown({
        beads: ten.map((view) => ({ bead: view.bead, status: view.status, view })),
        hosts: { up, free: up, merging: up, silent: ['beta-2'] },
      }),
    );

  test('a reboot with ten agents is one problem, which names all of them and says until when', () => {
    const [first, ...others] = silent(['alpha-1']);
    expect(others).toEqual([]);
    expect(first).toMatchObject({ kind: 'host-silent', about: 'beta-2', fix: 'heartbead explain a' });
    expect(first?.why).toMatch(/a, b, c, d, e, f, g, h, i, j, given up in 4 min at the earliest$/);
    expect(first?.advice).toContain('start its worker again');
  });

  test('a machine that comes back without its state directory is named as the host that it is now', () => {
    expect(silent(['alpha-1', 'beta-3'])[0]?.advice).toMatch(
      /^beta-3 is up on that machine with a state directory of its own/,
    );
  });

  test('what a host has of beads that a restored database does not know is told, once for each bead', () => {
    const found = problemsOf({
      ...aTown(),
      forgotten: [
        { bead: 'x', attempt: '10-aaaa', refs: ['refs/bots/x/10-aaaa/wip'], setAside: 'mv ten' },
        { bead: 'x', attempt: '9-bbbb', refs: [], setAside: 'mv nine' },
        { bead: 'y', attempt: '1-cccc', refs: [], setAside: 'mv one' },
      ],
    });
    expect(found).toMatchObject([
      {
        kind: 'bead-unknown',
        about: 'x',
        fix: 'mv ten',
        advice: expect.stringContaining('refs/bots/x/10-aaaa/wip') as string,
      },
      { kind: 'bead-unknown', about: 'y', fix: 'mv one' },
    ]);
  });
});

describe('finished commits that the remote does not take', () => {
  test('are told after ten minutes, with what it says, or with the host that does not answer', () => {
    expect(withBead(kept(9 * minute, 4))).toEqual([]);
    expect(withBead(kept(11 * minute, 4))).toMatchObject([
      {
        kind: 'work-stays',
        severity: 'look',
        what: 'finished commits of bead fix-typo stay on host alpha-1',
        why: 'the remote did not take them in 5 tries: the remote cannot be reached',
        advice: 'they are pushed again by themselves, and at once by `heartbead retry fix-typo`',
        since: now - 11 * minute,
      },
    ]);
    expect(withBead(kept(11 * minute, 0))).toMatchObject([
      { why: 'that host has not answered since, and only it has them', advice: expect.stringContaining('alpha-1') },
    ]);
  });

  test('are no second problem of a bead that waits for a person', () => {
    const { status, attention, wait } = blocked();
    expect(withBead(kept(60 * minute, 4, { status, attention, wait })).map(({ kind }) => kind)).toEqual([
      'bead-blocked',
    ]);
  });
});

describe('the page of problems', () => {
  const plain = createColors(false);
  test('says so when there are none', () => {
    expect(problemsPage([], now, plain)).toBe('nothing needs a person');
  });

  test('has the reason, what to do first, and the command for each', () => {
    expect(problemsPage(withBead(blocked()), now, plain)).toBe(
      [
        '1 thing needs a person; 1 holds work up',
        '',
        'stuck  bead fix-typo is blocked, 5 min',
        '       why  no such branch',
        '       do   first: correct the base',
        '       run  heartbead retry fix-typo',
      ].join('\n'),
    );
  });

  test('what an agent wrote cannot move the cursor', () => {
    expect(problemsPage(withBead(blocked('a\u001b[2Jb')), now, plain)).not.toMatch(/\u001b/);
  });
});

describe('a cause that beads without a rig share', () => {
  const since = now - 60 * minute;
  const blockedBy = (bead: string, host: string, later: number, more: Partial<AttemptRecord> = {}): BeadView =>
    blocked('the agent cannot log in: 401', 'give the agent valid credentials on its host', {
      bead,
      rig: undefined,
      convoy: undefined,
      wait: { for: 'person', since: since + later, text: 'the agent cannot log in: 401', fix: 'give it credentials' },
      attempts: [
        {
          id: '1-aaaa',
          number: 1,
          startedAt: since,
          host,
          heartbeats: 0,
          adoptions: 0,
          outcome: 'auth_failed',
          reason: '401',
          ...more,
        },
      ],
    });
  const town = (...views: BeadView[]): Problem[] =>
    problemsOf(aTown({ beads: views.map((view) => ({ bead: view.bead, status: view.status, view })) }));

  test('is one problem of their host, with one command, and is told once from the first bead on', () => {
    const first = town(blockedBy('a', 'h1', 0));
    expect(first).toMatchObject([{ kind: 'bead-blocked', about: 'a' }]);
    const both = town(blockedBy('b', 'h1', 5), blockedBy('a', 'h1', 0), blockedBy('c', 'h1', 9));
    expect(both).toMatchObject([
      { kind: 'shared-cause', about: 'h1', fix: 'heartbead retry --host h1 --cause auth_failed' },
    ]);
    expect(both[0]?.why).toContain('a, b, c');
    const told = [...first, ...both].map(
      (problem) => notificationOf(problem, { namespace: 'default', taskQueue: 'q' }, now)?.id,
    );
    expect(new Set(told).size).toBe(1);
  });

  test('and those that the host gives back for it belong to it; given back for another reason they are a problem of their own', () => {
    const waits = (bead: string, reason: string, since = 0): BeadView => ({
      ...blockedBy(bead, 'h1', since, { outcome: 'declined', reason, endedAt: since }),
      status: 'open',
      wait: { for: 'backoff', until: now + 1, text: reason },
    });
    const login = 'host h1 starts no claude for now: the login of claude is refused: 401';
    expect(town(blockedBy('a', 'h1', 0), waits('b', login, 3), waits('c', login, 4))).toMatchObject([
      {
        kind: 'shared-cause',
        about: 'h1',
        what: expect.stringContaining('2 more wait') as string,
        fix: 'heartbead retry --host h1',
      },
    ]);
    const entry = town(
      waits('b', 'host h1 cannot run it: there is no agent "mine"', 5),
      waits('c', 'host h1 cannot run it: there is no agent "mine"', 2),
    );
    expect(entry).toMatchObject([
      { kind: 'declined', about: 'h1', of: 'host', severity: 'look', since: 2, fix: 'heartbead retry --host h1' },
    ]);
    expect(entry[0]?.why).toMatch(/no agent "mine"; b, c$/);
  });

  test('those that lack what the first one asks for are one problem with it', () => {
    const waits = (bead: string, reason: string): BeadView => ({
      ...blockedBy(bead, 'h1', 1, { outcome: 'declined', reason, endedAt: 1 }),
      status: 'open',
      wait: { for: 'backoff', until: now + 1, text: reason },
    });
    const first = blockedBy('a', 'h1', 0, { outcome: 'not_installed', reason: 'on host h1: no program claude' });
    const found = town(
      first,
      waits('b', 'host h1 cannot run it: no program claude'),
      waits('c', 'host h1 cannot run it: no program claude'),
    );
    expect(found).toMatchObject([
      {
        kind: 'shared-cause',
        what: expect.stringContaining('2 more wait') as string,
        fix: 'heartbead retry --host h1',
      },
    ]);
    expect(town(first, waits('b', 'host h1 cannot run it: another matter'))).toMatchObject([
      { kind: 'bead-blocked' },
      { kind: 'declined' },
    ]);
  });

  test('an account that is refused is told with its instant; one whose limit is over is not', () => {
    const account = { host: 'h1', agent: 'claude', reason: '5-hour limit', since: now - 5, of: 4 } as const;
    const found = problemsOf({
      ...aTown({}),
      refusedAccounts: [
        { ...account, account: 'work', cause: 'rate_limited', until: now + 60_000 },
        { ...account, account: 'over', cause: 'rate_limited', until: now },
        { ...account, account: 'spare', cause: 'auth_failed', until: now - 1 },
      ],
    });
    expect(found).toMatchObject([
      { kind: 'account-refused', severity: 'look', what: 'account spare of claude on host h1 is left alone' },
      {
        kind: 'account-refused',
        severity: 'know',
        what: 'account work of claude on host h1 is left alone for 60 s yet',
      },
    ]);
  });

  describe('all accounts of an agent on a host', () => {
    const refused = (account: string, more: Partial<RefusedAccountFact> = {}): RefusedAccountFact => ({
      host: 'h1',
      agent: 'claude',
      account,
      of: 2,
      cause: 'auth_failed',
      reason: '401',
      since: now - 5,
      until: now - 1,
      ...more,
    });
    const waits = (bead: string, reason = 'host h1 starts no claude for now: account a of claude is refused: 401') => ({
      ...blockedBy(bead, 'h1', 1, { outcome: 'declined', reason, endedAt: 1 }),
      agentSpec: { adapter: 'claude' },
      status: 'open' as const,
      wait: { for: 'backoff' as const, until: now + 1, text: reason },
    });
    const found = (facts: RefusedAccountFact[], ...views: BeadView[]): Problem[] =>
      problemsOf({
        ...aTown({ beads: views.map((view) => ({ bead: view.bead, status: view.status, view })) }),
        refusedAccounts: facts,
      });

    test('refused are one problem with the beads that it blocks and holds back, and the next step', () => {
      const beads = [{ ...blockedBy('x', 'h1', 0), agentSpec: { adapter: 'claude' } }, waits('y'), waits('z')];
      const problems = found([refused('a'), refused('b', { cause: 'out_of_credit', reason: '402' })], ...beads);
      expect(problems).toMatchObject([
        {
          kind: 'accounts-refused',
          severity: 'stuck',
          about: 'h1',
          of: 'host',
          what: 'host h1 starts no claude: all 2 of its accounts are refused',
          why: 'a: 401; b: 402; 3 beads wait: x, y, z',
          fix: 'heartbead retry --host h1',
          advice: expect.stringContaining('heartbead agent-test claude --account a') as string,
        },
      ]);
    });

    test('spent go on by themselves, and the first instant is told', () => {
      const spent = { cause: 'rate_limited', reason: '5-hour limit' } as const;
      const problems = found(
        [refused('a', { ...spent, until: now + 60_000 }), refused('b', { ...spent, until: now + 600_000 })],
        waits('y'),
      );
      expect(problems).toMatchObject([
        { kind: 'accounts-refused', severity: 'look', advice: expect.stringMatching(/again in 60 s$/) as string },
      ]);
    });

    test('but one are refused: each is told, and what else is given back by itself', () => {
      const problems = found([refused('a')], waits('y', 'host h1 cannot run it: no walls'));
      expect(problems.map(({ kind }) => kind).sort()).toEqual(['account-refused', 'declined']);
      // A limit that is over counts as none.
      const over = refused('b', { cause: 'rate_limited', until: now });
      expect(found([refused('a'), over]).map(({ kind }) => kind)).toEqual(['account-refused']);
    });

    test('of another agent or host say nothing of this one', () => {
      const other = { ...blockedBy('w', 'h2', 0), agentSpec: { adapter: 'claude' } };
      const kinds = found([refused('a'), refused('b')], other, waits('y', 'host h1 cannot run it: no walls'));
      expect(kinds.map(({ kind, about }) => `${kind} ${about}`).sort()).toEqual([
        'accounts-refused h1',
        'bead-blocked w',
        'declined h1',
      ]);
    });
  });

  test('of another host, another cause or another reason is another problem', () => {
    const setup = (bead: string, reason: string): BeadView =>
      blockedBy(bead, 'h1', 0, { outcome: 'setup_failed', reason });
    const found = town(
      blockedBy('a', 'h1', 0),
      blockedBy('b', 'h2', 0),
      setup('c', 'no branch mian'),
      setup('d', 'no branch mina'),
      setup('e', 'no agent named x in 1-abcd1234'),
      setup('f', 'no agent named x in 1-bbbb1234'),
    );
    expect(found.map(({ kind, about }) => [kind, about])).toEqual([
      ['shared-cause', 'h1'],
      ['bead-blocked', 'a'],
      ['bead-blocked', 'b'],
      ['bead-blocked', 'c'],
      ['bead-blocked', 'd'],
    ]);
  });
});
