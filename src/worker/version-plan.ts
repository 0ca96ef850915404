/** What a versioned worker does about the builds of its town: pure decisions. @module */
import { currentBefore } from '../client/deployment.js';
import type { TownVersions } from '../client/deployment.js';
import type { Build } from './builds.js';

/**
 * How a worker is versioned. `auto`: a build that has never been current becomes so when its first worker polls;
 * `manual`:
 * `heartbead upgrade to` does it. `off`: it takes no part in the town's versions. Not said: as the town does.
 */
export const versionings = ['auto', 'manual', 'off'] as const;
export type Versioning = (typeof versionings)[number];

/** @returns how a worker is versioned to which nobody said it: a town that has versions goes on with them. */
export const versioningOf = (told: Versioning | undefined, town: TownVersions | undefined): Versioning =>
  told ?? (town?.current === undefined ? 'off' : 'auto');

/**
 * @returns whether this build is to become current. A worker that merely comes back must not take the town back to its
 * build, whatever somebody has decided meanwhile.
 */
export function takesOver(own: string, versioning: Versioning, town: TownVersions | undefined): boolean {
  if (versioning === 'off') return false;
  if (town?.current === undefined) return true;
  const before = town.versions.find(({ build }) => build === own);
  return versioning === 'auto' && before?.usedAt === undefined && town.ramping?.build !== own;
}

export interface BuildPlan {
  /** To be run beside the worker's own. */
  serve: Build[];
  /** Builds of another SDK to which workflows are pinned: only a worker of that version can run them. */
  strange: Build[];
  /** Nothing will ever ask for them again. */
  forget: Build[];
}

/**
 * A build is forgotten so long after it was last used, if nothing is pinned to it: until then one may go back to it.
 */
const keptFor = 14 * 86_400_000;

/** @param kept the builds of this state directory; the worker's own may be among them. */
export function planBuilds(own: Build, kept: readonly Build[], town: TownVersions, now: number): BuildPlan {
  const plan: BuildPlan = { serve: [], strange: [], forget: [] };
  const before = currentBefore(town, own.id);
  for (const build of kept) {
    if (build.id === own.id) continue;
    const known = town.versions.find((version) => version.build === build.id);
    const needed = known !== undefined && ['current', 'ramping', 'draining'].includes(known.status);
    // The one before is run too, so that going back to it takes no longer than coming here.
    if (needed || (known !== undefined && known === before)) {
      if (build.sdk === own.sdk) plan.serve.push(build);
      else if (needed) plan.strange.push(build);
    } else if (known !== undefined && now - (known.usedAt ?? known.createdAt) > keptFor) plan.forget.push(build);
  }
  return plan;
}

/** Workflows that are told to look at the version, at growing distance, since the server's word for it may be late. */
const tellAfter = [0, 3_000, 10_000, 60_000, 600_000] as const;
/** Signals at once: each is a workflow task of a worker that has other things to do. */
const toldAtOnce = 50;

interface Told {
  times: number;
  at: number;
}

/** Who has been told of the current build, and who is to be told next. */
export class VersionNews {
  #current: string | undefined;
  #told = new Map<string, Told>();

  /** @returns those of `pinned`, workflows of other builds, that are to be told now; they count as told. */
  next(current: string, pinned: readonly string[], now: number): string[] {
    if (current !== this.#current) this.#told.clear();
    this.#current = current;
    const due = pinned
      .filter((id) => {
        const told = this.#told.get(id);
        return told === undefined || now - told.at >= (tellAfter[told.times] ?? tellAfter[tellAfter.length - 1] ?? 0);
      })
      .slice(0, toldAtOnce);
    // Those that have gone on are forgotten.
    const still = new Set(pinned);
    this.#told = new Map([...this.#told].filter(([id]) => still.has(id)));
    for (const id of due) this.#told.set(id, { times: (this.#told.get(id)?.times ?? 0) + 1, at: now });
    return due;
  }
}
