import { parser } from '@prometheus-io/lezer-promql';
import type { SyntaxNode } from '@lezer/common';

/** What a PromQL expression reads of one metric. */
export interface Read {
  metric: string;
  /** Labels by which it chooses series, with the words of those that it compares by `=`. */
  chooses: { label: string; word?: string }[];
  /** Labels by which it groups what it reads. */
  groups: string[];
}

/** @returns everything that a PromQL expression reads. @throws Error when it is none, or reads nothing. */
export function readsOf(query: string): Read[] {
  const text = ({ from, to }: { from: number; to: number }): string => query.slice(from, to);
  const reads: (Read & { at: number })[] = [];
  const grouped: { from: number; to: number; labels: string[] }[] = [];
  parser.parse(query).iterate({
    enter: ({ type, from, node }) => {
      if (type.isError) throw new Error(`no PromQL near ${from}: ${query}`);
      if (type.name === 'VectorSelector') {
        const name = node.getChild('Identifier');
        if (name === null) throw new Error(`a selector without a metric: ${query}`);
        const matchers = all(node, 'UnquotedLabelMatcher').map((matcher) => {
          const [label, op, word] = ['LabelName', 'MatchOp', 'StringLiteral'].map((part) => matcher.getChild(part));
          if (label == null || op == null || word == null) throw new Error(`a matcher without a part: ${query}`);
          return text(op) === '=' ? { label: text(label), word: text(word).slice(1, -1) } : { label: text(label) };
        });
        reads.push({ metric: text(name), chooses: matchers, groups: [], at: from });
      }
      if (type.name === 'AggregateExpr')
        grouped.push({ from, to: node.to, labels: all(node.getChild('AggregateModifier'), 'LabelName').map(text) });
    },
  });
  if (reads.length === 0) throw new Error(`a query that reads nothing: ${query}`);
  return reads.map(({ at, ...read }) => ({
    ...read,
    groups: grouped.filter(({ from, to }) => from <= at && at < to).flatMap(({ labels }) => labels),
  }));
}

/** All nodes of a kind below one. */
function all(node: SyntaxNode | null, kind: string): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  node?.cursor().iterate(({ name, node: each }) => {
    if (name === kind) found.push(each.node);
  });
  return found;
}

/** Labels that Prometheus gives to what it scrapes. */
const ofScrape = ['instance', 'job'];

/**
 * @param output what a scrape got.
 * @param words of labels, besides those that the output has.
 * @returns what is wrong with a query: metrics, labels and words that the output does not have.
 */
export function queryProblems(query: string, output: string, words: Record<string, readonly string[]> = {}): string[] {
  return readsOf(query).flatMap(({ metric, chooses, groups }) => {
    const series = [...output.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)].filter(([, name]) => name === metric);
    if (series.length === 0) return [`no metric ${metric}`];
    const values = new Map<string, Set<string>>();
    for (const [, , labels = ''] of series)
      for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
        values.set(label, (values.get(label) ?? new Set()).add(value));
    return [
      ...[...chooses.map(({ label }) => label), ...groups]
        .filter((label) => !values.has(label) && !ofScrape.includes(label))
        .map((label) => `${metric} has no label ${label}`),
      ...chooses
        .filter(({ label, word }) => word !== undefined && values.has(label))
        .filter(({ label, word = '' }) => !values.get(label)?.has(word) && words[label]?.includes(word) !== true)
        .map(({ label, word }) => `${metric} has no ${label}="${word}"`),
    ];
  });
}
