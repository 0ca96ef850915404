import type { TownConnection } from '../../client/connect.js';
import { TownDeployment, versionsSupported } from '../../client/deployment.js';
import type { VersionStatus } from '../../client/deployment.js';
import { hostIdOf } from '../../client/home.js';
import { pollersOf } from '../../client/pollers.js';
import { taskQueues } from '../../contract/index.js';
import { isDeadHere } from '../../operator/town-facts.js';

/** A build of the workflow code, and whether anybody needs it. */
export interface TownBuild {
  build: string;
  status: VersionStatus;
  /** Running workflows that are pinned to it. */
  workflows: number;
  /** Who runs them. */
  workers: string[];
  /** Nothing begins on it, and nothing runs on it any more: its workers may be ended. */
  done: boolean;
}

export interface TownBuilds {
  /** Whether the town's workflows have versions at all. */
  versioned: boolean;
  current: string | null;
  ramping: { build: string; percent: number } | null;
  builds: TownBuild[];
  /** Workers of the workflows' queue that take no part in the versions. */
  unversioned: string[];
  /** Why this server's workflows cannot have versions; null: they can. */
  hindrance: string | null;
}

/** @returns the builds of a town; those that nobody has needed for long are left out by the server itself. */
export async function buildsOf(
  town: Pick<TownConnection, 'connection' | 'client' | 'namespace' | 'taskQueue' | 'home'>,
  deadline: number,
): Promise<TownBuilds> {
  const deployment = new TownDeployment(town, deadline);
  const [versions, pollers, hostId, hindrance] = await Promise.all([
    deployment.describe(),
    pollersOf(town, taskQueues.main(town.taskQueue), 'workflow', deadline),
    hostIdOf(town.home),
    versionsSupported(town.connection, deadline),
  ]);
  const alive = pollers.filter(({ identity }) => !isDeadHere(identity, hostId));
  const builds = await Promise.all(
    (versions?.versions ?? []).map(async ({ build, status }): Promise<TownBuild> => {
      const workflows = await deployment.countPinnedTo(build);
      const used = build === versions?.current || build === versions?.ramping?.build;
      const workers = alive.filter((poller) => poller.build === build).map(({ identity }) => identity);
      return { build, status, workflows, workers, done: !used && workflows === 0 };
    }),
  );
  return {
    versioned: versions?.current !== undefined,
    current: versions?.current ?? null,
    ramping: versions?.ramping ?? null,
    builds,
    unversioned: alive.filter(({ build }) => build === undefined).map(({ identity }) => identity),
    hindrance: hindrance ?? null,
  };
}
