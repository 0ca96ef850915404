import { expect, it } from 'vitest';
import { queryProblems, readsOf } from '../../cli/support/promql.js';

const output = `# TYPE lost_total counter
lost_total{why="host",rig="a \\"b\\""} 3
lost_total{why="agent",rig=""} 1
up 1
wait_seconds_bucket{rig="",le="+Inf"} 2
`;

it('what a query reads is its metrics, the labels that it chooses by, and those that it groups by', () => {
  expect(readsOf('sum by (why) (rate(lost_total{rig="a",why=~"h.*"}[5m])) > 2 and absent(up)')).toEqual([
    { metric: 'lost_total', chooses: [{ label: 'rig', word: 'a' }, { label: 'why' }], groups: ['why'] },
    { metric: 'up', chooses: [], groups: [] },
  ]);
  expect(() => readsOf('sum(rate(b[5m])')).toThrow(/no PromQL/);
  expect(() => readsOf('1 + 1')).toThrow(/reads nothing/);
});

it.each([
  ['sum by (why) (increase(lost_total{why="host"}[1h]))', []],
  ['max by (instance) (up)', []],
  ['histogram_quantile(0.9, sum by (le) (rate(wait_seconds_bucket[1h])))', []],
  ['sum(lost_total{why="disk"})', []],
  ['sum(lost_total{why="dsik"})', ['lost_total has no why="dsik"']],
  ['sum by (reason) (lost_total)', ['lost_total has no label reason']],
  ['sum(lost_total{host="a"})', ['lost_total has no label host']],
  ['rate(losses_total[5m])', ['no metric losses_total']],
])('%s', (query, problems) => {
  expect(queryProblems(query, output, { why: ['disk'] })).toEqual(problems);
});
