import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { parse } from 'yaml';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { BeadClient, FleetClient } from '../../src/client/index.js';
import type { BeadView } from '../../src/contract/index.js';
import { adapters, agentPrograms, installCommand } from '../../src/agents/index.js';
import { createProgram } from '../../src/cli/program.js';
import { verbs } from '../../src/cli/verbs/index.js';
import { script } from '../support/scratch.js';
import { until } from '../support/until.js';
import { Cli, finished, main } from './support/cli.js';
import type { Ran } from './support/cli.js';
import { blocksOf, commandsOf, headingsOf, writtenPart } from './support/documented.js';
import { Repository } from './support/repository.js';

const pages = ['README.md', 'docs/agents.md', 'docs/operators.md', 'docs/security.md', 'docs/cli.md'];
const documented = pages.flatMap(commandsOf);

/**
 * What cannot be run here, and why. A row that no page has any more is a failure, as is a command that is neither run
 * nor here.
 */
const notRunHere: Record<string, string> = {
  'npm start': 'the demo: test/cli/demo.test.ts',
  'npm start -- --exit': 'the demo: test/cli/demo.test.ts',
  'npm test': 'this very run',
  'npm run test:production': 'needs root, PostgreSQL and Go; its figures stand on the page',
  'npm run escapes': 'the same catalogue: test/cell/escapes.test.ts',
  'heartbead doctor --sandbox': 'the same catalogue: test/cell/escapes.test.ts',
  'npm run race': 'test/unit/race.test.ts',
  'npm run simulate -- --seeds 10000': 'test/unit/simulation and test/workflow/simulation.test.ts',
  'npm run chaos -- --minutes 10': 'test/process/chaos.test.ts',
  'npm run lifecycle': 'test/unit/lifecycle-page.test.ts',
  'npm run compiler-leads': 'test/unit/compiler-leads.test.ts',
  'npm run mutants': 'half an hour; its record is held against the tests by test/unit/races.test.ts',
  'npm run coverage': 'plays the tests themselves',
  'npm run bench': 'measures; needs a quiet machine',
  'npm run test:agents': 'fetches the agent programs',
  'npm run test:agents -- qwen cline': 'fetches the agent programs',
  'npm run package': 'what it makes is installed and used by test/scripts/package.test.ts',
  'npm i -g ./heartbead-0.1.0.tgz': 'test/scripts/package.test.ts',
  'heartbead service install': "writes into the user's home: test/unit/cli/service.test.ts",
  'heartbead agent-test AGENT --account NAME': 'needs accounts: test/runner/agent-trial.test.ts',
  'heartbead agent-test claude --account team': 'needs accounts: test/runner/agent-trial.test.ts',
  'heartbead worker --metrics-port 9464': 'a worker with this option: test/cli/watched.test.ts',
  'heartbead worker --codec-port 8299': 'a worker with this option: test/process/encrypted.test.ts',
  'heartbead up --metrics-port 9464': 'with another port: test/cli/up-down.test.ts',
  'heartbead up --versioning auto': 'a worker with this flag: test/process/upgrade.test.ts',
  'heartbead upgrade to BUILD': 'needs two builds: test/process/upgrade.test.ts',
  'heartbead upgrade to BUILD --percent 10': 'needs two builds: test/process/upgrade-share.test.ts',
  'heartbead upgrade rollback': 'needs two builds: test/process/upgrade.test.ts',
  'heartbead backup FILE': 'needs a server of its own: test/server/backup.test.ts',
  'heartbead restore FILE': 'needs a server of its own: test/server/backup.test.ts',
  'docker compose up': 'needs Docker; the file itself is looked at below',
  claude: 'needs an account',
  'codex login': 'needs an account',
  'opencode auth login': 'needs an account',
  gemini: 'needs an account',
  pi: 'needs an account',
  ...Object.fromEntries(
    Object.values(agentPrograms).map((program) => [
      installCommand(program),
      'installs a program on the host; it is named as src/agents/programs.ts has it',
    ]),
  ),
  'heartbead VERB --help': 'a pattern: asked of every verb below',
  'heartbead agent …': 'a pattern: the agents of these tests use it',
  'heartbead agent done': 'the agents of these tests use it',
  'heartbead logs': 'a name: `heartbead logs BEAD` is run',
  'heartbead replay': 'a name: `heartbead replay bead.json` is run',
};

let cli: Cli;
let connection: Connection;
let client: Client;
let repository: Repository;
let receiver: Server;
let bin: string;
const heard: string[] = [];
const ran = new Set<string>();
const mark = randomBytes(4).toString('hex');
const queue = `docs-${mark}`;
// A second try of a failed test finds the town as the first has left it, so that its ids are others.
let tries = 0;
const unique = (name: string): string => `${name}-${mark}-${++tries}`;
let [rig, works, convoy] = ['', '', ''];

/**
 * Runs a command as its page has it, in a shell in the repository, with what a reader would put in the place of the
 * page's names.
 */
function doc(command: string, places: Record<string, string> = {}): Promise<Ran> {
  if (!documented.some((one) => one.command === command)) throw new Error(`no page has the command ${command}`);
  ran.add(command);
  const text = Object.entries(places).reduce((before, [place, real]) => before.replaceAll(place, real), command);
  const child = cli.start(['-c', text], { executable: 'bash', cwd: repository.path, env: shell() });
  child.stdin?.end();
  return finished(child);
}
const shell = (): Record<string, string> => ({ PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` });
const fine = async (command: string, places: Record<string, string> = {}): Promise<string> => {
  const { code, stdout, stderr } = await doc(command, places);
  expect(code, `${command}: ${stdout}${stderr}`).toBe(0);
  return stdout;
};
const sling = (bead: string, command: string, ...more: string[]): Promise<Ran> =>
  cli.run([
    'sling',
    `Title of ${bead}`,
    '--id',
    bead,
    ...(more.includes('--rig') ? [] : ['--repo', repository.path]),
    '--command',
    command,
    ...more,
  ]);
// Waited for without a command: each of them would cost half a second of a core.
const seen = (bead: string, what: string, is: (view: BeadView) => boolean): Promise<BeadView> =>
  until(
    `${bead} ${what}`,
    async () => {
      const now = await new BeadClient({ client }).view(bead);
      if (is(now)) return now;
      throw new Error(`${now.status}: ${now.reason}`);
    },
    90_000,
  );

beforeAll(async () => {
  const { address, namespace } = inject('devServer');
  cli = new Cli({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, HEARTBEAD_TASK_QUEUE: queue });
  repository = new Repository();
  connection = await Connection.connect({ address });
  client = new Client({ connection, namespace });
  // What the pages' repositories have, and the programs that their readers have installed. The agents among these work
  // without a provider.
  writeFileSync(join(repository.path, 'names.txt'), 'b\na\n');
  writeFileSync(join(repository.path, 'package.json'), JSON.stringify({ scripts: { build: 'true', test: 'true' } }));
  script(
    join(repository.path, 'my-agent.sh'),
    'cat > prompt.txt; git add . && git commit -qm "worked" && heartbead agent done "…"',
  );
  repository.git('add', '.');
  repository.git('-c', 'user.name=Test', '-c', 'user.email=test@localhost', 'commit', '--quiet', '--message', 'second');
  writeFileSync(join(repository.path, 'task.md'), 'Fix it, please.\n');
  mkdirSync(join(repository.path, '.beads'));
  writeFileSync(join(repository.path, '.beads', 'issues.jsonl'), '{"id":"bd-1","title":"First","status":"open"}\n');
  bin = join(cli.home, 'bin');
  script(join(bin, 'heartbead'), `exec '${process.execPath}' '${main}' "$@"`);
  for (const program of [...Object.values(agentPrograms).map((one) => one.program), 'my-agent']) {
    script(
      join(bin, program),
      `[ "$1" = --version ] && { echo 1.0.0; exit; }\ncat > /dev/null; echo ${program} > ${program}.txt; git ` +
        'add . && git commit -qm "worked" && heartbead agent done "…"',
    );
  }
  script(join(bin, 'notify-send'), `echo "$2" >> '${cli.home}/bell'`);
  symlinkSync(inject('devServerProgram'), join(bin, 'temporal'));
  receiver = createServer((request, response) => {
    heard.push(String(request.headers['heartbead-signature']));
    request.resume();
    response.end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  // The settings files, as their pages show them.
  writeFileSync(join(cli.home, 'agents.yaml'), blocksOf('docs/agents.md', 'yaml')[0] ?? '');
  const secret = join(cli.home, 'chat.secret');
  writeFileSync(secret, 'a secret\n');
  const hooks = (blocksOf('docs/operators.md', 'json').find((block) => block.includes('"hooks"')) ?? '')
    .replace('https://example.org', `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`)
    .replace('/etc/heartbead/chat.secret', secret);
  writeFileSync(join(cli.home, 'notifications.json'), hooks);
  expect(await fine('heartbead up')).toContain(`task queue ${queue}`);
});
afterAll(async () => {
  await cli.run(['down']);
  receiver.close();
  await cli.end();
  await connection.close();
  repository.remove();
});

test('the quickstart of every agent closes its bead, with a program that needs no provider in the place of the real one', async () => {
  const task = 'heartbead sling "Fix the flaky test in parser.test.ts" --repo . --agent';
  const started = await Promise.all([
    fine(`${task} claude --wait`),
    fine(`${task} codex --wait`),
    fine(`${task} opencode --option model=anthropic/claude-sonnet-4-5 --wait`),
    fine(`${task} gemini --wait`),
    fine(`${task} pi --wait`),
    fine(
      'heartbead sling "Sort the list" --repo . --command \'sort -o names.txt names.txt && git commit -qam ' +
        "sorted && heartbead agent done' --wait",
    ),
    fine(
      'heartbead sling "Fix the flaky test" --repo https://example.org/app.git --agent shell --command ' +
        "'./my-agent.sh' --body-file task.md --wait",
      { 'https://example.org/app.git': repository.path },
    ),
  ]);
  for (const stdout of started) expect(stdout).toMatch(/closed/);
  ran.add('heartbead agent done "…"');
  const branches = repository.git('branch', '--list', 'heartbead/*', '--format', '%(refname:short)').split('\n');
  const files = branches.flatMap((branch) => repository.git('diff', '--name-only', 'main', branch).split('\n'));
  expect(files.sort()).toEqual([
    'claude.txt',
    'codex.txt',
    'gemini.txt',
    'names.txt',
    'opencode.txt',
    'pi.txt',
    'prompt.txt',
  ]);
  const shell = branches.find((branch) => repository.git('diff', '--name-only', 'main', branch) === 'prompt.txt') ?? '';
  expect(repository.git('show', `${shell}:prompt.txt`)).toContain('Fix it, please.');
});

test('an agent of the settings file; budgets', async () => {
  expect(await fine('heartbead agent-test mine')).toMatch(/mine: works.*\n[\s\S]*done ×1/);
  const beads = await Promise.all([
    fine('heartbead sling "Fix the typo" --repo . --agent mine'),
    fine('heartbead sling "Port the parser" --repo . --agent claude --budget maxCostUsd=5 --budget maxTokens=2000000'),
  ]);
  const [mine = '', port = ''] = beads.map((stdout) => /(?:fix-the-typo|port-the-parser)-\w+/.exec(stdout)?.[0] ?? '');
  expect((await seen(mine, 'is closed', ({ status }) => status === 'closed')).agentSpec.adapter).toBe('mine');
  expect((await seen(port, 'is closed', ({ status }) => status === 'closed')).budgets).toMatchObject({
    maxCostUsd: 5,
    maxTokens: 2_000_000,
  });
});

describe('what an operator does', () => {
  test.concurrent('with a bead at work: why, its story, its log, a hint', async () => {
    const BEAD = unique('works');
    works = BEAD;
    await sling(
      BEAD,
      'echo at work; until heartbead agent messages | grep -q "a hint"; do sleep 0.2; done; heartbead agent ' +
        'messages --ack; touch x && git add . && git commit -qm x && heartbead agent done x',
    );
    const atWork = await seen(BEAD, 'works', ({ agent }) => agent === 'working');
    expect(await fine('heartbead explain BEAD', { BEAD })).toMatch(/running: yes/);
    expect(await fine('heartbead history BEAD', { BEAD })).toContain('was started on host');
    await until(
      'the log has its first line',
      async () => (await fine('heartbead logs BEAD', { BEAD })) === 'at work\n',
    );
    expect(await fine('heartbead diff BEAD', { BEAD })).toBe('');
    const ATTEMPT = atWork.current?.id ?? '';
    expect(await fine('heartbead diff BEAD --attempt ATTEMPT', { BEAD, ATTEMPT })).toBe('');
    expect(await fine('heartbead top')).toContain(BEAD);
    expect(await fine('heartbead upgrade status')).toMatch(/have no versions/);
    const following = doc('heartbead logs BEAD -f', { BEAD });
    await fine('heartbead nudge BEAD "a hint"', { BEAD });
    expect(await following).toMatchObject({ code: 0, stdout: expect.stringContaining('at work') as string });
    expect(await fine('heartbead show BEAD', { BEAD })).toContain(`Title of ${BEAD}`);
    expect(JSON.parse(await fine('heartbead show BEAD --json', { BEAD }))).toMatchObject({ bead: BEAD });
    expect(await fine('heartbead costs')).toContain(BEAD);
  });

  test.concurrent('with the refs that beads have left', async () => {
    expect(await fine('heartbead tidy --remote --dry-run')).not.toBe('');
  });

  test.concurrent('with a blocked bead: what is wrong, an answer, a retry; with a paused one: resume', async () => {
    const [one, other] = [unique('blocked'), unique('blocked')];
    await Promise.all([
      sling(one, 'true', ...repository.withoutBase, '--wait'),
      sling(other, 'true', ...repository.withoutBase, '--wait'),
    ]);
    // Both by one cause, so they are one problem of their host.
    expect(await fine('heartbead problems')).toMatch(new RegExp(`beads are blocked on host .*\\n.*${one}`));
    expect(
      (JSON.parse(await fine('heartbead problems --json')) as { problems: { kind: string }[] }).problems.map(
        ({ kind }) => kind,
      ),
    ).toContain('shared-cause');
    await fine('heartbead nudge BEAD "your answer"', { BEAD: one });
    await fine('heartbead retry BEAD', { BEAD: one });
    await fine('heartbead retry BEAD --now', { BEAD: other });
    await seen(one, 'is blocked again', ({ status, attemptCount }) => status === 'blocked' && attemptCount === 2);
    await fine('heartbead pause BEAD', { BEAD: one });
    await fine('heartbead resume BEAD', { BEAD: one });
    await fine('heartbead retry BEAD --base BRANCH', { BEAD: one, BRANCH: 'main' });
    await seen(one, 'begins at the other base', ({ base, attemptCount }) => base === 'main' && attemptCount >= 3);
  });

  test.concurrent('with a rig whose work waits for a person', async () => {
    rig = unique('app');
    const [approved, changed] = [unique('approved'), unique('changed')];
    const add = documented.find(({ command }) => command.startsWith('heartbead rig add app'))?.command ?? '';
    await fine(add, { ' app ': ` ${rig} `, 'https://example.org/app.git': repository.path });
    const work =
      'echo "$HEARTBEAD_ATTEMPT" > "$HEARTBEAD_BEAD.txt"; git add . && git commit -qm work && heartbead agent ' +
      'done work';
    await Promise.all([sling(approved, work, '--rig', rig), sling(changed, work, '--rig', rig)]);
    const waits = (bead: string, attempt: number): Promise<BeadView> =>
      seen(
        bead,
        'waits for approval',
        ({ wait, attemptCount }) => wait?.for === 'approval' && attemptCount === attempt,
      );
    await Promise.all([waits(approved, 1), waits(changed, 1)]);
    await fine('heartbead approve BEAD', { BEAD: approved });
    await fine('heartbead request-changes BEAD "what is missing"', { BEAD: changed });
    await seen(approved, 'is closed', ({ status }) => status === 'closed');
    await waits(changed, 2);
    expect(await fine('heartbead queue RIG', { RIG: rig })).toContain(approved);
    expect(await fine('heartbead rig show RIG', { RIG: rig })).toContain(repository.path);
    expect((await cli.run(['rig', 'pause', rig])).code).toBe(0);
    await fine('heartbead rig resume RIG', { RIG: rig });
    expect(await fine('heartbead rig set RIG --start-limit N', { RIG: rig, ' N': ' 500' })).toContain('version');
    await fine('heartbead retry --rig RIG', { RIG: rig });
    expect(await fine('heartbead import .beads/issues.jsonl --rig RIG', { RIG: rig })).toContain('id: bd-1');
  });

  test('with a convoy, as the page has its file: start, a bead that was cancelled, resume', async () => {
    convoy = unique('checkout');
    const file = join(cli.home, 'convoy.yaml');
    writeFileSync(
      file,
      (blocksOf('docs/cli.md', 'yaml')[0] ?? '')
        .replace('convoy: checkout-v2', `convoy: ${convoy}`)
        .replace('rig: app', `rig: ${rig}`)
        .replace('policy: skip-dependants', 'policy: wait'),
    );
    expect((await cli.run(['convoy', 'create', file])).code).toBe(0);
    const CONVOY = convoy;
    await fine('heartbead convoy start CONVOY', { CONVOY });
    const first = `${convoy}-schema`;
    const status = async (): Promise<string | undefined> =>
      (await new FleetClient({ client }).convoy(convoy)).beads[0]?.status;
    await until('the first bead runs', async () => (await status()) === 'running');
    expect((await cli.run(['cancel', first, '--wait'])).code).toBe(0);
    await until('the convoy knows that it was cancelled', async () => (await status()) === 'cancelled');
    expect((await cli.run(['convoy', 'pause', convoy])).code).toBe(0);
    await fine('heartbead convoy resume CONVOY', { CONVOY });
    await fine('heartbead convoy retry CONVOY ID', { CONVOY, ID: 'schema' });
    expect(await fine('heartbead convoy show CONVOY', { CONVOY })).toContain('schema');
    expect((await cli.run(['convoy', 'cancel', convoy])).code).toBe(0);
  });

  test('and with the machinery: doctor, the hooks of the page, recorded histories', async () => {
    expect(await fine('heartbead doctor')).toContain('claude 1.0.0');
    await fine('heartbead retry --cause auth --yes');
    await fine('heartbead retry --host HOST --cause auth', { HOST: 'nosuch' });
    await fine('heartbead retry --host HOST', { HOST: 'nosuch' });
    // Without a terminal it does nothing where there is something to do.
    expect([0, 2]).toContain((await doc('heartbead retry --all-blocked')).code);
    await fine('heartbead pause --rig app --status in_progress --yes', { ' app ': ` ${rig} ` });
    await fine('heartbead notify test');
    expect(heard.at(-1)).toMatch(/^v1=[0-9a-f]{64}$/);
    expect(readFileSync(join(cli.home, 'bell'), 'utf8')).toContain('this is a test');
    const workflow = `bead-${works}`;
    await fine('temporal workflow show --workflow-id bead-fix-typo-k3j9 --output json > bead.json', {
      'bead-fix-typo-k3j9': workflow,
    });
    expect(
      await fine('temporal workflow show --output json', { '--output': `--workflow-id ${workflow} --output` }),
    ).toContain('"events"');
    expect(await fine('heartbead replay bead.json')).toMatch(/replays/);
  });

  test('and with the shell', async () => {
    await fine('source <(heartbead completion bash)');
    expect(await fine('heartbead completion beads')).toContain(mark);
    const fish = documented.some(({ command }) => command === 'heartbead completion fish | source');
    expect(fish).toBe(true);
    // Read by fish itself in the completion's own test.
    expect((await cli.run(['completion', 'fish'])).stdout).toContain('complete -c heartbead');
    ran.add('heartbead completion fish | source');
    // Outside of an attempt there is nobody to serve.
    expect((await doc('heartbead mcp')).stderr).toContain('HEARTBEAD_SOCKET');
    expect((await doc('heartbead')).code).toBe(2);
  });
});

test('no page has a command that is neither run here nor in the table of those that cannot be; the table has no other', () => {
  const missing = documented.filter(({ command }) => !ran.has(command) && notRunHere[command] === undefined);
  expect(missing.map(({ at, command }) => `${at}  ${command}`)).toEqual([]);
  expect(Object.keys(notRunHere).filter((command) => !documented.some((one) => one.command === command))).toEqual([]);
  const scripts = (JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }).scripts;
  for (const [, name = ''] of Object.keys(notRunHere).flatMap((command) => [
    ...command.matchAll(/^npm (?:run )?([\w:-]+)/g),
  ]))
    if (!['install', 'i'].includes(name)) expect(scripts).toHaveProperty(name);
  expect(Object.keys((parse(readFileSync('docker-compose.yml', 'utf8')) as { services: object }).services)).toContain(
    'worker',
  );
});

describe('the reference', () => {
  const program = createProgram(verbs);
  const all = (command: typeof program, path = ''): [string, typeof program][] =>
    command.commands.flatMap((child) => [
      [`${path}${child.name()}`, child] as [string, typeof program],
      ...all(child, `${path}${child.name()} `),
    ]);
  const known = new Map(all(program));

  test('has every verb, and no verb or option that there is not', () => {
    const described = new Set<string>();
    for (const heading of headingsOf('docs/cli.md')) {
      const words = heading.split(/\s+/);
      const names = known.has(`${words[0]} ${words[1]?.split('|')[0]}`)
        ? (words[1] ?? '').split('|').map((word) => `${words[0]} ${word}`)
        : [words[0] ?? ''];
      for (const name of names) {
        const command = known.get(name);
        expect(command, `${heading}: there is no verb ${name}`).toBeDefined();
        described.add(name);
        for (const [option] of heading.matchAll(/--[a-z][\w-]*/g))
          expect(
            command?.options.map(({ long }) => long),
            `${name} of the heading ${heading}`,
          ).toContain(option);
      }
    }
    const text = writtenPart('docs/cli.md');
    expect(
      [...known.keys()].filter(
        (name) =>
          !described.has(name) &&
          !text.includes(`| \`${name}`) &&
          name !== 'agent' &&
          known.get(name)?.commands.length === 0 &&
          name !== 'mcp',
      ),
    ).toEqual([]);
  });

  test('every verb tells its options by --help', () => {
    for (const [name, command] of known) expect(command.helpInformation(), name).toContain('Usage: ');
  });

  test('the stricter permissions of the security page are ones that the agents take, and are handed on', async () => {
    const rows = [...readFileSync('docs/security.md', 'utf8').matchAll(/^\| `(\w+)` \|.*\| `(\[.*?\])`/gm)];
    expect(rows.map(([, name]) => name)).toEqual(['claude', 'opencode', 'gemini', 'pi']);
    for (const [, name = '', flags = ''] of rows) {
      const permissions = JSON.parse(flags) as string[];
      const options = adapters[name]?.options.parse({ permissions }) as Record<string, unknown>;
      const folder = join(cli.home, `permissions-${name}`);
      mkdirSync(folder);
      const { args } = (await adapters[name]?.command({
        spec: { adapter: name, options },
        bead: 'b',
        attempt: '1-a',
        number: 1,
        prompt: 'p',
        promptFile: 'f',
        worktree: folder,
        folder,
        heartbead: 'heartbead',
        env: { HOME: folder },
      })) ?? { args: [] };
      expect(args.join(' ')).toContain(permissions.join(' '));
    }
  });
});
