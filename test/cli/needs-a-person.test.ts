import { createHmac, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { BeadClient, FleetClient } from '../../src/client/index.js';
import type { BeadView } from '../../src/contract/index.js';
import type { Problem } from '../../src/domain/telling/problems.js';
import type { Notification } from '../../src/notify/index.js';
import { ApproverKeys } from '../support/approver-keys.js';
import { until } from '../support/until.js';
import { Cli, lineOf } from './support/cli.js';
import { Repository } from './support/repository.js';

let cli: Cli;
let repository: Repository;
let connection: Connection;
let client: Client;
let receiver: Server;
const keys = new ApproverKeys();
/** What the webhook got, each with whether its signature is right; every event's first try is answered with 500. */
const posted: { notification: Notification; signed: boolean; status: number }[] = [];
const secret = 'known to two';
const mark = randomBytes(4).toString('hex');
const id = (name: string): string => `${name}-${mark}`;
const [plain, strict, far] = [id('plain'), id('strict'), id('far')];
const agent =
  'echo written > "$HEARTBEAD_BEAD.txt" && git add . && git -c user.name=A -c user.email=a@localhost commit ' +
  '-qm "write a file" && heartbead agent done "wrote a file"';

const fine = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await cli.run(args);
  expect(code, `heartbead ${args.join(' ')}: ${stderr}`).toBe(0);
  return stdout;
};
const sling = (name: string, ...more: string[]): Promise<string> =>
  fine('sling', `Title of ${name}`, '--id', id(name), ...more);
const seen = (bead: string, what: string, is: (view: BeadView) => boolean): Promise<BeadView> =>
  until(
    `${bead} ${what}`,
    async () => {
      const view = await new BeadClient({ client }).view(bead);
      if (is(view)) return view;
      throw new Error(`${view.status}: ${view.reason}`);
    },
    90_000,
  );
/** Waits until the problem is told. */
const problem = (kind: Problem['kind'], about: string): Promise<Problem> =>
  until(
    `${about}: ${kind}`,
    async () => {
      const { problems } = await cli.json<{ problems: Problem[] }>(['problems']);
      const found = problems.find((one) => one.kind === kind && one.about === about);
      if (found === undefined)
        throw new Error(`there are ${problems.map((one) => `${one.kind} of ${one.about}`).join(', ')}`);
      return found;
    },
    90_000,
  );
/** Does what a problem advises. */
const follow = ({ fix }: Problem): Promise<string> => fine(...fix.split(' ').slice(1));
const told = (): Notification[] =>
  (existsSync(join(cli.home, 'told')) ? readFileSync(join(cli.home, 'told'), 'utf8') : '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Notification);

beforeAll(async () => {
  const { address, namespace } = inject('devServer');
  cli = new Cli({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, HEARTBEAD_TASK_QUEUE: id('person') });
  repository = new Repository();
  connection = await Connection.connect({ address });
  client = new Client({ connection, namespace });
  const tried = new Set<string>();
  receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const notification = JSON.parse(body) as Notification;
      const status = tried.has(notification.id) ? 200 : 500;
      tried.add(notification.id);
      posted.push({
        notification,
        signed:
          request.headers['heartbead-signature'] ===
            `v1=${createHmac('sha256', secret)
              .update(`${String(request.headers['heartbead-timestamp'])}.${body}`)
              .digest('hex')}` && request.headers['heartbead-id'] === notification.id,
        status,
      });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  writeFileSync(join(cli.home, 'secret'), `${secret}\n`);
  writeFileSync(
    join(cli.home, 'notifications.json'),
    JSON.stringify({
      hooks: [
        { name: 'web', url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`, secretFile: 'secret' },
        { name: 'file', command: `cat >> '${join(cli.home, 'told')}'; echo >> '${join(cli.home, 'told')}'` },
      ],
    }),
  );
  // Uses up what it may, and reports nothing.
  writeFileSync(
    join(cli.home, 'agents.yaml'),
    'agents:\n  costly:\n    command: [sh, -c, \'echo "{\\"out\\": 5000}"\']\n    prompt: stdin\n    output: { ' +
      'format: json-lines, usage: each, fields: { outputTokens: out } }\n',
  );
  await lineOf(cli.start(['worker', '--max-agents', '6']), 'stderr', /the worker polls/);
  await Promise.all([
    fine('rig', 'add', plain, '--repo', repository.path, '--command', agent),
    fine('rig', 'add', strict, '--repo', repository.path, '--command', agent, '--approval'),
    fine('rig', 'add', far, '--repo', 'http://127.0.0.1:1/r.git', '--command', agent, '--max-agents', '3'),
  ]);
  await Promise.all([
    ...['far1', 'far2', 'far3'].map((name) => sling(name, '--rig', far)),
    sling('approve', '--rig', strict),
    sling('blocked', '--command', agent, ...repository.withoutBase),
    sling('costly', '--repo', repository.path, '--agent', 'costly', '--budget', 'maxTokens=100'),
  ]);
});
afterAll(async () => {
  receiver.close();
  await cli.end();
  await connection.close();
  repository.remove();
  keys.remove();
});

describe('each problem is told with a command, and the command helps', () => {
  test('bead-blocked: retry tries again', async () => {
    const found = await problem('bead-blocked', id('blocked'));
    expect(found).toMatchObject({
      severity: 'stuck',
      fix: `heartbead retry ${id('blocked')}`,
      why: expect.stringContaining('nosuch') as string,
    });
    await follow(found);
    await seen(
      id('blocked'),
      'is blocked again',
      ({ status, attemptCount }) => status === 'blocked' && attemptCount === 2,
    );
  });

  test('budget: what was used up is told; retry lets it count anew', async () => {
    const found = await problem('budget', id('costly'));
    expect(found).toMatchObject({
      severity: 'stuck',
      fix: `heartbead retry ${id('costly')}`,
      why: expect.stringMatching(/100|5,?000/) as string,
    });
    await follow(found);
    await seen(
      id('costly'),
      'has used it up again',
      ({ status, attemptCount }) => status === 'blocked' && attemptCount === 2,
    );
  });

  test('approval: approve merges the work, and the bead closes', async () => {
    const found = await problem('approval', id('approve'));
    expect(found).toMatchObject({ severity: 'stuck', fix: `heartbead approve ${id('approve')}` });
    await follow(found);
    await seen(id('approve'), 'is closed', ({ status }) => status === 'closed');
    expect(repository.git('ls-tree', '--name-only', 'main')).toContain(`${id('approve')}.txt`);
  });

  test('approval by key: approve says what it lacks, and merges what a key of the rig has signed', async () => {
    const [rig, bead] = [id('keyed'), id('signed')];
    await fine(
      'rig',
      'add',
      rig,
      '--repo',
      repository.path,
      '--command',
      agent,
      '--approver',
      keys.file('ada') + '.pub',
    );
    expect(await fine('rig', 'show', rig)).toMatch(
      /approval signed by one of 1 key[^]*approver SHA256:\S+ +ssh-ed25519 \S+ ada/,
    );
    await sling('signed', '--rig', rig);
    const found = await problem('approval', bead);
    expect(found.fix).toBe(`heartbead approve ${bead} --key FILE`);
    for (const [args, words] of [
      [[], /takes approvals by key only/],
      [['--key', keys.file('mallory')], new RegExp(`is no approver of rig ${rig}`)],
    ] as const)
      expect((await cli.run(['approve', bead, ...args])).stderr).toMatch(words);

    await fine('approve', bead, '--key', keys.file('ada'));
    await seen(bead, 'is closed', ({ status }) => status === 'closed');

    const set = ['rig', 'set', rig, '--approver', keys.public('grace')];
    expect(await cli.run(set)).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/changed by one of them/) as string,
    });
    await fine(...set, '--key', keys.file('ada'));
  });

  test('breaker: a rig whose repository is out of reach starts no more agents, and its page says why', async () => {
    const found = await problem('breaker', far);
    expect(found).toMatchObject({
      severity: 'look',
      fix: `heartbead rig show ${far}`,
      why: expect.stringContaining('lost to the infrastructure') as string,
    });
    expect(await follow(found)).toMatch(/breaker.*open/i);
    await Promise.all(['far1', 'far2', 'far3'].map((name) => fine('cancel', id(name))));
  });

  test('rig-paused: resume lets it go on', async () => {
    await fine('rig', 'pause', strict);
    await follow(await problem('rig-paused', strict));
    expect((await new FleetClient({ client }).rig(strict)).paused).toBe(false);
  });

  test('convoy-staged, -paused, -blocked: start, resume, and retry of the bead that was lost', async () => {
    const convoy = id('convoy');
    const file = join(cli.home, 'convoy.yaml');
    writeFileSync(
      file,
      `convoy: ${convoy}\ntitle: A convoy\nrig: ${strict}\nstaged: true\nbeads:\n  - {id: one, title: One}\n`,
    );
    await fine('convoy', 'create', file);
    await follow(await problem('convoy-staged', convoy));
    await fine('convoy', 'pause', convoy);
    await follow(await problem('convoy-paused', convoy));
    await until(
      'its bead runs',
      async () => (await new FleetClient({ client }).convoy(convoy)).beads[0]?.status === 'running',
    );
    await fine('cancel', `${convoy}-one`);
    const found = await problem('convoy-blocked', convoy);
    expect(found).toMatchObject({ severity: 'stuck', fix: `heartbead convoy retry ${convoy} one` });
    await follow(found);
    await until(
      'its bead runs again',
      async () => (await new FleetClient({ client }).convoy(convoy)).beads[0]?.status === 'running',
    );
    await fine('convoy', 'cancel', convoy);
  });
});

test('import --start: two issues, of which one needs the other, are done one after the other and land', async () => {
  const folder = join(cli.home, 'shop', '.beads');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'issues.jsonl'),
    [
      {
        id: 'bd-2',
        title: 'Second',
        status: 'open',
        dependencies: [{ issue_id: 'bd-2', depends_on_id: 'bd-1', type: 'blocks' }],
      },
      { id: 'bd-1', title: 'First', status: 'open' },
    ]
      .map((issue) => JSON.stringify(issue))
      .join('\n'),
  );
  const convoy = id('import');
  await fine('import', join(folder, 'issues.jsonl'), '--rig', plain, '--convoy', convoy, '--start');
  const view = await until(
    'it has landed',
    async () => {
      const now = await new FleetClient({ client }).convoy(convoy);
      if (now.status === 'landed') return now;
      throw new Error(`${now.status}: ${now.reason}`);
    },
    120_000,
  );
  expect(view.beads.map(({ status }) => status)).toEqual(['merged', 'merged']);
  for (const bead of ['bd-1', 'bd-2'])
    expect((await new BeadClient({ client }).view(`${convoy}-${bead}`)).status).toBe('closed');
  // The second began where the first had been merged.
  const second = repository.git('log', '--format=%H', '--diff-filter=A', 'main', '--', `${convoy}-bd-2.txt`);
  expect(repository.git('ls-tree', '--name-only', `${second.split('\n')[0]}`)).toContain(`${convoy}-bd-1.txt`);
});

test('both hooks are told of blocked, budget, closed and landed; the webhook signed, and again after it had failed', async () => {
  const wanted = [
    ['blocked', id('blocked')],
    ['budget', id('costly')],
    ['closed', id('approve')],
    ['closed', `${id('import')}-bd-1`],
    ['closed', `${id('import')}-bd-2`],
    ['landed', id('import')],
  ];
  const among = (events: Notification[]): string[][] =>
    wanted.filter(([event, about]) => events.some((one) => one.event === event && one.about === about));
  await until('the command is told', () => among(told()).length === wanted.length, 90_000);
  await until(
    'the webhook has taken all',
    () =>
      among(posted.filter(({ status }) => status === 200).map(({ notification }) => notification)).length ===
      wanted.length,
    90_000,
  );
  expect(posted.every(({ signed }) => signed)).toBe(true);
  for (const { notification } of posted)
    expect(
      posted
        .filter((one) => one.notification.id === notification.id)
        .map(({ status }) => status)
        .sort()
        .reverse()
        .slice(0, 1),
    ).toEqual([500]);
  // Once it was taken it is not told again.
  expect(posted.filter(({ status }) => status === 200).length).toBe(
    new Set(posted.filter(({ status }) => status === 200).map(({ notification }) => notification.id)).size,
  );
  expect(told().find(({ event }) => event === 'budget')).toMatchObject({
    kind: 'bead',
    fix: `heartbead retry ${id('costly')}`,
    title: 'Title of costly',
  });
  expect(told().find(({ about }) => about === `${id('import')}-bd-2`)).toMatchObject({
    rig: plain,
    convoy: id('import'),
  });
  // Neither hooks nor secrets get into any workflow.
  const handle = client.workflow.getHandle(`bead-${id('blocked')}`);
  expect(JSON.stringify(await handle.fetchHistory())).not.toContain('/hook');
});
