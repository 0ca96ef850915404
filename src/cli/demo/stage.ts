import type { BeadClient } from '../../client/beads.js';
import { endedAs } from '../../client/beads.js';
import type { BeadDescription } from '../../client/describe.js';
import { ClientError } from '../../client/errors.js';
import type { BeadStatus, BeadView } from '../../contract/index.js';
import { isFinal } from '../../contract/index.js';
import { isMoment, killAttempt } from './kill.js';
import type { Killed } from './kill.js';
import type { Scene } from './scenes.js';

/** A bead of the demo as it was last seen. */
export interface Actor {
  scene: Scene;
  /** When its convoy started it, as far as it has. */
  startedAt?: number;
  view?: BeadView;
  description?: BeadDescription;
  /** When its end was seen. */
  endedAt?: number;
  killed?: Killed;
}

/** @returns where a bead stands, as far as anybody knows. */
export function statusOf({ view, description }: Actor): BeadStatus | 'terminated' {
  if (description !== undefined && description.execution !== 'RUNNING') return endedAs(description);
  return view?.status ?? 'open';
}

/** @returns whether nothing more will happen by itself. A blocked bead waits for a person: in a demo nobody comes. */
export function isOver(actor: Actor): boolean {
  const status = statusOf(actor);
  return status === 'terminated' || status === 'blocked' || isFinal(status);
}

/** Sees once how the beads stand, and kills where the script says so. @returns what a spectator should be told. */
export async function follow(actors: Actor[], beads: BeadClient, home: string): Promise<string[]> {
  const said: string[] = [];
  await Promise.all(
    actors
      .filter((actor) => !isOver(actor))
      .map(async (actor) => {
        const { bead } = actor.scene;
        const [view, description] = await Promise.all([
          settled(beads.view(bead, 5_000)),
          settled(beads.describe(bead)),
        ]);
        if (view !== undefined) {
          actor.view = view;
          actor.startedAt ??= view.createdAt;
        }
        if (description !== undefined) actor.description = description;
        if (isOver(actor)) actor.endedAt = Date.now();
        if (
          actor.scene.name === 'killed' &&
          actor.killed === undefined &&
          view?.current !== undefined &&
          isMoment(view)
        ) {
          const killed = await killAttempt(home, bead, view.current.id);
          if (killed !== undefined) {
            actor.killed = killed;
            said.push(
              `SIGKILL to the runner (pid ${killed.runner}) and the agent (pid ${killed.agent}) of attempt ` +
                `${killed.attempt} of ${bead}`,
            );
          }
        }
      }),
  );
  return said;
}

/** A look that fails for now is looked again a moment later; only what was foreseen is put aside. */
async function settled<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ClientError) return undefined;
    throw error;
  }
}
