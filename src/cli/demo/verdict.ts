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
  if (view.landing?.mergedSha === undefined) wrong.push('it names no merged commit');
  else if (onOrigin?.merged !== true) wrong.push(`the origin's main branch does not have ${view.landing.mergedSha}`);
  const own = view.attempts.slice(0, view.attempts.length - reworks(actor));
  const [first] = own;
  switch (scene.name) {
    case 'plain':
    case 'last':
      if (view.attemptCount !== 1) wrong.push(`it took ${view.attemptCount} attempts instead of 1`);
      break;
    case 'slow start': {
      if (own.length !== 1) wrong.push(`the slow start cost ${own.length} attempts instead of 1`);
      const took = coldStart(first);
      if (took !== undefined && took <= oldStyle.dispatchTimeout)
        wrong.push(`its cold start took only ${took} ms, which proves nothing`);
      break;
    }
    case 'killed':
      if (killed === undefined) wrong.push('nothing was killed: it ended before');
      else if (own.length !== 2) wrong.push(`it took ${own.length} attempts instead of 2`);
      else if (first?.outcome !== 'lost')
        wrong.push(`its killed attempt ended ${first?.outcome ?? 'unknown'} instead of lost`);
      break;
  }
  return wrong;
}

/** @returns how many of its attempts were made to resolve a conflict. */
export const reworks = ({ view }: Actor): number => view?.used.reworkRounds ?? 0;

/** @returns how long an attempt took from its dispatch to its agent's spawn, in milliseconds. */
export function coldStart(attempt: AttemptRecord | undefined): number | undefined {
  return attempt?.spawnedAt === undefined ? undefined : attempt.spawnedAt - attempt.startedAt;
}
