import { Client, Connection } from '@temporalio/client';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { BeadClient } from '../../src/client/index.js';
import type { AttemptRecord } from '../../src/contract/index.js';
import { until } from '../support/until.js';
import { Cli, lineOf } from './support/cli.js';
import { goodAgent, Repository } from './support/repository.js';
import { queryProblems, readsOf } from './support/promql.js';
import { SpanReceiver } from './support/span-receiver.js';

let host: Cli;
let repository: Repository;
let connection: Connection;
let client: Client;
let go: string;
let spans: SpanReceiver;
const queue = `watched-${randomBytes(4).toString('hex')}`;
const bead = `bead-of-${queue}`;

beforeAll(async () => {
  const { address, namespace } = inject('devServer');
  spans = await SpanReceiver.listen();
  host = new Cli({
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: namespace,
    HEARTBEAD_TASK_QUEUE: queue,
    OTEL_EXPORTER_OTLP_ENDPOINT: spans.endpoint,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%20b',
  });
  repository = new Repository();
  go = join(repository.path, '.git/go');
  connection = await Connection.connect({ address });
  client = new Client({ connection, namespace });
});
afterAll(async () => {
  await host.end();
  await spans.close();
  await connection.close();
  repository.remove();
});

interface Dashboard {
  panels: { title: string; targets: { expr: string; legendFormat: string }[] }[];
}
interface Rules {
  groups: { rules: { alert: string; expr: string; annotations: Record<string, string> }[] }[];
}
const file = (name: string): string => readFileSync(new URL(`../../monitoring/${name}`, import.meta.url), 'utf8');

test('what a worker counts is what the dashboard and the alerts read; a bead is one trace from its start to its merge, over command line, worker, runner and refinery', async () => {
  writeFileSync(
    join(host.home, 'agents.yaml'),
    stringify({
      agents: {
        counts: {
          command: [
            'sh',
            '-c',
            `echo '{"in":70,"out":5,"cached":20,"usd":0.3}'; until [ -e '${go}' ]; do sleep 0.1; done; ${goodAgent}`,
          ],
          prompt: 'stdin',
          output: {
            format: 'json-lines',
            fields: { inputTokens: 'in', outputTokens: 'out', cachedTokens: 'cached', costUsd: 'usd' },
          },
        },
      },
    }),
  );
  const worker = host.start(['worker', '--metrics-port', '0']);
  const polls = JSON.parse(await lineOf(worker, 'stderr', /the worker polls/)) as { metricsPort: number };
  const scrape = async (): Promise<string> => (await fetch(`http://127.0.0.1:${polls.metricsPort}/metrics`)).text();
  await host.json(['rig', 'add', queue, '--repo', repository.path, '--command', 'true', '--check', 'fine=true']);
  await host.json(['sling', 'Watched', '--id', bead, '--rig', queue, '--agent', 'counts']);
  const beads = new BeadClient({ client });
  await until('the agent works', async () => (await beads.view(bead, 5_000)).agent === 'working', 200_000);
  const during = await scrape();
  expect(during).toMatch(/^heartbead_agents\{host="\S+"\} 1$/m);
  expect(during).toMatch(/^heartbead_beads\{status="in_progress"\} 1$/m);
  writeFileSync(go, '');
  await until('it is closed', async () => (await beads.view(bead, 5_000)).status === 'closed', 200_000);
  const text = await scrape();
  const value = (pattern: RegExp): number =>
    Number(
      text
        .split('\n')
        .find((line) => pattern.test(line))
        ?.split(' ')
        .at(-1),
    );
  expect(value(/^heartbead_town_up /)).toBe(1);
  expect(value(/^heartbead_attempts_ended_total\{.*outcome="done"/)).toBe(1);
  expect(value(/^heartbead_adoptions_total\{/)).toBe(0);
  expect(value(/^heartbead_agent_tokens_total\{.*kind="input"/)).toBe(50);
  expect(value(/^heartbead_agent_tokens_total\{.*kind="cached"/)).toBe(20);
  expect(value(/^heartbead_attempt_cost_usd_sum\{/)).toBeCloseTo(0.3);
  expect(value(/^heartbead_check_duration_seconds_count\{.*check="fine".*result="passed"/)).toBe(1);
  expect(value(/^heartbead_merge_duration_seconds_bucket\{.*outcome="merged".*le="86400"/)).toBe(1);
  const dashboard = JSON.parse(file('grafana-dashboard.json')) as Dashboard;
  const rules = parse(file('alerts.yaml')) as Rules;
  const queries = [
    ...dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ of: title, expr }))),
    ...rules.groups.flatMap(({ rules: each }) => each.map(({ alert, expr }) => ({ of: alert, expr }))),
  ];
  expect(queries.length).toBeGreaterThan(30);
  // Nothing was lost here; how an attempt counts is a word of the contract.
  const words = { counted_as: ['nothing', 'agent', 'infra'] satisfies AttemptRecord['countedAs'][] };
  expect(
    queries.flatMap(({ of, expr }) => queryProblems(expr, text, words).map((problem) => `${of}: ${problem}`)),
  ).toEqual([]);
  // What a legend or a sentence names is a label that is left of the query.
  const named = [
    ...dashboard.panels.flatMap(({ title, targets }) =>
      targets.map(({ expr, legendFormat }) => ({ of: title, expr, says: legendFormat, pattern: /\{\{(\w+)\}\}/g })),
    ),
    ...rules.groups.flatMap(({ rules: each }) =>
      each.map(({ alert, expr, annotations }) => ({
        of: alert,
        expr,
        says: Object.values(annotations).join(' '),
        pattern: /\$labels\.(\w+)/g,
      })),
    ),
  ];
  expect(
    named.flatMap(({ of, expr, says, pattern }) =>
      [...says.matchAll(pattern)]
        .map(([, label = '']) => label)
        .filter((label) => !readsOf(expr).some(({ groups }) => groups.includes(label)))
        .map((label) => `${of}: ${label}`),
    ),
  ).toEqual([]);
  // One trace: everything that has the bead's name, from four processes, below the span of its start.
  const trace = await until('the runner has sent its span', () => {
    const seen = spans.of(bead);
    return Promise.resolve(
      seen.some(({ name }) => name === 'agent counts') && seen.some(({ name }) => name === 'merge') ? seen : undefined,
    );
  });
  const { traceId, spanId } = trace.find(({ name }) => name === 'sling bead') ?? { traceId: '', spanId: '' };
  const whole = spans.all.filter((span) => span.traceId === traceId);
  expect(trace.filter((span) => span.traceId !== traceId)).toEqual([]);
  expect(new Map(whole.map(({ name, service }) => [name, service]))).toEqual(
    new Map([
      ['sling bead', 'heartbead'],
      ['startAgent', 'heartbead-worker'],
      ['agent counts', 'heartbead-runner'],
      ['verifyWork', 'heartbead-worker'],
      ['merge', 'heartbead-worker'],
      ['check fine', 'heartbead-worker'],
    ]),
  );
  const merge = whole.find(({ name }) => name === 'merge');
  expect(whole.map(({ name, parentSpanId }) => [name, parentSpanId])).toEqual(
    expect.arrayContaining([
      ['sling bead', undefined],
      ['startAgent', spanId],
      ['agent counts', spanId],
      ['verifyWork', spanId],
      ['merge', spanId],
      ['check fine', merge?.spanId],
    ]),
  );
  expect(whole.filter(({ failed }) => failed)).toEqual([]);
  expect(spans.keys).toEqual(new Set(['a b']));
  // As many series as there are beads would be the end of Prometheus.
  const ids = text.split('\n').filter((line) => line.startsWith('heartbead_') && line.includes(bead));
  expect(ids).toEqual([]);
}, 600_000);
