/** The screen of `heartbead top` as lines of painted pieces: pure, for any size from 40×8 up. @module */
import type { BeadSummary } from '../../client/list.js';
import type { AgentStatus, BeadStatus, BeadView } from '../../contract/index.js';
import type { Problem } from '../../domain/telling/problems.js';
import { inForce } from '../../domain/rig/stops.js';
import type { BeadFact, TownFacts } from '../../domain/telling/town-facts.js';
import { durationText, firstOf } from '../../domain/words.js';
import { oneLine, timeOfDay } from '../render/format.js';
import { leftOutText } from '../render/problems-page.js';
import { beadKeys, downKey, helpKeys, upKey } from '../../operator/bead-keys.js';
import { doing } from '../../operator/doing.js';
import { selectedOf, tabs } from './state.js';
import type { Page, TopData, TopState } from './state.js';

export type Color = 'red' | 'yellow' | 'green' | 'cyan';
export interface ScreenSpan {
  text: string;
  color?: Color;
  bold?: boolean;
  dim?: boolean;
}
export type ScreenLine = ScreenSpan[];

export interface Size {
  width: number;
  height: number;
}

const plain = (text: string): ScreenLine => [{ text }];
const dim = (text: string): ScreenLine => [{ text, dim: true }];
const cut = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, Math.max(width - 1, 0))}…`;
const cell = (text: string, width: number): string => cut(text, width).padEnd(width);

const severityColor = { stuck: 'red', look: 'yellow', know: undefined } as const;

/** @returns exactly `height` lines, none wider than `width`. */
export function screen(
  state: TopState,
  data: TopData | undefined,
  where: string,
  { width, height }: Size,
): ScreenLine[] {
  const now = data?.facts.now ?? Date.now();
  const head: ScreenLine[] = [headline(data, where, now), tabLine(state, data)];
  const foot: ScreenLine[] = [footer(state)];
  const room = Math.max(height - head.length - foot.length, 1);
  const body =
    state.page !== undefined
      ? pageLines(state.page, room, width)
      : state.help
        ? helpLines()
        : data === undefined
          ? [dim('looking …')]
          : bodyLines(state, data, room, width);
  const filled = [...body.slice(0, room), ...Array.from({ length: Math.max(room - body.length, 0) }, () => plain(''))];
  return [...head, ...filled, ...foot].map((line) => narrowed(line, width));
}

/** @returns the screen as text, for what is no terminal: every list in full. */
export function plainScreen(data: TopData, where: string, width: number): string {
  const { facts } = data;
  const sections: [string, ScreenLine[]][] = [
    ['beads', beadLines(data, undefined, facts.beads.length + 1, width)],
    ['problems', plainProblems(data.problems, facts.now)],
    ['hosts', hostLines(facts)],
    ['queue', queueLines(facts)],
  ];
  const left = leftOutText(facts.left);
  const text = (line: ScreenLine): string =>
    line
      .map((span) => span.text)
      .join('')
      .trimEnd();
  return [
    text(headline(data, where, facts.now)),
    ...sections.flatMap(([title, lines]) => ['', title.toUpperCase(), ...lines.map(text)]),
    ...(left === undefined ? [] : ['', left]),
  ].join('\n');
}

function headline(data: TopData | undefined, where: string, now: number): ScreenLine {
  if (data === undefined)
    return [
      { text: 'heartbead', bold: true },
      { text: `  ${where}`, dim: true },
    ];
  const { beads, more, hosts } = data.facts;
  const agents = beads.filter(({ view }) => view?.current?.spawnedAt !== undefined).length;
  const stuck = data.problems.filter(({ severity }) => severity !== 'know').length;
  return [
    { text: 'heartbead', bold: true },
    {
      text:
        `  ${timeOfDay(now)}  ${beads.length}${more ? '+' : ''} open, ${agents} ` +
        `${agents === 1 ? 'agent' : 'agents'}, ${hosts.up.length} ${hosts.up.length === 1 ? 'host' : 'hosts'} ` +
        `(${hosts.free.length} with room)`,
    },
    stuck === 0
      ? { text: ', no problems', color: 'green' }
      : { text: `, ${stuck} ${stuck === 1 ? 'problem' : 'problems'}`, color: 'red', bold: true },
    { text: `  ${where}`, dim: true },
  ];
}

function tabLine({ tab, page }: TopState, data: TopData | undefined): ScreenLine {
  if (page !== undefined) return [{ text: page.title, bold: true }];
  const count: Record<string, number> =
    data === undefined
      ? {}
      : {
          beads: data.facts.beads.length,
          problems: data.problems.length,
          hosts: data.facts.hosts.up.length,
          queue: data.facts.rigs.reduce(
            (sum, { view }) => sum + (view === undefined ? 0 : view.queue.length + view.merging.length),
            0,
          ),
        };
  return tabs.flatMap((name, index): ScreenSpan[] => [
    {
      text:
        `${tab === name ? '[' : ' '}${index + 1} ` +
        `${name}${count[name] === undefined ? '' : ` ${count[name]}`}${tab === name ? ']' : ' '}`,
      ...(tab === name ? { bold: true } : { dim: true }),
    },
    { text: ' ' },
  ]);
}

function footer(state: TopState): ScreenLine {
  if (state.nudge !== undefined)
    return [
      { text: `nudge ${state.nudge.bead}: `, bold: true },
      { text: `${state.nudge.text.slice(-50)}_` },
      { text: '  Enter sends, Esc leaves', dim: true },
    ];
  if (state.confirm !== undefined)
    return [
      { text: `cancel ${state.confirm.bead}? its agent is stopped, its work saved. `, color: 'red', bold: true },
      { text: 'y cancels, any other key leaves it alone' },
    ];
  if (state.said !== undefined) return [{ text: oneLine(state.said, 300), color: 'yellow' }];
  if (state.page !== undefined) return dim('up/down scroll  q back');
  const acts = Object.values(beadKeys).map(({ key, name }) => `${key} ${name}`);
  return dim([...acts, 'Tab lists', `${helpKeys[0]} help`, 'q quit'].join('  '));
}

function helpLines(): ScreenLine[] {
  const { logs } = beadKeys;
  const lines: (readonly [keys: string, what: string])[] = [
    [`up, down, ${downKey}, ${upKey}`, 'choose a bead'],
    ['Tab, 1 to 4', 'beads, problems, hosts, queue'],
    ['Enter', 'show the bead'],
    ...Object.values(beadKeys).map(
      ({ key, what }) => [key, key === logs.key ? `${what}, when that runs on this host` : what] as const,
    ),
    [helpKeys.join(', '), 'these keys'],
    ['q, Ctrl-C', 'quit; nothing else ends'],
  ];
  return lines.map(([keys, what]) => plain(`${keys.padEnd(17)} ${what}`));
}

function bodyLines(state: TopState, data: TopData, room: number, width: number): ScreenLine[] {
  switch (state.tab) {
    case 'beads': {
      const below =
        data.problems.length === 0
          ? []
          : [
              plain(''),
              [{ text: 'needs a person', bold: true }] as ScreenLine,
              ...problemLines(
                data.problems,
                data.facts.now,
                Math.max(Math.min(data.problems.length * 2, Math.floor(room / 3)), 2),
              ),
            ];
      const list = beadLines(data, selectedOf(state, data)?.bead, Math.max(room - below.length, 3), width);
      const gap = Math.max(room - below.length - list.length, 0);
      return [...list, ...Array.from({ length: gap }, () => plain('')), ...below];
    }
    case 'problems':
      return problemLines(data.problems, data.facts.now, room);
    case 'hosts':
      return hostLines(data.facts);
    case 'queue':
      return queueLines(data.facts);
  }
}

const widths = { status: 11, agent: 8, attempt: 2, age: 6 };

/** The list, scrolled so that the selected bead is seen. */
function beadLines(
  { facts, summaries }: TopData,
  selected: string | undefined,
  room: number,
  width: number,
): ScreenLine[] {
  if (facts.beads.length === 0) return [dim('no open beads (heartbead sling starts one)')];
  const name = Math.min(
    Math.max(...facts.beads.map(({ bead }) => bead.length), 4),
    Math.max(Math.floor(width / 4), 12),
  );
  const at = facts.beads.findIndex(({ bead }) => bead === selected);
  const rows = Math.max(room - 1, 1);
  const from = Math.min(Math.max(at - rows + 1, 0), Math.max(facts.beads.length - rows, 0));
  const ages = new Map(summaries.map((summary) => [summary.bead, summary]));
  return [
    dim(
      `  ${cell('BEAD', name)} ${cell('STATUS', widths.status)} ${cell('AGENT', widths.agent)} ` +
        `${cell('#', widths.attempt)} ${cell('AGE', widths.age)} DOING`,
    ),
    ...facts.beads
      .slice(from, from + rows)
      .map((fact) => beadLine(fact, ages.get(fact.bead), fact.bead === selected, name, facts.now)),
  ];
}

function beadLine(
  { bead, status, view, unasked }: BeadFact,
  summary: BeadSummary | undefined,
  selected: boolean,
  name: number,
  now: number,
): ScreenLine {
  const shown = view?.status ?? status;
  const agent = view?.agent ?? summary?.agent ?? 'none';
  const paint = (color: Color | undefined): { color?: Color } => (color === undefined ? {} : { color });
  return [
    { text: selected ? '> ' : '  ', bold: true },
    { text: cell(bead, name), bold: selected },
    { text: ` ${cell(shown, widths.status)}`, ...paint(statusColor(shown as BeadStatus)) },
    { text: ` ${cell(agent === 'none' ? '-' : agent, widths.agent)}`, ...paint(agentColor(agent)) },
    {
      text: ` ${cell(view?.current === undefined ? '-' : String(view.current.number), widths.attempt)} ${cell(
        summary === undefined
          ? '-'
          : durationText(now - summary.startedAt)
              .split(' ')
              .slice(0, 2)
              .join(' '),
        widths.age,
      )} `,
    },
    {
      text:
        view !== undefined
          ? `${unwalled(view)}${oneLine(doing(view))}`
          : unasked === true
            ? 'not asked: no time left'
            : 'does not answer',
      dim: view === undefined,
    },
  ];
}

/** Only what is not as it should be is worth the room. */
const unwalled = ({ current }: BeadView): string => (current?.cell === 'none' ? '(no sandbox) ' : '');

function statusColor(status: BeadStatus | 'terminated'): Color | undefined {
  switch (status) {
    case 'blocked':
    case 'failed':
    case 'terminated':
      return 'red';
    case 'in_progress':
    case 'in_review':
      return 'cyan';
    case 'closed':
      return 'green';
    case 'open':
    case 'cancelled':
      return undefined;
  }
}

function agentColor(agent: AgentStatus): Color | undefined {
  switch (agent) {
    case 'working':
      return 'green';
    case 'starting':
      return 'cyan';
    case 'stalled':
    case 'suspect':
    case 'paused':
    case 'stopping':
      return 'yellow';
    case 'none':
      return undefined;
  }
}

/** Of a page that nobody can scroll. */
const mostProblems = 100;

function plainProblems(problems: readonly Problem[], now: number): ScreenLine[] {
  const shown = problems.slice(0, mostProblems);
  const more = problems.length - shown.length;
  const lines = problemLines(shown, now, Number.MAX_SAFE_INTEGER);
  return more === 0 ? lines : [...lines, dim(`… and ${more} more (heartbead problems --limit ${problems.length})`)];
}

/** Two lines each: what and why, and the command that helps. */
function problemLines(problems: readonly Problem[], now: number, room: number): ScreenLine[] {
  if (problems.length === 0) return [[{ text: 'nothing needs a person', color: 'green' }]];
  const lines = problems.flatMap(({ severity, what, why, fix, since }): ScreenLine[] => {
    const color = severityColor[severity];
    return [
      [
        { text: `${severity.padEnd(5)} `, ...(color === undefined ? { dim: true } : { color }) },
        { text: `${what}${since === undefined ? '' : ` (${durationText(now - since)})`}: ${oneLine(why, 300)}` },
      ],
      [{ text: '      ' }, { text: fix, color: 'cyan' }],
    ];
  });
  if (lines.length <= room) return lines;
  const shown = Math.max(room - 1, 1);
  return [...lines.slice(0, shown), dim(`… ${problems.length} in all: Tab shows them`)];
}

function hostLines({ hosts, beads, taskQueue }: TownFacts): ScreenLine[] {
  const names = [...new Set([...hosts.up, ...hosts.silent])].sort();
  if (names.length === 0)
    return [[{ text: `no worker polls ${taskQueue}`, color: 'red' }, { text: ' (heartbead up starts one)' }]];
  const wide = Math.max(...names.map((host) => host.length), 4);
  return [
    dim(`${cell('HOST', wide)} ${cell('STATE', 12)} AGENTS`),
    ...names.map((host): ScreenLine => {
      const agents = beads.filter(({ view }) => view?.current?.host === host).map(({ bead }) => bead);
      const [word, color]: [string, Color] = hosts.silent.includes(host)
        ? ['out of reach', 'red']
        : hosts.free.includes(host)
          ? ['has room', 'green']
          : ['full', 'yellow'];
      return [
        { text: `${cell(host, wide)} ` },
        { text: cell(word, 12), color },
        { text: ` ${agents.length}${agents.length === 0 ? '' : `: ${firstOf(agents, 20)}`}` },
      ];
    }),
    plain(''),
    plain(`attempts that wait for a place: ${hosts.queued ?? 'not counted by this server'}`),
  ];
}

/** Thousands may wait for one rig. */
const mostOfQueue = 20;
const beyond = (count: number, what: string): ScreenLine[] =>
  count <= mostOfQueue ? [] : [dim(`  … and ${count - mostOfQueue} more ${what}`)];

function queueLines({ rigs, now }: TownFacts): ScreenLine[] {
  if (rigs.length === 0) return [dim('no rigs (heartbead rig add makes one)')];
  return rigs.flatMap(({ rig, view }): ScreenLine[] => {
    if (view === undefined)
      return [
        [
          { text: rig, bold: true },
          { text: '  does not answer', dim: true },
        ],
      ];
    const stopped = (view.stops ?? []).some(inForce);
    const state = view.breaker.open ? ', breaker open' : stopped ? ', stopped' : view.paused ? ', paused' : '';
    return [
      [
        { text: rig, bold: true },
        {
          text:
            `  ${view.grants.length} of ${view.settings.maxAgents} agents, ${view.waiting.length} waiting, ` +
            `${view.queue.length} to be merged`,
        },
        { text: state, color: 'yellow' },
      ],
      ...view.merging.map((entry): ScreenLine => [
        { text: '  merging ', color: 'cyan' },
        {
          text:
            `${entry.item} into ${entry.target === '' ? 'the default branch' : entry.target}, ` +
            durationText(now - entry.startedAt),
        },
      ]),
      ...view.queue
        .slice(0, mostOfQueue)
        .map((entry, index): ScreenLine =>
          plain(
            `  ${String(index + 1).padStart(7)} ` +
              `${entry.item}${entry.lastReason === undefined ? '' : `: ${oneLine(entry.lastReason)}`}`,
          ),
        ),
      ...beyond(view.queue.length, 'to be merged'),
      ...view.waiting
        .slice(0, mostOfQueue)
        .map((request, index): ScreenLine =>
          dim(
            `  agent ${index + 1} ${request.bead}, priority ${request.priority}, ${durationText(now - request.since)}`,
          ),
        ),
      ...beyond(view.waiting.length, 'waiting'),
    ];
  });
}

function pageLines({ lines, scroll }: Page, room: number, width: number): ScreenLine[] {
  const wrapped = lines.flatMap((line) => wrap(line, width));
  const from = Math.min(scroll, Math.max(wrapped.length - room, 0));
  return wrapped.slice(from, from + room).map(plain);
}

function wrap(line: string, width: number): string[] {
  const pieces: string[] = [];
  for (let rest = line; ; rest = `  ${rest}`) {
    if (rest.length <= width) return [...pieces, rest];
    const space = rest.lastIndexOf(' ', width);
    const end = space > width / 2 ? space : width;
    pieces.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
}

function narrowed(line: ScreenLine, width: number): ScreenLine {
  const kept: ScreenLine = [];
  let left = width;
  for (const span of line) {
    if (left <= 0) break;
    kept.push({ ...span, text: cut(span.text, left) });
    left -= span.text.length;
  }
  return kept;
}
