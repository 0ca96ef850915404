/** A machine as it was seen to move, as tables and a picture. */

/** One step of a life. */
export interface Step {
  from: string;
  event: string;
  to: string;
  /** Whether the step changed nothing at all, but for counts of what was dropped. */
  nothing: boolean;
}

export interface Machine {
  /** What a reader calls it. */
  name: string;
  /** In the order of the tables. */
  states: readonly string[];
  steps: Iterable<Step>;
}

const sorted = (words: Iterable<string>): string[] => [...new Set(words)].sort();

/** @returns the machine's moves: the state that an event meets, the event, and the states that it may lead to. */
function movesOf(steps: readonly Step[]): Map<string, Map<string, string[]>> {
  const moves = new Map<string, Map<string, string[]>>();
  for (const { from, event, to } of steps) {
    if (from === to) continue;
    const events = moves.get(from) ?? new Map<string, string[]>();
    moves.set(from, events.set(event, sorted([...(events.get(event) ?? []), to])));
  }
  return moves;
}

/** @returns for each state the events that have never done anything in it. */
function idleIn(steps: readonly Step[]): Map<string, string[]> {
  const busy = new Set(steps.filter(({ nothing }) => !nothing).map(({ from, event }) => `${from} ${event}`));
  const idle = new Map<string, string[]>();
  for (const { from, event } of steps)
    if (!busy.has(`${from} ${event}`)) idle.set(from, sorted([...(idle.get(from) ?? []), event]));
  return idle;
}

/** @returns a Mermaid diagram and two tables. */
export function machinePage({ name, states, steps: given }: Machine): string {
  const steps = [...given];
  const order = (a: string, b: string): number => states.indexOf(a) - states.indexOf(b);
  const seen = sorted(steps.flatMap(({ from, to }) => [from, to])).sort(order);
  const moves = movesOf(steps);
  const idle = idleIn(steps);
  const arrows = new Map<string, string[]>();
  for (const [from, events] of moves)
    for (const [event, targets] of events)
      for (const to of targets) arrows.set(`${from} --> ${to}`, [...(arrows.get(`${from} --> ${to}`) ?? []), event]);
  const from = (arrow: string): string => arrow.split(' --> ')[0] ?? '';
  return [
    '```mermaid',
    'stateDiagram-v2',
    ...[...arrows]
      .sort(([a], [b]) => order(from(a), from(b)) || (a < b ? -1 : 1))
      .map(([arrow, events]) => `    ${arrow}: ${sorted(events).join(', ')}`),
    '```',
    '',
    `| ${name} is | and hears | becomes |`,
    '|---|---|---|',
    ...seen.flatMap((state) =>
      [...(moves.get(state) ?? [])]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([event, targets]) => `| ${state} | ${event} | ${targets.join(', ')} |`),
    ),
    '',
    `| ${name} is | and nothing happens, on purpose, at |`,
    '|---|---|',
    ...seen.map((state) => `| ${state} | ${(idle.get(state) ?? ['-']).join(', ')} |`),
  ].join('\n');
}
