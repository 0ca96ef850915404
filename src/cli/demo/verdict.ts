import type { AttemptRecord } from '../../contract/index.js';
import { oldStyle } from './scenes.js';
import type { OnOrigin } from './origin.js';
import { statusOf } from './stage.js';
import type { Actor } from './stage.js';

/**
 * What is wrong with a bead's end, held against what the demo promises. The origin was asked itself.
 * @returns a sentence each; none when the promise was kept.
 */
export function broken(actor: Actor, onOrigin: OnOrigin | undefined): string[] {
  const { scene, view, killed } = actor;
  const status = statusOf(actor);
  if (status !== 'closed') return [`it is ${status}: ${view?.reason ?? 'its state is not known'}`];
  if (view === undefined) return ['its state is not known'];
  const wrong: string[] = [];
  if (view.sha === undefined || view.branch === undefined) wrong.push('it names no branch and commit');
  else if (onOrigin?.sha !== view.sha) wrong.push(`the origin has ${view.branch} at ${onOrigin?.sha ?? 'nothing'}, not at ${view.sha}`);
  else if (onOrigin.ahead === 0) wrong.push('its branch holds nothing new');
  const last = view.attempts.at(-1);
  switch (scene.name) {
    case 'plain':
      if (view.attemptCount !== 1) wrong.push(`it took ${view.attemptCount} attempts instead of 1`);
      break;
    case 'slow start': {
      if (view.attemptCount !== 1) wrong.push(`the slow start cost ${view.attemptCount} attempts instead of 1`);
      const took = coldStart(last);
      if (took !== undefined && took <= oldStyle.dispatchTimeout) wrong.push(`its cold start took only ${took} ms, which proves nothing`);
      break;
    }
    case 'killed':
      if (killed === undefined) wrong.push('nothing was killed: it ended before');
      else if (view.attemptCount !== 2) wrong.push(`it took ${view.attemptCount} attempts instead of 2`);
      else if (view.attempts[0]?.outcome !== 'lost') wrong.push(`its killed attempt ended ${view.attempts[0]?.outcome ?? 'unknown'} instead of lost`);
      break;
  }
  return wrong;
}

/** @returns how long an attempt took from its dispatch to its agent's spawn, in milliseconds. */
export function coldStart(attempt: AttemptRecord | undefined): number | undefined {
  return attempt?.spawnedAt === undefined ? undefined : attempt.spawnedAt - attempt.startedAt;
}
