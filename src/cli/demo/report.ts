import type { Colors } from 'picocolors/types.js';
import type { AttemptRecord } from '../../contract/index.js';
import { counted, durationText, shortSha } from '../../domain/words.js';
import { oneLine, paintStatus } from '../render/format.js';
import type { OnOrigin, Origin } from './origin.js';
import { oldStyle } from './scenes.js';
import { statusOf } from './stage.js';
import type { Actor } from './stage.js';
import { coldStart, reworks } from './verdict.js';

/** A bead at the end of the demo. */
export interface Ending {
  actor: Actor;
  onOrigin: OnOrigin | undefined;
  /** Promises that were not kept. */
  wrong: string[];
}

/** @returns what happened, for a person. */
export function report(endings: Ending[], origin: Origin, c: Colors): string {
  return ['What happened', ...endings.flatMap((ending) => ['', ...scene(ending, origin, c)])].join('\n');
}

function scene({ actor, onOrigin, wrong }: Ending, origin: Origin, c: Colors): string[] {
  const { view, startedAt, endedAt, killed, scene: played } = actor;
  const lines = [
    `${c.bold(played.name)}: ${played.promise}`,
    `  ${played.bead} is ` +
      paintStatus(statusOf(actor), c) +
      (endedAt === undefined || startedAt === undefined ? '' : ` after ${durationText(endedAt - startedAt)}`) +
      `, ${counted(view?.attemptCount ?? 0, 'attempt')}, ${counted(view?.heartbeats ?? 0, 'heartbeat')}`,
    ...(view?.attempts ?? []).map((attempt) => `  ${attemptLine(attempt, killed?.attempt)}`),
  ];
  const sha = view?.landing?.mergedSha;
  if (view?.branch !== undefined && sha !== undefined) {
    const seen =
      onOrigin?.merged === true
        ? `git finds it on the origin's ${origin.branch}, ${counted(onOrigin.subjects.length, 'commit')} came with it`
        : c.red(`the origin's ${origin.branch} does not have it`);
    lines.push(`  branch ${view.branch}, merged as ${shortSha(sha)}: ${seen}`);
    lines.push(...(onOrigin?.subjects.slice(0, 4) ?? []).map((subject) => `    ${c.dim(oneLine(subject, 90))}`));
  }
  if (reworks(actor) > 0)
    lines.push(
      '  its work conflicted with what had been merged before: it went back to an agent, was resolved, and then merged',
    );
  if (played.name === 'slow start') {
    const took = coldStart(view?.attempts[0]);
    if (took !== undefined)
      lines.push(
        `  cold start ${(took / 1_000).toFixed(1)} s: an old-style dispatcher gives up at ` +
          `${durationText(oldStyle.dispatchTimeout)} and starts over, for ever; here it was one attempt`,
      );
  }
  return [...lines, ...wrong.map((text) => `  ${c.red('not as promised:')} ${oneLine(text, 400)}`)];
}

const attemptLine = (attempt: AttemptRecord, killed: string | undefined): string =>
  `attempt ${attempt.id}: ` +
  `${attempt.outcome ?? 'not ended'}${attempt.id === killed ? ' (the one that was killed)' : ''}` +
  `${attempt.reason === undefined ? '' : `, ${oneLine(attempt.reason, 160)}`}`;

/** @returns what to look at and try next. `prefix` is what a command needs in front to find this demo's server. */
export function nextSteps(
  uiAddress: string | undefined,
  namespace: string,
  endings: Ending[],
  convoy: string,
  prefix: string,
  c: Colors,
): string {
  const bead = endings.find(({ actor }) => actor.scene.name === 'killed')?.actor.scene.bead ?? 'BEAD';
  return [
    ...(uiAddress === undefined
      ? []
      : [`Web UI   ${c.cyan(`${uiAddress}/namespaces/${encodeURIComponent(namespace)}/workflows`)}`]),
    'Try, in another terminal in this directory:',
    ...[`convoy show ${convoy}`, `ls --all`, `show ${bead}`, `explain ${bead}`, `logs ${bead}`, 'doctor'].map(
      (verb) => `  ${prefix}npx heartbead ${verb}`,
    ),
    'Your own work: `npx heartbead up`, then',
    `  npx heartbead sling "Fix the typo" --repo /path/to/repo --command './your-agent.sh' --wait`,
  ].join('\n');
}
