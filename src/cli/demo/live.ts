import { createLogUpdate } from 'log-update';
import { durationText } from '../../domain/words.js';
import type { Io } from '../io.js';
import { oneLine, paintAgent, paintStatus, table, timeOfDay } from '../render/format.js';
import { doing } from '../../operator/doing.js';
import { progressLine } from '../render/progress.js';
import { oldStyle } from './scenes.js';
import { isOver, statusOf } from './stage.js';
import type { Actor } from './stage.js';

/** A line for pipes may repeat its bead's status with other words at most so often, in milliseconds. */
const linesEvery = 2_000;

/** @returns the live table of the demo. */
export function stageTable(
  actors: Actor[],
  said: string[],
  now: number,
  { colors: c, width }: Pick<Io, 'colors' | 'width'>,
): string {
  const rows = actors.map((actor) => {
    const { view, scene, startedAt, endedAt } = actor;
    return [
      scene.name,
      paintStatus(statusOf(actor), c),
      paintAgent(view?.agent ?? 'none', c),
      view === undefined ? '-' : String(view.attemptCount),
      String(view?.heartbeats ?? 0),
      startedAt === undefined ? '-' : durationText((endedAt ?? now) - startedAt),
      // A line that wraps cannot be redrawn neatly.
      oneLine(`${doingNow(actor)}${remark(actor, now)}`, Math.max(24, width - 62)),
    ];
  });
  const body = table(['BEAD', 'STATUS', 'AGENT', 'ATTEMPTS', 'HEARTBEATS', 'SINCE', 'DOING'], rows, c);
  return [body, ...said.map((line) => c.yellow(`  ! ${line}`))].join('\n');
}

/** During a cold start: what the old dispatcher would have done by now. */
function remark({ scene, view }: Actor, now: number): string {
  const since = view?.current?.startedAt;
  if (
    scene.name !== 'slow start' ||
    since === undefined ||
    view?.agent !== 'starting' ||
    now - since < oldStyle.dispatchTimeout
  )
    return '';
  return ` (an old-style dispatcher gave up at ${durationText(oldStyle.dispatchTimeout)})`;
}

const waitsFor = ({ scene }: Actor): string =>
  scene.needs.length === 0
    ? 'waits for its worker'
    : `waits until ${scene.needs.join(' and ')} ${scene.needs.length === 1 ? 'is' : 'are'} merged`;
const doingNow = (actor: Actor): string =>
  actor.view === undefined ? waitsFor(actor) : doing(actor.view, actor.description);

/** Shows the beads as they go: a table that is redrawn on a terminal, lines elsewhere. */
export class LiveTable {
  readonly #redraw: ReturnType<typeof createLogUpdate> | undefined;
  readonly #said: string[] = [];
  readonly #shown = new Map<string, { key: string; line: string; at: number }>();

  constructor(private readonly io: Io) {
    this.#redraw = io.tty ? createLogUpdate(process.stdout) : undefined;
  }

  show(actors: Actor[], said: string[], now = Date.now()): void {
    this.#said.push(...said);
    if (this.#redraw !== undefined) {
      this.#redraw(stageTable(actors, this.#said, now, this.io));
      return;
    }
    for (const line of said) this.io.out(`${timeOfDay(now)}  ! ${line}`);
    for (const actor of actors) this.#line(actor, now);
  }

  done(): void {
    this.#redraw?.done();
  }

  #line(actor: Actor, now: number): void {
    const { scene, view, description } = actor;
    const line = view === undefined ? waitsFor(actor) : `${progressLine(view, description)}${remark(actor, now)}`;
    const key = `${statusOf(actor)} ${view?.agent ?? ''} ${view?.attemptCount ?? 0}`;
    const before = this.#shown.get(scene.name);
    const changed = before === undefined || before.key !== key;
    if (!changed && (before.line === line || now - before.at < linesEvery || isOver(actor))) return;
    this.#shown.set(scene.name, { key, line, at: now });
    this.io.out(`${timeOfDay(now)}  ${scene.name.padEnd(10)}  ${line}`);
  }
}
