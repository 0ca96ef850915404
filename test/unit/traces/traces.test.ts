import { CompleteAsyncError } from '@temporalio/activity';
import type { Context } from '@temporalio/activity';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { activitySpans } from '../../../src/traces/activity-spans.js';
import { TraceExporter, traceTarget } from '../../../src/traces/exporter.js';
import { rootOf } from '../../../src/traces/span.js';
import { Tracer } from '../../../src/traces/tracer.js';
import { SpanReceiver } from '../../cli/support/span-receiver.js';

async function traced(): Promise<{ tracer: Tracer; spans: SpanReceiver; troubles: string[] }> {
  const spans = await SpanReceiver.listen();
  onTestFinished(() => spans.close());
  const troubles: string[] = [];
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `${spans.endpoint}/` };
  const tracer = Tracer.from(env, 'tested', (what) => troubles.push(what));
  if (tracer === undefined) throw new Error('there is an endpoint, and no tracer');
  return { tracer, spans, troubles };
}

const kind = 'internal';
const attributes = { text: 'a', whole: 3, part: 0.5, yes: true, absent: undefined };

describe('a span', () => {
  it('is below the one in whose work it was recorded, also of two that are under way at once; or below another process’s', async () => {
    const { tracer, spans } = await traced();
    const root = rootOf('here', 'bead-x');
    const work = async (name: string): Promise<void> => {
      await Promise.resolve();
      tracer.inside(`in ${name}`, 5, {});
    };
    await Promise.all(
      ['one', 'two'].map((name) =>
        tracer.within({ traceId: root.traceId, parent: root.spanId }, { name, kind, attributes }, () => work(name)),
      ),
    );
    tracer.below(root, 'far', 20, {}, 'agent_failed');
    tracer.inside('of nothing', 1, {});
    await tracer.flush();
    const idOf = (name: string): string | undefined => spans.all.find((span) => span.name === name)?.spanId;
    expect(new Map(spans.all.map(({ name, parentSpanId }) => [name, parentSpanId]))).toEqual(
      new Map([
        ['one', root.spanId],
        ['two', root.spanId],
        ['in one', idOf('one')],
        ['in two', idOf('two')],
        ['far', root.spanId],
      ]),
    );
    expect(new Set(spans.all.map(({ traceId }) => traceId))).toEqual(new Set([root.traceId]));
    expect(spans.all.filter(({ failed }) => failed).map(({ name }) => name)).toEqual(['far']);
    const one = spans.all.find(({ name }) => name === 'one');
    expect([one?.service, one?.attributes]).toEqual(['tested', { text: 'a', whole: '3', part: 0.5, yes: true }]);
  });

  it('of an activity is in the trace of the bead that it is about, below its start; what goes on in a runner has not failed', async () => {
    const { tracer, spans } = await traced();
    const execute = async (activityType: string, workflowId: string, input: object, work: () => Promise<unknown>) => {
      const info = { workflowExecution: { workflowId, runId: 'r' }, namespace: 'here', activityType, attempt: 2 };
      const { inbound } = activitySpans(tracer)({ info } as unknown as Context);
      await inbound?.execute?.({ args: [input], headers: {} }, work).catch(() => undefined);
    };
    await execute('startAgent', 'bead-x', { bead: 'x', attempt: 'x-1' }, () =>
      Promise.reject(new CompleteAsyncError()),
    );
    await execute('merge', 'rig-r', { request: { item: 'x' } }, () => Promise.reject(new TypeError('no')));
    await execute('readRig', 'convoy-c', { rig: 'r' }, () => Promise.resolve());
    await tracer.flush();
    const [bead, convoy] = [rootOf('here', 'bead-x'), rootOf('here', 'convoy-c')];
    expect(spans.all.map(({ name, traceId, parentSpanId, failed }) => [name, traceId, parentSpanId, failed])).toEqual([
      ['startAgent', bead.traceId, bead.spanId, false],
      ['merge', bead.traceId, bead.spanId, true],
      ['readRig', convoy.traceId, convoy.spanId, false],
    ]);
    expect(spans.all[0]?.attributes).toMatchObject({
      temporalWorkflowID: 'bead-x',
      'heartbead.bead': 'x',
      'heartbead.attempt': 'x-1',
      'heartbead.try': '2',
    });
    expect(rootOf('there', 'bead-x').traceId).not.toBe(bead.traceId);
  });

  it('that cannot be sent is told of, and holds nobody up', async () => {
    const server = createServer((_request, response) => response.writeHead(503).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const troubles: string[] = [];
    const send = async (): Promise<void> => {
      const exporter = new TraceExporter({ url, headers: {}, resource: {} }, (what) => troubles.push(what));
      new Tracer(exporter).below(rootOf('here', 'bead-x'), 'lost', 1, {});
      await exporter.flush();
    };
    await send();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await send();
    expect(troubles).toEqual([
      '1 spans were refused with status 503',
      expect.stringMatching(/^1 spans could not be sent/),
    ]);
  });
});

it('spans go where the variables of OpenTelemetry say, with the headers and the names that they give', () => {
  const all = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318/' };
  expect(traceTarget({}, 's')).toBeUndefined();
  expect(traceTarget({ ...all, OTEL_SDK_DISABLED: 'TRUE' }, 's')).toBeUndefined();
  expect(traceTarget({ ...all, OTEL_TRACES_EXPORTER: 'none' }, 's')).toBeUndefined();
  expect(
    traceTarget(
      {
        ...all,
        OTEL_EXPORTER_OTLP_HEADERS: 'a=1%202, b=%zz,broken',
        OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'a=3',
        OTEL_RESOURCE_ATTRIBUTES: 'team=x',
      },
      's',
    ),
  ).toEqual({
    url: 'http://c:4318/v1/traces',
    headers: { a: '3', b: '%zz' },
    resource: { team: 'x', 'service.name': 's', 'process.pid': process.pid },
  });
  const own = { ...all, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://t/x', OTEL_SERVICE_NAME: 'mine' };
  expect(traceTarget(own, 's')).toMatchObject({ url: 'http://t/x', resource: { 'service.name': 'mine' } });
});
