import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { execa } from 'execa';
import { expect, inject, it, onTestFinished } from 'vitest';
import { Keys, PayloadSeal, opened, sealedWith } from '../../src/codec/index.js';
import { beadWorkflowId } from '../../src/contract/index.js';
import { prepareNamespace } from '../../src/server/prepare-namespace.js';
import { Cli, lineOf } from '../cli/support/cli.js';
import { scratchFolder } from '../support/scratch.js';
import { Town, generous, told, until } from './support/town.js';

/** What nobody may read at the server. */
const secrets = ['Topsecret title', 'topsecret prompt', 'topsecret note', 'topsecret failure', 'topsecret-branch'];

/** A text with all that stands in it in base64 beside it: as the server's JSON holds payloads. */
const readable = (text: string): string =>
  text +
  (text.match(/[A-Za-z0-9+/]{12,}={0,2}/g) ?? []).map((word) => Buffer.from(word, 'base64').toString()).join('\n');
const leaked = (text: string): string[] => secrets.filter((secret) => readable(text).includes(secret));

it(
  'an encrypted town: the server shows nothing that beads are about, keys are rotated under a living agent, and whoever has no keys is told so',
  { timeout: 4 * generous },
  async () => {
    // A namespace of its own: whoever lists the beads of one where some are encrypted needs the keys.
    const server = { address: inject('devServer').address, namespace: `sealed-${randomUUID().slice(0, 8)}` };
    const connection = await Connection.connect({ address: server.address });
    onTestFinished(() => connection.close());
    await prepareNamespace(connection, server.namespace);
    const file = join(scratchFolder('keys'), 'keys.json');
    const [first, second] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')];
    const ring = (current: string, keys: object): void => writeFileSync(file, JSON.stringify({ current, keys }));
    ring('first', { first });
    const seal = new PayloadSeal(new Keys({ file }));
    const town = await Town.open(server, onTestFinished, [seal]);
    const env = { HEARTBEAD_KEYS_FILE: file };
    const host = await town.host(server.address, { env, args: ['--codec-port', '0'] });
    const cli = new Cli({
      TEMPORAL_ADDRESS: server.address,
      TEMPORAL_NAMESPACE: town.namespace,
      HEARTBEAD_TASK_QUEUE: town.queue,
    });
    onTestFinished(() => cli.end());
    const agent = `heartbead agent note 'topsecret note'; while [ ! -e ${join(town.folder, 'go')} ]; do echo at work; sleep 0.2; done; if [ ! -e ${join(town.folder, 'failed')} ]; then touch ${join(town.folder, 'failed')}; echo 'topsecret failure' >&2; exit 3; fi; echo work > work.txt && git add -A && git -c user.name=A -c user.email=a@localhost commit -qm work && heartbead agent done 'it is done'`;
    const slung = await cli.run(
      ['sling', secrets[0] ?? '', '--body', secrets[1] ?? '', '--repo', town.origin, '--command', agent],
      { env: { ...env, HEARTBEAD_PRIVATE_NAMES: '1' } },
    );
    expect(slung.code, slung.stderr).toBe(0);
    const bead = /bead-[a-z0-9]{10}/.exec(slung.stdout)?.[0] ?? '';
    await town.seen(bead, 'has said its note', ({ story }) => JSON.stringify(story).includes('topsecret note'));

    // Nobody is restarted: the worker, the runner and the test read the ring again.
    ring('second', { first, second });
    const handle = town.client.workflow.getHandle(beadWorkflowId(bead));
    await until('the runner beats with the new key', async () => {
      const { pendingActivities } = (await handle.describe()).raw;
      return pendingActivities?.some(({ heartbeatDetails }) =>
        heartbeatDetails?.payloads?.some((payload) => sealedWith(payload) === 'second'),
      );
    });
    writeFileSync(join(town.folder, 'go'), '');
    const closed = await town.closed(bead);
    expect(
      closed.attempts.map(({ outcome }) => outcome),
      told(closed),
    ).toEqual(['agent_failed', 'done']);

    expect(await sealedBy(town, bead)).toEqual(new Set(['first', 'second']));

    const show = async (...more: string[]): Promise<string> =>
      (
        await execa(
          inject('devServerProgram'),
          [
            ...['workflow', 'show', '--workflow-id', beadWorkflowId(bead), '--output', 'json'],
            ...['--address', server.address, '--namespace', town.namespace, ...more],
          ],
          { env: { HOME: town.folder } },
        )
      ).stdout;
    const sealed = await show();
    expect(leaked(sealed)).toEqual([]);
    const { raw } = await handle.describe();
    expect(leaked(JSON.stringify(raw))).toEqual([]);
    expect(Object.keys(raw.workflowExecutionInfo?.memo?.fields ?? {})).toEqual(['agent']);
    expect(raw.executionConfig?.userMetadata?.summary ?? undefined).toBeUndefined();
    expect(raw.executionConfig?.userMetadata?.details ?? undefined).toBeUndefined();

    // With titles in memo and summary, and with an activity that fails: sealed, each of them.
    const failing = await town.sling(
      {},
      { bead: `failing-${bead}`, title: 'Topsecret title', base: 'topsecret-branch' },
    );
    await town.seen(failing, 'has no branch to begin from', (view) =>
      JSON.stringify(view).includes('the repository has no branch'),
    );
    const { raw: open } = await town.client.workflow.getHandle(beadWorkflowId(failing)).describe();
    const memo = open.workflowExecutionInfo?.memo?.fields ?? {};
    expect(Object.keys(memo).sort()).toEqual(['agent', 'repo', 'title']);
    const { summary, details } = open.executionConfig?.userMetadata ?? {};
    expect([...Object.values(memo), summary, details].map((payload) => sealedWith(payload ?? {}))).toEqual(
      Array.from({ length: 5 }, () => 'second'),
    );
    const { history: recorded } = await town.client.workflowService.getWorkflowExecutionHistory({
      namespace: town.namespace,
      execution: { workflowId: beadWorkflowId(failing) },
    });
    expect(leaked(JSON.stringify([open, recorded]))).toEqual([]);
    const failed = recorded?.events?.find((event) => event.activityTaskFailedEventAttributes)
      ?.activityTaskFailedEventAttributes?.failure;
    expect([failed?.message, failed?.stackTrace ?? '']).toEqual(['Encoded failure', '']);
    expect((await opened({ failed }, [seal])).failed?.message).toContain('topsecret-branch');
    const { codecPort } = JSON.parse(readFileSync(join(host.home, 'worker-state.json'), 'utf8')) as {
      codecPort: number;
    };
    const token = readFileSync(join(host.home, 'codec-token'), 'utf8').trim();
    const endpoint = ['--codec-endpoint', `http://127.0.0.1:${codecPort}`, '--codec-auth', `Bearer ${token}`];
    expect(leaked(await show(...endpoint))).toEqual(expect.arrayContaining(secrets.slice(0, 3)));
    // The board does the same where there is no worker.
    const board = cli.start(['board', '--codec-port', '0', '--json'], { env });
    const boardAt = /\d+/.exec(await lineOf(board, 'stdout', /"codecPort"/))?.[0];
    const boardToken = readFileSync(join(cli.home, 'codec-token'), 'utf8').trim();
    const byBoard = ['--codec-endpoint', `http://127.0.0.1:${boardAt}`, '--codec-auth'];
    expect(leaked(await show(...byBoard, `Bearer ${boardToken}`))).toEqual(expect.arrayContaining(secrets.slice(0, 3)));
    expect(await cli.run(['board', '--codec-port', '0'], { env })).toMatchObject({ code: 2 });

    // The recorded history, encrypted as it is, replays for who has the keys.
    const history = join(town.folder, 'history.json');
    writeFileSync(history, sealed);
    expect(await cli.run(['replay', history], { env })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('replays'),
    });
    const shown = await cli.run(['show', bead], { env });
    expect(shown.stdout + shown.stderr).toContain(secrets[0]);
    const story = await cli.run(['history', bead], { env });
    expect(story.stdout + story.stderr).toContain('topsecret note');

    // Without keys, and with other ones: a refusal in one sentence, and nothing is sent.
    const sling = ['sling', 'In plain text', '--repo', town.origin, '--command', 'true'];
    const refused = await cli.run([...sling, '--id', `plain-${bead}`]);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/has keys.*nothing was sent/)]);
    expect((await cli.run(['show', bead])).stderr).toMatch(/are encrypted \(key \w+\), and there are no keys here/);
    // One bead that is encrypted takes none of the others away.
    await until('it is listed', async () => {
      const listed = await cli.run(['ls', '--all', '--json']);
      expect(listed.code, listed.stderr).toBe(0);
      const { beads } = JSON.parse(listed.stdout) as { beads: { bead: string; title: string; sealedWith?: string }[] };
      return beads.some((row) => row.bead === bead && row.title === bead && row.sealedWith === 'first');
    });
    const listed = await cli.run(['ls', '--all']);
    expect(listed.stdout).toMatch(new RegExp(`^${bead}.* encrypted with key first$`, 'm'));
    expect(listed.stderr).toMatch(/2 beads of these cannot be read with the keys here .*HEARTBEAD_KEYS_FILE/);
    const others = join(town.folder, 'others.json');
    writeFileSync(others, JSON.stringify({ current: 'third', keys: { third: first } }));
    const foreign = await cli.run([...sling, '--id', `foreign-${bead}`], { env: { HEARTBEAD_KEYS_FILE: others } });
    expect([foreign.code, foreign.stderr]).toEqual([1, expect.stringMatching(/not among the keys from .*others.json/)]);
    for (const name of ['plain', 'foreign'])
      await expect(town.beads.describe(`${name}-${bead}`)).rejects.toThrow('there is no bead');
    const worker = await cli.run(['worker', '--home', join(town.folder, 'keyless')]);
    expect([worker.code, worker.stderr]).toEqual([1, expect.stringContaining('this program has no keys')]);

    const encryption = async (more: NodeJS.ProcessEnv): Promise<unknown> => {
      const { stdout } = await cli.run(['doctor', '--json'], { env: more as Record<string, string> });
      const { checks } = JSON.parse(stdout) as { checks: { name: string; verdict: string; text: string }[] };
      return checks.find(({ name }) => name === 'encryption');
    };
    expect(await encryption(env)).toMatchObject({
      verdict: 'ok',
      text: expect.stringMatching(/^on: sealed with key second/),
    });
    expect(await encryption({})).toMatchObject({ verdict: 'fail' });
    expect(await encryption({ HEARTBEAD_KEYS_FILE: others })).toMatchObject({
      verdict: 'fail',
      text: expect.stringContaining('a payload is encrypted with key first'),
    });
    // The keys themselves are nowhere but in their file.
    for (const key of [first, second]) expect(sealed + host.log + JSON.stringify(closed)).not.toContain(key);
  },
);

/** @returns the ids of the keys in a bead's history, as the server has it. */
async function sealedBy(town: Town, bead: string): Promise<Set<string>> {
  const { history } = await town.client.workflowService.getWorkflowExecutionHistory({
    namespace: town.namespace,
    execution: { workflowId: beadWorkflowId(bead) },
  });
  const ids = new Set<string>();
  JSON.stringify(history, (name, value: unknown) => {
    if (name === 'encryption-key-id') ids.add(Buffer.from(value as string, 'base64').toString());
    return value;
  });
  return ids;
}
